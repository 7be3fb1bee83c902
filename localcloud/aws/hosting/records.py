"""Records of SageMaker hosting: endpoints with their instances, components with their copies, updates in progress."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from localcloud.aws.clock import clock
from localcloud.aws.hosting.copies import Copy

# GPUs per hosting instance type; other sizes have 1. EC2 accelerated-computing page, read 2026-11-21.
_GPUS = {
    "g4dn.12xlarge": 4, "g5.12xlarge": 4, "g5.24xlarge": 4, "g5.48xlarge": 8, "g6.12xlarge": 4, "g6.24xlarge": 4,
    "g6.48xlarge": 8, "g6e.12xlarge": 4, "g6e.24xlarge": 4, "g6e.48xlarge": 8, "g7.12xlarge": 2, "g7.24xlarge": 4,
    "g7.48xlarge": 8, "g7e.12xlarge": 2, "g7e.24xlarge": 4, "g7e.48xlarge": 8, "p5.4xlarge": 1,
    "p6e-gb200.36xlarge": 4,
}  # fmt: skip


def gpus_of(instance_type: str) -> int:
    """Number of GPUs of an ``ml.*`` instance type: 8 for the p families, 0 for families without GPUs."""
    size = instance_type.removeprefix("ml.")
    if size in _GPUS:
        return _GPUS[size]
    if size.startswith("p"):
        return 8
    return 1 if size.startswith(("g4dn.", "g5.", "g6.", "g6e.", "g7.", "g7e.")) else 0


@dataclass(kw_only=True, eq=False)
class Instance:
    """One machine behind a variant; `ready_at` and `empty_since` are seconds on the clock, a `draining` one is being emptied."""

    type: str
    ready_at: float
    empty_since: float
    draining: bool = False
    id: str = field(default_factory=lambda: f"i-{uuid.uuid4().hex[:17]}")


@dataclass(kw_only=True, eq=False)
class Record:
    """A named resource: the members of its description, and its tags."""

    data: dict[str, Any]
    tags: list[dict[str, str]] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class Rollout:
    """An update in progress.

    Args:
        alarms: Names of the CloudWatch alarms that trigger a rollback.
        began: Start of the update, in seconds on the clock.
        deadline: Time at which an unfinished update is rolled back, in seconds on the clock.
        batch: Copies per step.
        rollback_batch: Copies per step of a rollback.
        wait_s: Seconds of baking after each step.
        goal: Copies of the wanted revision that are due so far.
        baking_since: Time at which the current step was complete, in seconds on the clock; None before.
        reason: Reason of a rollback in progress; None without one.
    """

    alarms: list[str]
    deadline: float
    began: float = field(default_factory=lambda: clock().now())
    batch: int = 0
    rollback_batch: int = 0
    wait_s: float = 0
    goal: int = 0
    baking_since: float | None = None
    reason: str | None = None


@dataclass(kw_only=True, eq=False)
class Endpoint(Record):
    """An endpoint; `until` is the end of its current state, `target` the configuration of an update in progress.

    `quiet_since` is the time of the last change of placement, `activity` the placement of copies on instances since then.
    """

    until: float = 0
    target: str | None = None
    failure: str | None = None
    rolls_back: bool = False
    retain: bool = False
    rollout: Rollout | None = None
    instances: dict[str, list[Instance]] = field(default_factory=dict)
    quiet_since: float = 0
    activity: dict[str, frozenset[tuple[str, str]]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """Value of EndpointStatus."""
        return str(self.data["EndpointStatus"])


@dataclass(kw_only=True, eq=False)
class Component(Record):
    """An inference component; copies of `revision` are desired, those of other revisions are being replaced.

    A component is `short` while its FailureReason says that some copies find no instance.
    """

    specs: list[dict[str, Any]]
    desired: int
    revision: int = 1
    copies: list[Copy] = field(default_factory=list)
    previous: tuple[int, list[dict[str, Any]]] | None = None
    rollout: Rollout | None = None
    unplaced_since: float | None = None
    short: bool = False
    not_before: float = 0
    restarts: int = 0
    sessions: dict[str, Copy] = field(default_factory=dict)
    latencies_us: list[float] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Value of InferenceComponentName."""
        return str(self.data["InferenceComponentName"])

    @property
    def status(self) -> str:
        """Value of InferenceComponentStatus."""
        return str(self.data["InferenceComponentStatus"])

    @status.setter
    def status(self, value: str) -> None:
        self.data["InferenceComponentStatus"] = value

    @property
    def base(self) -> str | None:
        """Name of an adapter's base component; None for a base component."""
        name = self.specs[0].get("BaseInferenceComponentName")
        return str(name) if name else None
