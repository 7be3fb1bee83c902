"""How an update is rolled out to copies and instances: steps, room in addition to what serves, minutes, dollars.

Time comes from the plan's start-up phases (planning/startup.py), which are estimates. Where AWS documents nothing, the assumption is that
of docs/updates.md: without a rollout all new copies start next to the old ones, and without room an old copy stops first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cdk_sglang.cli.diff.report import Span

_WHOLE: Final = 100
_MINUTE: Final = 60


@dataclass(frozen=True, kw_only=True)
class StartSeconds:
    """Seconds of a start, from the plan.

    Attributes:
        copy: Another copy on an instance that runs already and has the image.
        image: Pulling the image.
        instance: Launching an instance.
    """

    copy: float
    image: float
    instance: float

    @classmethod
    def of_plan(cls, start_up: Mapping[str, float]) -> StartSeconds:
        """Convert the member `start_up` of a component in plan.json."""
        return cls(
            copy=start_up["download"] + start_up["load"] + start_up["engine"],
            image=start_up["image"],
            instance=start_up["instance"],
        )


def copies_at_once(deployment: Mapping[str, Any], copies: int) -> int:
    """Return how many copies one step of a component's update replaces.

    Args:
        deployment: Its DeploymentConfig; empty if there is none, which makes all of them one step.
        copies: Copies that it has.
    """
    size = deployment.get("RollingUpdatePolicy", {}).get("MaximumBatchSize")
    return copies if size is None else min(copies, _units(size, copies))


def copy_minutes(deployment: Mapping[str, Any], copies: Span, start: StartSeconds, *, new_image: bool) -> Span:
    """Return how long the update of a component takes: on instances that run, and if the first step launches some.

    Args:
        deployment: Its DeploymentConfig; empty if there is none.
        copies: Minimum and maximum number of copies.
        start: Seconds of a start.
        new_image: Whether the image is another one, which every instance has to pull.
    """
    wait = deployment.get("RollingUpdatePolicy", {}).get("WaitIntervalInSeconds", 0)

    def seconds(count: float) -> float:
        if not count:
            return 0
        steps = math.ceil(count / copies_at_once(deployment, int(count)))
        return float(steps * (start.copy + wait) + (start.image if new_image else 0))

    launch = 0.0 if not copies.high else start.instance + (0 if new_image else start.image)
    return Span(low=seconds(copies.low) / _MINUTE, high=(seconds(copies.high) + launch) / _MINUTE)


@dataclass(frozen=True, kw_only=True)
class FleetUpdate:
    """How a new configuration is rolled out to the instances of an endpoint.

    Attributes:
        batch_percent: Percentage of the instances that are replaced at a time; None for a second fleet.
        steps: Steps, each with its wait; None if they follow from the number of instances.
        wait_seconds: Wait after each step.
        end_seconds: How much longer the old fleet stays.
    """

    batch_percent: int | None
    steps: int | None
    wait_seconds: int
    end_seconds: int

    @classmethod
    def of(cls, deployment: Mapping[str, Any]) -> FleetUpdate:
        """Read the DeploymentConfig of an endpoint; without one, SageMaker starts a second fleet and moves all traffic at once.

        Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeploymentConfig.html (read 2026-11).
        """
        rolling = deployment.get("RollingUpdatePolicy")
        if rolling is not None:
            percent = int(rolling["MaximumBatchSize"]["Value"])
            return cls(
                batch_percent=percent, steps=None, wait_seconds=int(rolling["WaitIntervalInSeconds"]), end_seconds=0
            )
        policy = deployment.get("BlueGreenUpdatePolicy", {})
        traffic = policy.get("TrafficRoutingConfiguration", {})
        linear = traffic.get("LinearStepSize", {}).get("Value")
        steps = 2 if "CanarySize" in traffic else 1 if linear is None else math.ceil(_WHOLE / int(linear))
        return cls(
            batch_percent=None,
            steps=steps,
            wait_seconds=int(traffic.get("WaitIntervalInSeconds", 0)),
            end_seconds=int(policy.get("TerminationWaitInSeconds", 0)),
        )

    def further(self, instances: int) -> int:
        """Return how many further instances run meanwhile."""
        return instances if self.batch_percent is None else min(instances, _percent_of(self.batch_percent, instances))

    def minutes(self, instances: int, start: StartSeconds) -> float:
        """Return how long it takes, with the copies of the slowest component on each new instance."""
        if not instances:
            return 0
        ready = start.instance + start.image + start.copy
        if self.steps is None:
            return math.ceil(instances / self.further(instances)) * (ready + self.wait_seconds) / _MINUTE
        return (ready + self.steps * self.wait_seconds + self.end_seconds) / _MINUTE


def _units(size: Mapping[str, Any], total: int) -> int:
    value = int(size["Value"])
    return _percent_of(value, total) if size.get("Type") == "CAPACITY_PERCENT" else max(1, value)


def _percent_of(percent: int, total: int) -> int:
    return max(1, total * percent // _WHOLE)
