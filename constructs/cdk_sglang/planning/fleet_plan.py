"""What a fleet plan says: plain data."""

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
    """A number at its least, in between and at its most.

    Args:
        low: Least.
        typical: Typical.
        high: Most.
    """

    low: float
    typical: float
    high: float


@dataclass(frozen=True, kw_only=True)
class DiskUse:
    """The NVMe of one instance, GB (10^9 bytes), as full of a component's copies as its GPUs allow.

    Args:
        weights_gb: The model's files, which the copies on an instance share.
        cache_gb: What one copy's cache may write; None where nothing bounds it.
        copies: Copies on the instance.
        nvme_gb: What the instance has; 0 when it has none.
    """

    weights_gb: float
    cache_gb: float | None
    copies: int
    nvme_gb: float

    @property
    def needed_gb(self) -> float:
        """What is bound to be written when every copy's cache is full."""
        return self.weights_gb + self.copies * (self.cache_gb or 0.0)


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another instance type on which the component meets what is asked.

    Args:
        instance: Instance type.
        tp_size: GPUs of a copy there.
        ttft_ms: Time to the first token, milliseconds.
        tpot_ms: Time per further token, milliseconds; None where no tokens are generated.
        usd_per_hour: US dollars per hour of the whole instances that the fewest copies take.
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
    """What one component does on one instance type.

    Args:
        name: The component.
        model: Its model's id.
        instance: The instance type planned on.
        gpus: GPUs of a copy.
        gpus_by_type: The same on each instance type of the endpoint.
        memory: Memory of its fullest GPU.
        context_length: Longest request planned for.
        requests_at_context: Requests of that length the cache holds.
        copies_per_instance: Copies one instance holds when nothing else runs on it.
        min_copies: Copies that always run.
        max_copies: Copies it may grow to.
        concurrency: Requests in flight per copy for the times below.
        ttft_ms: Time to the first token; None when it cannot be predicted.
        tpot_ms: Time per further token; None too where no tokens are generated, such as by a model that makes embeddings.
        output_tok_s: Output tokens per second of a copy.
        usd_per_million_input_tokens: On that type at the planned load, as `price.token_prices` says; None without a price.
        usd_per_million_output_tokens: The same for output tokens.
        start_up: Seconds from nothing to the first answer.
        options: SGLang options that follow from the plan.
        alternatives: The cheapest instance types that meet the latency asked.
        notes: What was assumed.
        images_note: What the images of a request add to its prompt; empty without images.
        facts_source: Where the model's config was read.
        facts_date: When, where that was kept.
        facts_file: File of the user's that has it; empty for the package's catalogue.
        host: Host memory of a copy; None if unknown.
        disk: NVMe of an instance with as many of its copies as it holds; None on a type without NVMe.
        speculation: What drafting is predicted to change; None without a draft.
        memory_line: Why it fits or not, what limits its requests, and which figures are assumptions, in words.
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
    """What an endpoint takes where all its instances are of one of its types.

    Args:
        instance: The type.
        instances: Fewest, typical and most of them.
        price: Of one; None when none is known.
        usd_per_hour: Fewest, typical and most; None without a price.
    """

    instance: str
    instances: Range
    price: Price | None = None
    usd_per_hour: Range | None = None


@dataclass(frozen=True, kw_only=True)
class EndpointPlan:
    """What one endpoint needs.

    Args:
        name: The endpoint.
        instance: Its first-choice type.
        gpus_per_instance: GPUs of that type.
        components: Its components on that type.
        types: Instances and costs by type, first choice first; more than one where the endpoint is a pool.
        instances: Fewest on any of its types, typical on the first, most on any.
        layouts: GPUs of each instance when fully scaled out: per GPU the component on it, or an empty string.
        fragmentation: Share of GPUs that no copy can use when fully scaled out.
        update_room: A rolling update can start one more copy of every component without another instance.
        notes: What an update of the endpoint costs.
        price: Price of its first-choice type; None when none is known.
        usd_per_hour: Fewest on the cheapest type, typical on the first, most of the dearest; None where a type has no price.
        scale_in_tail_usd: What one instance, of the dearest type, costs between its last request and its end.
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
    """Measurements of the user's own that predictions of a plan follow near them.

    Args:
        place: File or folder of the measurements.
        rows: Measured rows that were learned from.
        text: The same in words, with the rows that were not learned from.
    """

    place: str
    rows: int
    text: str


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """The plan of an environment; `problems` is empty when it may be deployed.

    `usd_per_hour` is that of all endpoints; None where that of one is not known.

    Args:
        environment: Name of the environment.
        region: AWS Region.
        endpoints: Plan of each endpoint.
        usd_per_hour: US dollars per hour of all endpoints; None if a price is unknown.
        problems: Why the environment cannot be deployed, one line each.
        warnings: What a reader should know all the same, one line each.
        budget_usd_per_hour: Most that the environment allows itself to cost when fully scaled out; None without a budget.
        calibrations: Measurements of the user's own that predictions follow; none for the package's calibration alone, and then not in plan.json.
    """

    environment: str
    region: str
    endpoints: tuple[EndpointPlan, ...]
    usd_per_hour: Range | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    budget_usd_per_hour: float | None = None
    calibrations: tuple[Calibrated, ...] = ()
