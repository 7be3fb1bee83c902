"""Routes: several destinations behind one name, and the choice of one for each request."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Self

import boto3
from botocore.exceptions import ClientError

from .errors import RouteError
from .wait import Clock

VERSION: Final = 1
"""Version of the parameter's format; `cdk_sglang.serving.endpoint.inference_route` writes it, and a test compares both."""


def parameter_name(environment: str, route: str) -> str:
    """Return the name of the SSM parameter that holds a route of an environment."""
    return f"/cdk-sglang/{environment}/routes/{route}"


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A component on an endpoint, by SageMaker's names.

    Args:
        endpoint: Name of the endpoint.
        component: Name of the inference component.
    """

    endpoint: str
    component: str

    def __str__(self) -> str:
        return f"{self.component} on {self.endpoint}"


@dataclass(frozen=True, kw_only=True)
class Route:
    """Destinations in order of preference.

    A request goes to the first destination that is not resting and not full. After a refusal (no capacity, throttling, no connection,
    not deployed) it goes to the next one at once, and the destination that refused rests. The last destination never rests and is
    never full: the request waits there.

    Args:
        destinations: One or more destinations.
        max_in_flight: Requests of this client that a destination other than the last takes at once; no limit by default.
        rest_seconds: Seconds for which a destination gets no requests after a refusal.
    """

    destinations: tuple[Destination, ...]
    max_in_flight: int | None = None
    rest_seconds: float = 30

    def __post_init__(self) -> None:
        problems = [] if self.destinations else ["destinations: none given; give at least one"]
        if self.max_in_flight is not None and self.max_in_flight < 1:
            problems.append(f"max_in_flight: {self.max_in_flight} is not allowed; use 1 or more, or None for no limit")
        if self.rest_seconds < 0:
            problems.append(f"rest_seconds: {self.rest_seconds} is not allowed; use 0 or more")
        if problems:
            raise ValueError("; ".join(problems))

    @classmethod
    def to(cls, endpoint: str, component: str) -> Self:
        """Return a route with one destination.

        Args:
            endpoint: Name of the endpoint.
            component: Name of the inference component.
        """
        return cls(destinations=(Destination(endpoint=endpoint, component=component),))

    @classmethod
    def load(
        cls,
        environment: str,
        name: str,
        *,
        region: str | None = None,
        session: boto3.Session | None = None,
        endpoint_url: str | None = None,
        max_in_flight: int | None = None,
        rest_seconds: float = 30,
    ) -> Self:
        """Read a route that an environment has deployed; needs ssm:GetParameter on its parameter.

        Args:
            environment: Name of the environment, for example prod.
            name: Name of the route under `routes` in the environment's file.
            region: Region of the environment; that of the session by default.
            session: Source of the credentials; boto3's default chain by default.
            endpoint_url: Address of Systems Manager; AWS's own by default.
            max_in_flight: Requests of this client that a destination other than the last takes at once; no limit by default.
            rest_seconds: Seconds for which a destination gets no requests after a refusal.

        Raises:
            RouteError: The route does not exist, or has a format that this client does not know.
        """
        ssm = (session or boto3.Session()).client("ssm", region_name=region, endpoint_url=endpoint_url)
        parameter = parameter_name(environment, name)
        try:
            value = ssm.get_parameter(Name=parameter)["Parameter"]["Value"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ParameterNotFound":
                raise
            raise RouteError(
                f"{parameter}: no such parameter in {ssm.meta.region_name}; write the route under `routes` of "
                f"environments/{environment}.yaml and deploy it, or look for it in another Region"
            ) from None
        return cls(destinations=_destinations(parameter, value), max_in_flight=max_in_flight, rest_seconds=rest_seconds)


def _destinations(parameter: str, value: str) -> tuple[Destination, ...]:
    try:
        content: Any = json.loads(value)
        version = content["version"]
        if version != VERSION:
            raise RouteError(
                f"{parameter}: version {version!r}; this client reads {VERSION}: install the library that deployed it"
            )
        destinations = tuple(
            Destination(endpoint=str(entry["endpoint"]), component=str(entry["component"]))
            for entry in content["destinations"]
        )
    except (ValueError, LookupError, TypeError) as error:
        raise RouteError(f"{parameter}: not a route ({error!r}); deploy the environment again") from None
    if not destinations:
        raise RouteError(f"{parameter}: has no destinations; deploy the environment again")
    return destinations


class Lease:
    """A request's place at a destination, until it is released; further releases do nothing."""

    def __init__(self, router: Router, index: int) -> None:
        self.index = index
        self.destination = router.route.destinations[index]
        self.is_last = index == len(router.route.destinations) - 1
        self._release = weakref.finalize(self, router.release, index)  # also if a stream is dropped unread

    def release(self) -> None:
        """Give the place back."""
        self._release()


class Router:
    """Chooses destinations for the requests of one client; safe to use from many threads."""

    def __init__(self, route: Route, clock: Clock) -> None:
        self.route = route
        self._clock = clock
        self._lock = threading.Lock()
        self._in_flight = [0] * len(route.destinations)
        self._rests_until = [float("-inf")] * len(route.destinations)

    def lease(self, tried: Collection[int] = ()) -> Lease:
        """Take a place at the first available destination."""
        with self._lock:
            last = len(self._in_flight) - 1
            index = next(
                (index for index in range(last) if index not in tried and self._open(index)),
                last,
            )
            self._in_flight[index] += 1
        return Lease(self, index)

    def rest(self, index: int) -> None:
        """Send no requests to a destination for `rest_seconds`."""
        with self._lock:
            self._rests_until[index] = self._clock.now() + self.route.rest_seconds

    def release(self, index: int) -> None:
        """Give a place back."""
        with self._lock:
            self._in_flight[index] -= 1

    def _open(self, index: int) -> bool:
        limit = self.route.max_in_flight
        return self._rests_until[index] <= self._clock.now() and (limit is None or self._in_flight[index] < limit)
