"""One or several destinations behind one name, and which of them a request goes to."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Self

import boto3
from botocore.exceptions import ClientError

from cdk_sglang.client.errors import RouteError
from cdk_sglang.client.wait import Clock

VERSION: Final = 1
"""Of the parameter's content; `cdk_sglang.serving.endpoint.inference_route` writes it, and a test holds both together."""


def parameter_name(environment: str, route: str) -> str:
    """Return the SSM parameter that holds a route of an environment."""
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
    """Destinations in the order they are tried.

    A request goes to the first destination that is not resting and not full. A refusal (no capacity, throttling, no connection,
    not deployed) sends it to the next one at once; the destination it came from rests. The last destination never rests and is
    never full: there the request waits.

    Args:
        destinations: At least one.
        max_in_flight: Requests of this client that a destination other than the last takes at once; no limit by default.
        rest_seconds: How long a destination that refused is left alone.
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
        """Read a route that an environment deployed; needs ssm:GetParameter on it.

        Args:
            environment: Name of the environment, such as prod.
            name: Name of the route under `routes` in the environment's file.
            region: Region of the environment; that of the session by default.
            session: Where credentials come from; boto3's default chain by default.
            endpoint_url: Of Systems Manager; AWS's own by default.
            max_in_flight: As in the class.
            rest_seconds: As in the class.

        Raises:
            RouteError: There is no such route, or this version does not understand it.
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
        found = tuple(
            Destination(endpoint=str(entry["endpoint"]), component=str(entry["component"]))
            for entry in content["destinations"]
        )
    except (ValueError, LookupError, TypeError) as error:
        raise RouteError(f"{parameter}: not a route ({error!r}); deploy the environment again") from None
    if not found:
        raise RouteError(f"{parameter}: has no destinations; deploy the environment again")
    return found


class Lease:
    """A request's place at a destination, until it is released; more than once does no harm."""

    def __init__(self, router: Router, index: int) -> None:
        self.index = index
        self.destination = router.route.destinations[index]
        self.is_last = index == len(router.route.destinations) - 1
        self._release = weakref.finalize(self, router.release, index)  # also where a stream is dropped unread

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
        """Take a place at the first destination that can be tried."""
        with self._lock:
            last = len(self._in_flight) - 1
            index = next(
                (index for index in range(last) if index not in tried and self._open(index)),
                last,
            )
            self._in_flight[index] += 1
        return Lease(self, index)

    def rest(self, index: int) -> None:
        """Leave a destination alone for a while."""
        with self._lock:
            self._rests_until[index] = self._clock.now() + self.route.rest_seconds

    def release(self, index: int) -> None:
        """Give a place back."""
        with self._lock:
            self._in_flight[index] -= 1

    def _open(self, index: int) -> bool:
        limit = self.route.max_in_flight
        return self._rests_until[index] <= self._clock.now() and (limit is None or self._in_flight[index] < limit)
