"""The state: it hangs on moto's SageMaker backend, so one moto reset empties everything and stops every process."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcloud.copies import Copy
    from localcloud.rollouts import Rollout

LOCK = threading.RLock()
"""Held by whoever reads or changes the state below."""

# GPUs per hosting instance type; sizes not named have 1. EC2 accelerated-computing page, read 2026-11-21.
_GPUS = {
    "g4dn.12xlarge": 4, "g5.12xlarge": 4, "g5.24xlarge": 4, "g5.48xlarge": 8, "g6.12xlarge": 4, "g6.24xlarge": 4,
    "g6.48xlarge": 8, "g6e.12xlarge": 4, "g6e.24xlarge": 4, "g6e.48xlarge": 8, "g7.12xlarge": 2, "g7.24xlarge": 4,
    "g7.48xlarge": 8, "g7e.12xlarge": 2, "g7e.24xlarge": 4, "g7e.48xlarge": 8, "p5.4xlarge": 1,
    "p6e-gb200.36xlarge": 4,
}  # fmt: skip


def gpus_of(instance_type: str) -> int:
    """GPUs of an ``ml.*`` type: 8 for the whole-machine p families, 0 for families without GPUs."""
    size = instance_type.removeprefix("ml.")
    if size in _GPUS:
        return _GPUS[size]
    if size.startswith("p"):
        return 8
    return 1 if size.startswith(("g4dn.", "g5.", "g6.", "g6e.", "g7.", "g7e.")) else 0


@dataclass(kw_only=True, eq=False)
class Instance:
    """One machine behind a variant; `ready_at` and `empty_since` are seconds on the clock, a `draining` one goes."""

    type: str
    ready_at: float
    empty_since: float
    draining: bool = False
    id: str = field(default_factory=lambda: f"i-{uuid.uuid4().hex[:17]}")


@dataclass(kw_only=True, eq=False)
class Record:
    """Anything with a name: what Describe answers, and its tags."""

    data: dict[str, Any]
    tags: list[dict[str, str]] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class Endpoint(Record):
    """An endpoint; `until` is when its present state ends, `target` the configuration it is moving to.

    `quiet_since` is when what runs where last changed, `activity` what ran where then.
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
        """EndpointStatus."""
        return str(self.data["EndpointStatus"])


@dataclass(kw_only=True, eq=False)
class Component(Record):
    """An inference component; copies of `revision` are wanted, those of others are on their way out.

    A component is `short` while its FailureReason says that copies find no instance.
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
        """InferenceComponentName."""
        return str(self.data["InferenceComponentName"])

    @property
    def status(self) -> str:
        """InferenceComponentStatus."""
        return str(self.data["InferenceComponentStatus"])

    @status.setter
    def status(self, value: str) -> None:
        self.data["InferenceComponentStatus"] = value

    @property
    def base(self) -> str | None:
        """The base component, for an adapter."""
        name = self.specs[0].get("BaseInferenceComponentName")
        return str(name) if name else None


class Store:
    """Everything of SageMaker in one account and region that moto does not have."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.configs: dict[str, Record] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.components: dict[str, Component] = {}
        self.jobs: dict[str, dict[str, Record]] = {}
        self.last_metrics = 0.0
        self.last_utilisation = 0.0
        self.last_forgotten = 0.0
        self.last_alarms = 0.0
        self.policy_runs: dict[str, float] = {}

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a resource; SageMaker writes names into it in lower case."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"

    def models(self) -> dict[str, Any]:
        """The models by name; they are moto's."""
        models: dict[str, Any] = sagemaker_backends[self.account][self.region]._models
        return models

    def config_of(self, endpoint: Endpoint) -> dict[str, Any]:
        """The endpoint configuration an endpoint runs."""
        return self.configs[endpoint.data["EndpointConfigName"]].data if self._has_config(endpoint) else {}

    def variant(self, component: Component) -> dict[str, Any]:
        """The production variant a component lives on, as configured; empty if the configuration is gone."""
        endpoint = self.endpoints[component.data["EndpointName"]]
        variants = self.config_of(endpoint).get("ProductionVariants", [])
        return next((v for v in variants if v["VariantName"] == component.data.get("VariantName")), {})

    def adapters_of(self, base: str) -> list[Component]:
        """The adapter components of a base component."""
        return [component for component in self.components.values() if component.base == base]

    def close(self) -> None:
        """Stop every process."""
        with LOCK:
            copies = [copy for component in self.components.values() for copy in component.copies]
            self.components.clear()
        for copy in copies:
            copy.stop(drain=False)
        for copy in copies:
            copy.join()

    def _has_config(self, endpoint: Endpoint) -> bool:
        return endpoint.data["EndpointConfigName"] in self.configs


def store(account: str, region: str) -> Store:
    """The state of one account and region; made on first use."""
    backend = sagemaker_backends[account][region]
    with LOCK:
        if "localcloud" not in backend.__dict__:
            backend.localcloud = Store(account, region)
        state: Store = backend.localcloud
        return state


def stores() -> Iterator[Store]:
    """Every state in use."""
    for _, _, backend in list(sagemaker_backends.iter_backends()):
        if "localcloud" in backend.__dict__:
            yield backend.localcloud


def _reset(self: SageMakerModelBackend) -> None:
    if "localcloud" in self.__dict__:
        self.localcloud.close()
    _moto_reset(self)


_moto_reset = SageMakerModelBackend.reset
SageMakerModelBackend.reset = _reset
