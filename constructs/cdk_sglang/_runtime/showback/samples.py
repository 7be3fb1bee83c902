"""What endpoints had at one moment: the text stored for every sample and read back for the day's report.

SageMaker reports what an endpoint has now, never what it had: the past is known only from samples.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

VERSION = 1
"""Version of the text; any other version is rejected, so that a report never misreads a sample."""


@dataclass(frozen=True, kw_only=True)
class Instances:
    """Instances of one type.

    Attributes:
        type: Instance type, for example ml.g6e.12xlarge; empty if unknown.
        count: Number of instances.
        plan: ARN of the training plan that they run on; empty on demand.
    """

    type: str
    count: int
    plan: str = ""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A component or an adapter.

    Attributes:
        name: Name in SageMaker.
        component: Short name of the component.
        adapter: Short name of the adapter; empty for a component.
        base: Name in SageMaker of the component under an adapter; empty for a component.
        team: Team that is responsible for its cost; empty if unspecified.
        copies: Copies by instance type; under the empty type if their type is unknown.
        gpus: GPUs of a copy by instance type; under the empty type for every type.
        input_tokens: Planned tokens of a prompt; 0 if unknown.
        output_tokens: Planned tokens of an answer; 0 if unknown.
        target_copies: Desired number of copies now; None if unknown. No report reads it, so it is not stored.
    """

    name: str
    component: str
    adapter: str = ""
    base: str = ""
    team: str = ""
    copies: Mapping[str, int] = field(default_factory=dict)
    gpus: Mapping[str, float] = field(default_factory=dict)
    input_tokens: float = 0
    output_tokens: float = 0
    target_copies: int | None = field(default=None, compare=False)

    def gpus_on(self, instance_type: str) -> float:
        """Return the GPUs of a copy on a type."""
        return self.gpus.get(instance_type, self.gpus.get("", 0))


@dataclass(frozen=True, kw_only=True)
class EndpointSample:
    """An endpoint: no instances and no members if it does not exist.

    Attributes:
        endpoint: Short name.
        instances: Its instances, those of a deployment in progress included.
        members: Its components and adapters.
    """

    endpoint: str
    instances: tuple[Instances, ...] = ()
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A training plan that is active.

    Attributes:
        arn: Its ARN.
        count: Instances that it reserves, which are paid for whether they run or not.
        type: Their type.
        usd_per_hour: Price of one instance, the upfront fee per instance and hour; empty if AWS states none in US dollars.
    """

    arn: str
    count: int
    type: str
    usd_per_hour: str = ""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What all endpoints had at one moment.

    Attributes:
        at: The moment, in whole seconds.
        endpoints: Endpoints by their names in SageMaker; one that could not be read is left out.
        plans: Training plans that endpoints run on.
    """

    at: dt.datetime
    endpoints: Mapping[str, EndpointSample]
    plans: tuple[Plan, ...] = ()

    def text(self) -> str:
        """Return the sample as JSON, the same bytes for the same sample."""
        endpoints = {name: _kept(endpoint) for name, endpoint in self.endpoints.items()}
        content = {
            "version": VERSION,
            "at": self.at.isoformat(),
            "endpoints": endpoints,
            "plans": [dataclasses.asdict(plan) for plan in self.plans],
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str | bytes) -> Sample:
        """Read a sample.

        Raises:
            ValueError: The text is not a sample of this version.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            if content["version"] != VERSION:
                raise ValueError(f"version {content['version']} of a sample, expected {VERSION}")
            return cls(
                at=dt.datetime.fromisoformat(content["at"]),
                endpoints={name: _endpoint(json.dumps(part)) for name, part in content["endpoints"].items()},
                plans=tuple(Plan(**plan) for plan in content["plans"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no sample: {error!r}") from error


def _kept(endpoint: EndpointSample) -> dict[str, Any]:
    kept = dataclasses.asdict(endpoint)
    for member in kept["members"]:
        del member["target_copies"]
    return kept


@lru_cache(maxsize=256)
def _endpoint(text: str) -> EndpointSample:
    """Parse an endpoint; most samples of a day are equal and share one object."""
    content: dict[str, Any] = json.loads(text)
    return EndpointSample(
        endpoint=content["endpoint"],
        instances=tuple(Instances(**part) for part in content["instances"]),
        members=tuple(Member(**part) for part in content["members"]),
    )
