"""What `cdk-sglang status` found, as plain data: the screen and `--json` show the same."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

State: TypeAlias = Literal[
    "in service", "asleep", "waking", "scaling", "updating", "copies missing", "failed", "not deployed", "deleting"
]
WRONG: frozenset[State] = frozenset({"copies missing", "failed"})
"""States in which an endpoint or component does not do what it should."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """A prediction of the plan and its band.

    Attributes:
        value: The prediction.
        low: Lower bound.
        high: Upper bound.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What the plan says about a component.

    Attributes:
        ttft_ms: Mean time to the first token, milliseconds.
        tpot_ms: Mean time per further token, milliseconds.
        output_tok_s: Output tokens per second of one copy.
        kv_tokens: KV tokens of one copy.
        concurrency: Requests in flight per copy for which this holds.
    """

    ttft_ms: Range | None = None
    tpot_ms: Range | None = None
    output_tok_s: Range | None = None
    kv_tokens: int | None = None
    concurrency: float | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured for a component within the last minutes; None where nothing was.

    Attributes:
        requests_per_s: Requests per second (CloudWatch).
        failed_share: Share of requests that failed on the serving side (CloudWatch).
        concurrent_per_copy: Maximum number of requests running or waiting on one copy (CloudWatch).
        latency_p99_ms: Time in the container, p99, milliseconds (CloudWatch).
        ttft_mean_ms: Mean time to the first token, milliseconds (engine).
        ttft_p99_ms: The same, p99 (engine).
        tpot_mean_ms: Mean time per further token, milliseconds (engine).
        tpot_p99_ms: The same, p99 (engine).
        output_tok_s: Output tokens per second of all copies (engine).
        kv_share_used: Share of KV tokens in use on the fullest copy (engine).
        queue: Requests that wait for the engine (engine).
    """

    requests_per_s: float | None = None
    failed_share: float | None = None
    concurrent_per_copy: float | None = None
    latency_p99_ms: float | None = None
    ttft_mean_ms: float | None = None
    ttft_p99_ms: float | None = None
    tpot_mean_ms: float | None = None
    tpot_p99_ms: float | None = None
    output_tok_s: float | None = None
    kv_share_used: float | None = None
    queue: float | None = None


@dataclass(frozen=True, kw_only=True)
class AdapterStatus:
    """An adapter that is not in service.

    Attributes:
        name: Short name.
        status: SageMaker's own word, such as Creating.
        reason: SageMaker's reason of a failure; empty without one.
    """

    name: str
    status: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ComponentStatus:
    """A component.

    Attributes:
        name: Short name, or the name in SageMaker of a component that the environment does not have.
        component_name: Name in SageMaker.
        state: What it does.
        reason: SageMaker's reason of a failure; empty without one.
        copies_wanted: Copies that scaling requests now.
        copies_running: Copies that run.
        copies_least: Minimum number of copies in the specification; None for a component that the environment does not have.
        copies_most: Maximum number of copies in the specification.
        gpus_reserved: GPUs that its running copies reserve.
        copies_by_type: Copies that run by instance type, as far as SageMaker reports them.
        adapters: Its adapters in service.
        adapters_not_in_service: Its other adapters.
        planned: What the plan says; None if nothing is known of its model.
        measured: What was measured.
        error_budget_left: Share of the error budget that is left; None without an objective or requests.
        error_budget_days: Days over which the budget is counted.
    """

    name: str
    component_name: str
    state: State
    reason: str = ""
    copies_wanted: int = 0
    copies_running: int = 0
    copies_least: int | None = None
    copies_most: int | None = None
    gpus_reserved: int = 0
    copies_by_type: Mapping[str, int] = field(default_factory=dict)
    adapters: tuple[str, ...] = ()
    adapters_not_in_service: tuple[AdapterStatus, ...] = ()
    planned: Planned | None = None
    measured: Measured = field(default_factory=Measured)
    error_budget_left: float | None = None
    error_budget_days: int | None = None


@dataclass(frozen=True, kw_only=True)
class InstancesStatus:
    """Instances of one type.

    Attributes:
        type: Instance type.
        running: Instances that run.
        gpus: GPUs of one instance.
        usd_per_hour: US dollars of one instance and hour; None without a price.
        price_date: Day of the price.
        price_is_estimate: Whether the price was inferred from another Region or service.
    """

    type: str
    running: int
    gpus: int
    usd_per_hour: float | None = None
    price_date: dt.date | None = None
    price_is_estimate: bool = False


@dataclass(frozen=True, kw_only=True)
class EndpointReport:
    """An endpoint.

    Attributes:
        name: Short name.
        endpoint_name: Name in SageMaker.
        state: What it does.
        status: SageMaker's own word, such as InService.
        reason: SageMaker's reason of a failure; empty without one.
        next_step: What to do about a state that is wrong; empty without one.
        instances: Instances by type.
        instances_wanted: Instances that managed scaling requests.
        components: Components.
        not_measured: Why the engine's own metrics are missing; empty if they are there.
    """

    name: str
    endpoint_name: str
    state: State
    status: str = ""
    reason: str = ""
    next_step: str = ""
    instances: tuple[InstancesStatus, ...] = ()
    instances_wanted: int = 0
    components: tuple[ComponentStatus, ...] = ()
    not_measured: str = ""

    @property
    def gpus(self) -> int:
        """GPUs of the instances that run."""
        return sum(one.running * one.gpus for one in self.instances)

    @property
    def gpus_idle(self) -> int:
        """GPUs that are paid for and reserved by no copy."""
        return max(0, self.gpus - sum(component.gpus_reserved for component in self.components))

    @property
    def usd_per_hour(self) -> float | None:
        """US dollars per hour of the instances that run; None if one has no price."""
        costs = [None if one.usd_per_hour is None else one.running * one.usd_per_hour for one in self.instances]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None


@dataclass(frozen=True, kw_only=True)
class FiringAlarm:
    """An alarm in ALARM.

    Attributes:
        name: Name of the alarm.
        since: Time since which it fires.
        next_step: Its description, which says what to do.
        is_fault: Whether something is wrong; false for the alarm that is on while a deployment runs.
    """

    name: str
    since: dt.datetime | None
    next_step: str
    is_fault: bool = True


@dataclass(frozen=True, kw_only=True)
class StatusReport:
    """An environment at one moment.

    Attributes:
        environment: Name of the environment.
        region: AWS Region.
        at: Moment at which it was read.
        endpoints: Endpoints.
        alarms: Alarms in ALARM.
        not_read: What could not be read, each with its reason.
    """

    environment: str
    region: str
    at: dt.datetime
    endpoints: tuple[EndpointReport, ...]
    alarms: tuple[FiringAlarm, ...] = ()
    not_read: tuple[str, ...] = ()

    @property
    def usd_per_hour(self) -> float | None:
        """US dollars per hour of all endpoints; None if an instance has no price."""
        costs = [endpoint.usd_per_hour for endpoint in self.endpoints]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, one line each; empty if the environment is healthy."""
        found = []
        for endpoint in self.endpoints:
            if endpoint.state in WRONG or endpoint.state == "not deployed":
                found.append(f"{endpoint.name}: {endpoint.state}")
            for component in endpoint.components:
                where = f"{endpoint.name}/{component.name}"
                if component.state in WRONG or (component.state == "not deployed" and endpoint.state != "not deployed"):
                    found.append(f"{where}: {component.state}")
                if component.error_budget_left is not None and component.error_budget_left <= 0:
                    found.append(f"{where}: the error budget of {component.error_budget_days} days is spent")
        found += [f"alarm {alarm.name}" for alarm in self.alarms if alarm.is_fault]
        return [*found, *(f"not read: {what}" for what in self.not_read)]

    def as_json(self) -> dict[str, Any]:
        """Return the report for `--json`; times are in ISO 8601."""
        content: dict[str, Any] = dataclasses.asdict(self)
        for endpoint, shown in zip(self.endpoints, content["endpoints"], strict=True):
            shown |= {"gpus": endpoint.gpus, "gpus_idle": endpoint.gpus_idle, "usd_per_hour": endpoint.usd_per_hour}
        problems = self.problems
        content |= {"usd_per_hour": self.usd_per_hour, "healthy": not problems, "problems": problems}
        plain: dict[str, Any] = _plain(content)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, dt.date) else value
