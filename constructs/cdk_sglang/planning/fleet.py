"""What a fleet plan is made from and what it says: plain data in, plain data out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cdk_sglang.errors import Problem
from cdk_sglang.planning.adapters import ALL_MODULES
from cdk_sglang.planning.parallel import Parallelism
from cdk_sglang.planning.static_fraction import EngineOptions

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from cdk_sglang.hardware import GpuInstance, Price, PriceTable
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning.host import DiskUse, HostMemory
    from cdk_sglang.planning.memory import MemoryPlan
    from cdk_sglang.planning.predict import Band
    from cdk_sglang.planning.startup import StartUp
    from cdk_sglang.spec.rollout import BatchSize


@dataclass(frozen=True, kw_only=True)
class Slo:
    """Latency asked of a component; None where nothing is asked.

    Args:
        ttft_ms: Mean time to the first token.
        tpot_ms: Mean time per further token.
        at_concurrency: Requests in flight per copy at which it is asked.
    """

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    at_concurrency: float = 16


@dataclass(frozen=True, kw_only=True)
class ComponentRequest:
    """One inference component.

    Args:
        name: Its name in the environment.
        facts: Its model.
        tp_size: GPUs of a forward pass; the fewest that fit when None, on each instance type its own.
        tp_size_by_type: GPUs of a forward pass on some instance types, whatever tp_size says.
        expert_parallel: Whole experts per GPU instead of slices.
        attention_dp: DP-attention groups.
        pp_size: Pipeline stages, each of `tp_size` GPUs.
        context_length: Longest request; the model's own limit when None.
        kv_dtype: Format of the cache: `bf16`, `fp8` or `fp4`; None for bfloat16, the engine's default.
        mem_fraction: SGLang's static fraction; its default when None.
        engine: SGLang's release and the options that its default fraction follows.
        min_copies: Copies that always run.
        max_copies: Copies it may grow to.
        slo: Latency asked.
        input_tokens: Mean prompt of the planned load.
        output_tokens: Mean answer of the planned load.
        accept_len: Tokens per verification step; None without speculative decoding.
        draft_gib: Weights of a draft model.
        mtp: The model's own prediction layers are the draft.
        lora_slots: Adapters kept on the GPU.
        lora_rank: Their rank.
        lora_modules: What they may change, as SGLang takes it.
        host_memory_gib: Host memory reserved per copy; 0 for none.
        vcpus: CPU cores reserved per copy; 0 for none.
        rolling: How many copies one step of an update replaces; None for an update without steps.
        host: Host memory of a copy on the endpoint's first type; None where nobody says.
        file_cache_gb: What the KV cache's files of a copy may take of the NVMe; 0 without files, None where nothing bounds them.
    """

    name: str
    facts: ModelFacts
    tp_size: int | None = None
    tp_size_by_type: Mapping[str, int] = field(default_factory=dict)
    expert_parallel: bool = False
    attention_dp: int = 1
    pp_size: int = 1
    context_length: int | None = None
    kv_dtype: str | None = None
    mem_fraction: float | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)
    min_copies: int = 1
    max_copies: int = 1
    slo: Slo | None = None
    input_tokens: float = 1024
    output_tokens: float = 256
    accept_len: float | None = None
    draft_gib: float = 0.0
    mtp: bool = False
    lora_slots: int = 0
    lora_rank: int = 16
    lora_modules: tuple[str, ...] = ALL_MODULES
    host_memory_gib: float = 0.0
    vcpus: float = 0.0
    rolling: BatchSize | None = None
    host: HostMemory | None = None
    file_cache_gb: float | None = 0.0

    def split(self, gpus: int) -> Parallelism:
        """Return how a copy is spread over so many GPUs, stages of a pipeline included."""
        return Parallelism(
            gpus=gpus,
            attention_dp=self.attention_dp,
            expert_parallel=self.expert_parallel,
            pipeline=self.pp_size,
        )


@dataclass(frozen=True, kw_only=True)
class EndpointRequest:
    """One endpoint.

    Args:
        name: Its name in the environment.
        instances: Instance types, first choice first; more than one makes an instance pool.
        components: What runs on it.
        min_instances: Fewest instances managed scaling keeps.
        max_instances: Most instances it may reach; None for as many as the copies need.
        reserved: Capacity is a training plan.
        reserved_count: Instances the plan holds; None without one.
        update: How a new configuration reaches the instances: `blue_green` with a second fleet, `rolling` with one batch more, or None
            where nothing is said, which SageMaker takes for blue/green.
    """

    name: str
    instances: tuple[GpuInstance, ...]
    components: tuple[ComponentRequest, ...]
    min_instances: int = 1
    max_instances: int | None = None
    reserved: bool = False
    reserved_count: int | None = None
    update: Literal["blue_green", "rolling"] | None = None


@dataclass(frozen=True, kw_only=True)
class FleetRequest:
    """A whole environment.

    Args:
        environment: Its name.
        region: Its Region.
        endpoints: Its endpoints.
        budget_usd_per_hour: Most the fleet may cost when fully scaled out; None for no limit.
        prices: Prices that win over the package's.
        today: Day against which prices are old; None leaves their age unsaid (synth knows no clock).
    """

    environment: str
    region: str
    endpoints: tuple[EndpointRequest, ...]
    budget_usd_per_hour: float | None = None
    prices: PriceTable | None = None
    today: dt.date | None = None


@dataclass(frozen=True, kw_only=True)
class Range:
    """A number at its least, in between and at its most."""

    low: float
    typical: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another instance type on which the component meets what is asked."""

    instance: str
    tp_size: int
    ttft_ms: Band
    tpot_ms: Band
    usd_per_hour_per_copy: float
    usd_per_million_input_tokens: float
    usd_per_million_output_tokens: float


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
        tpot_ms: Time per further token.
        output_tok_s: Output tokens per second of a copy.
        usd_per_million_input_tokens: On that type at the planned load, as `price.token_prices` says; None without a price.
        usd_per_million_output_tokens: The same for output tokens.
        start_up: Seconds from nothing to the first answer.
        options: SGLang options that follow from the plan.
        alternatives: The cheapest instance types that meet the latency asked.
        notes: What was assumed.
        facts_source: Where the model's config was read.
        facts_date: When, where that was kept.
        facts_file: File of the user's that has it; empty for the package's catalogue.
        host: Host memory of a copy; None where nobody said.
        disk: NVMe of an instance with as many of its copies as it holds; None on a type without NVMe.
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
    facts_source: str = ""
    facts_date: str = ""
    facts_file: str = ""
    host: HostMemory | None = None
    disk: DiskUse | None = None


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
class FleetPlan:
    """The plan of an environment; `problems` is empty when it may be deployed.

    `usd_per_hour` is that of all endpoints; None where that of one is not known.
    """

    environment: str
    region: str
    endpoints: tuple[EndpointPlan, ...]
    usd_per_hour: Range | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
