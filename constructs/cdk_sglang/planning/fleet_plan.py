"""Content of a fleet plan, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.errors import Problem
    from cdk_sglang.hardware import Price
    from cdk_sglang.planning.fleet_request import HostMemory
    from cdk_sglang.planning.memory import MemoryPlan
    from cdk_sglang.planning.outlook import Outlook
    from cdk_sglang.planning.predict import Band
    from cdk_sglang.planning.startup import StartUp


@dataclass(frozen=True, kw_only=True)
class Range:
    """The minimum, typical and maximum value of a number.

    Args:
        low: Minimum value.
        typical: Typical value.
        high: Maximum value.
    """

    low: float
    typical: float
    high: float


@dataclass(frozen=True, kw_only=True)
class DiskUse:
    """Use of one instance's NVMe, GB (10^9 bytes), when the instance holds as many copies of a component as its GPUs allow.

    Args:
        weights_gb: The model's files, which the copies on an instance share.
        cache_gb: Maximum size of one copy's cache files; None if unbounded.
        copies: Copies on the instance.
        nvme_gb: Size of the instance's NVMe; 0 if it has none.
    """

    weights_gb: float
    cache_gb: float | None
    copies: int
    nvme_gb: float

    @property
    def needed_gb(self) -> float:
        """Space taken when every copy's cache is full, as far as its size is bounded."""
        return self.weights_gb + self.copies * (self.cache_gb or 0.0)


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another instance type on which the component meets its objectives.

    Args:
        instance: Instance type.
        tp_size: GPUs of a copy there.
        ttft_ms: Time to the first token, milliseconds.
        tpot_ms: Time per further token, milliseconds; None where no tokens are generated.
        usd_per_hour: US dollars per hour of the whole instances that the minimum number of copies takes.
        usd_per_hour_per_copy: US dollars per hour of a copy: its GPUs' share of the instance.
        usd_per_million_input_tokens: US dollars per million input tokens at the planned load.
        usd_per_million_output_tokens: US dollars per million output tokens at the planned load; None where none are generated.
    """

    instance: str
    tp_size: int
    ttft_ms: Band
    tpot_ms: Band | None
    usd_per_hour: float
    usd_per_hour_per_copy: float
    usd_per_million_input_tokens: float
    usd_per_million_output_tokens: float | None


@dataclass(frozen=True, kw_only=True)
class ComponentPlan:
    """The plan of one component on one instance type.

    Args:
        name: Name of the component.
        model: Id of its model.
        instance: Instance type of the plan.
        gpus: GPUs of a copy.
        gpus_by_type: GPUs of a copy on each instance type of the endpoint.
        memory: Memory of the fullest GPU.
        context_length: Longest request that the plan provides for, in tokens.
        requests_at_context: Requests of that length that fit in the cache.
        copies_per_instance: Copies that fit on an instance on which nothing else runs.
        min_copies: Minimum number of copies.
        max_copies: Maximum number of copies.
        concurrency: Requests in flight per copy for which the times are predicted.
        ttft_ms: Time to the first token; None if it cannot be predicted.
        tpot_ms: Time per further token; None if it cannot be predicted or no tokens are generated, for example by an embedding model.
        output_tok_s: Output tokens per second of a copy.
        usd_per_million_input_tokens: US dollars per million input tokens on that type at the planned load (`price.token_prices`); None without a price.
        usd_per_million_output_tokens: The same for output tokens.
        start_up: Seconds of each phase from no instance to the first answer.
        options: SGLang options that the plan determines.
        alternatives: The cheapest instance types that meet the requested latency.
        notes: Assumptions.
        images_note: Tokens that the images of a request add to its prompt, in words; empty without images.
        facts_source: Source from which the model's config was read.
        facts_date: Date on which it was read; empty if unknown.
        facts_file: The user's file with the config; empty for the package's catalogue.
        host: Host memory of a copy; None if unknown.
        disk: NVMe use of an instance with as many copies of the component as fit; None on a type without NVMe.
        speculation: Predicted effect of drafting; None without a draft.
        memory_line: In words: why it fits or not, what limits its requests, and which figures are assumptions.
    """

    name: str
    model: str
    instance: str
    gpus: int
    memory: MemoryPlan
    context_length: int
    requests_at_context: int
    copies_per_instance: int
    min_copies: int
    max_copies: int
    concurrency: float
    start_up: StartUp
    ttft_ms: Band | None = None
    tpot_ms: Band | None = None
    output_tok_s: Band | None = None
    usd_per_million_input_tokens: float | None = None
    usd_per_million_output_tokens: float | None = None
    gpus_by_type: dict[str, int] = field(default_factory=dict)
    options: dict[str, int | float] = field(default_factory=dict)
    alternatives: tuple[Alternative, ...] = ()
    notes: tuple[str, ...] = ()
    images_note: str = ""
    facts_source: str = ""
    facts_date: str = ""
    facts_file: str = ""
    host: HostMemory | None = None
    disk: DiskUse | None = None
    speculation: Outlook | None = None
    memory_line: str = ""


@dataclass(frozen=True, kw_only=True)
class TypeCost:
    """Instances and cost of an endpoint if all its instances are of one of its types.

    Args:
        instance: The instance type.
        instances: Minimum, typical and maximum number of instances.
        price: Price of one instance; None if unknown.
        usd_per_hour: US dollars per hour of these numbers of instances; None without a price.
    """

    instance: str
    instances: Range
    price: Price | None = None
    usd_per_hour: Range | None = None


@dataclass(frozen=True, kw_only=True)
class EndpointPlan:
    """The plan of one endpoint.

    Args:
        name: Name of the endpoint.
        instance: Its first-choice instance type.
        gpus_per_instance: GPUs of one instance of that type.
        components: Plans of its components on that type.
        types: Instances and costs by type, first choice first; more than one if the endpoint is a pool.
        instances: Minimum number on any of its types, typical number on the first, maximum on any.
        layouts: Layout of each instance when fully scaled out: the component on each GPU, or an empty string for a free one.
        fragmentation: Share of the GPUs that no copy can use when fully scaled out.
        update_room: Whether a rolling update can start one more copy of every component without another instance.
        notes: Cost of an update of the endpoint, in words.
        price: Price of its first-choice type; None if unknown.
        usd_per_hour: Minimum on the cheapest type, typical on the first, maximum on the most expensive; None if a type has no price.
        scale_in_tail_usd: Cost of one instance of the most expensive type between its last request and its release.
    """

    name: str
    instance: str
    gpus_per_instance: int
    components: tuple[ComponentPlan, ...]
    types: tuple[TypeCost, ...]
    instances: Range
    layouts: tuple[tuple[str, ...], ...]
    fragmentation: float
    update_room: bool
    price: Price | None = None
    usd_per_hour: Range | None = None
    scale_in_tail_usd: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The user's own measurements that calibrate the predictions of a plan.

    Args:
        place: File or folder of the measurements.
        rows: Number of measured rows used.
        text: The same in words, including the rows that were not used.
    """

    place: str
    rows: int
    text: str


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """The plan of an environment; `problems` is empty if it may be deployed.

    Args:
        environment: Name of the environment.
        region: AWS Region.
        endpoints: Plan of each endpoint.
        usd_per_hour: US dollars per hour of all endpoints; None if a price is unknown.
        problems: Problems that prevent the deployment of the environment, one line each.
        warnings: Warnings that do not prevent it, one line each.
        budget_usd_per_hour: Maximum allowed cost of the environment when fully scaled out; None without a budget.
        calibrations: The user's own measurements that calibrate the predictions; empty, and absent from plan.json, if only the package's calibration is used.
    """

    environment: str
    region: str
    endpoints: tuple[EndpointPlan, ...]
    usd_per_hour: Range | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    budget_usd_per_hour: float | None = None
    calibrations: tuple[Calibrated, ...] = ()
