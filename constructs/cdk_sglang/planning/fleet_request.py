"""What a fleet plan is made from: plain data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cdk_sglang.hardware import GpuInstance, PriceTable
from cdk_sglang.models.facts import ModelFacts
from cdk_sglang.planning.adapters import ALL_MODULES
from cdk_sglang.planning.drafts import Speculation
from cdk_sglang.planning.layouts import CopyNeeds
from cdk_sglang.planning.measured_calibration import MeasuredCalibration
from cdk_sglang.planning.parallel import Parallelism
from cdk_sglang.planning.static_fraction import EngineOptions
from cdk_sglang.spec.load import EXPECTED_INPUT_TOKENS, EXPECTED_OUTPUT_TOKENS, Arrivals
from cdk_sglang.spec.rollout import BatchSize
from cdk_sglang.spec.slo import Slo


@dataclass(frozen=True, kw_only=True)
class HostMemory:
    """Host memory of one copy, GiB, all its processes together. Python, CUDA and page cache are not counted.

    Args:
        reserved_gib: What the copy reserves of its instance.
        loading_gib: Buffers while weights are read, given back before the cache's tier is made; 0 where files are mapped into memory.
        cache_gib: The KV cache's tier in host memory.
        adapters_gib: LoRA adapters that SGLang keeps.
        cache_ratio: Where the tier is a multiple of the GPUs' KV cache, how many times it; None where its size is said.
    """

    reserved_gib: float
    loading_gib: float = 0.0
    cache_gib: float = 0.0
    adapters_gib: float = 0.0
    cache_ratio: float | None = None

    @property
    def needed_gib(self) -> float:
        """The most that is taken at once."""
        return max(self.loading_gib, self.cache_gib + self.adapters_gib)


@dataclass(frozen=True, kw_only=True)
class ComponentRequest:
    """One inference component.

    Args:
        name: Its name in the environment.
        facts: Its model.
        tp_size: GPUs of a forward pass; the fewest that fit when None, on each instance type its own.
        tp_size_by_type: GPUs of a forward pass on some instance types, whatever tp_size says.
        expert_parallel: Whole experts per GPU instead of slices.
        ep_size: Groups of GPUs that experts are spread over; one for each GPU when None.
        attention_dp: DP-attention groups.
        pp_size: Pipeline stages, each of `tp_size` GPUs.
        replicas: Whole models in one copy (dp_size), each of `tp_size` x `pp_size` GPUs.
        context_length: Longest request; the model's own limit when None.
        kv_dtype: Format of the cache: `bf16`, `fp8` or `fp4`; SGLang's choice for model and GPU when None.
        mem_fraction: SGLang's static fraction; its default when None.
        engine: SGLang's release and the options that its default fraction follows.
        min_copies: Copies that always run.
        max_copies: Copies it may grow to.
        slo: Latency asked.
        input_tokens: Mean prompt of the planned load, images included.
        output_tokens: Mean answer of the planned load; 1 where no tokens are generated.
        encoder_tflop: Operations of the image encoder for each request, 10^12; 0 without images.
        generates: Whether tokens are generated one after the other; otherwise an answer is one forward pass over the prompt.
        arrivals: How its requests come.
        accept_len: Tokens per verification step; None without speculative decoding.
        draft_gib: Weights of a draft model.
        mtp: The model's own prediction layers are the draft.
        speculation: How it drafts: memory counts the draft, and the plan says whether drafting is faster; None without a draft.
        lora_slots: Adapters kept on the GPU.
        lora_rank: Their rank.
        lora_modules: What they may change, as SGLang takes it.
        host_memory_gib: Host memory reserved per copy; 0 for none.
        vcpus: CPU cores reserved per copy; 0 for none.
        rolling: How many copies one step of an update replaces; None for an update without steps.
        host: Host memory of a copy on the endpoint's first type; None if unknown.
        file_cache_gb: What the KV cache's files of a copy may take of the NVMe; 0 without files, None where nothing bounds them.
        notes: What is to be known of its settings.
        images_note: What the images of a request add to its prompt; empty without images.
        no_fit_check: Why the component is deployed although it may not fit; None if it must.
        calibration: Measurements of the user's own, which predictions near them follow; None for the package's alone.
    """

    name: str
    facts: ModelFacts
    tp_size: int | None = None
    tp_size_by_type: Mapping[str, int] = field(default_factory=dict)
    expert_parallel: bool = False
    ep_size: int | None = None
    attention_dp: int = 1
    pp_size: int = 1
    replicas: int = 1
    context_length: int | None = None
    kv_dtype: str | None = None
    mem_fraction: float | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)
    min_copies: int = 1
    max_copies: int = 1
    slo: Slo | None = None
    input_tokens: float = EXPECTED_INPUT_TOKENS
    output_tokens: float = EXPECTED_OUTPUT_TOKENS
    encoder_tflop: float = 0.0
    generates: bool = True
    arrivals: Arrivals = "independent"
    accept_len: float | None = None
    draft_gib: float = 0.0
    mtp: bool = False
    speculation: Speculation | None = None
    lora_slots: int = 0
    lora_rank: int = 16
    lora_modules: tuple[str, ...] = ALL_MODULES
    host_memory_gib: float = 0.0
    vcpus: float = 0.0
    rolling: BatchSize | None = None
    host: HostMemory | None = None
    file_cache_gb: float | None = 0.0
    notes: tuple[str, ...] = ()
    images_note: str = ""
    no_fit_check: str | None = None
    calibration: MeasuredCalibration | None = None

    def split(self, gpus: int) -> Parallelism:
        """Return how a copy is spread over so many GPUs, stages of a pipeline and replicas included.

        Args:
            gpus: GPUs of a copy.
        """
        return Parallelism(
            gpus=gpus,
            attention_dp=self.attention_dp,
            expert_parallel=self.expert_parallel,
            pipeline=self.pp_size,
            replicas=self.replicas,
            expert_groups=self.ep_size,
        )

    def split_of(self, tp_size: int) -> Parallelism:
        """Return how a copy is spread whose forward pass takes so many GPUs.

        Args:
            tp_size: GPUs of a forward pass.
        """
        return self.split(tp_size * self.pp_size * self.replicas)


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
            if unspecified, which SageMaker takes for blue/green.
        others: What else runs on it: components whose model nobody knows, of which the plan knows the GPUs alone.
    """

    name: str
    instances: tuple[GpuInstance, ...]
    components: tuple[ComponentRequest, ...]
    min_instances: int = 1
    max_instances: int | None = None
    reserved: bool = False
    reserved_count: int | None = None
    update: Literal["blue_green", "rolling"] | None = None
    others: tuple[CopyNeeds, ...] = ()


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
        routes: Components behind one name, most wanted first, as <endpoint>/<component>.
        unplanned: Components of models that nobody knows, as <endpoint>.<component>.
        source: File that it was read from, which begins the lines of problems; empty where there is none.
        docs_site: Address of the documentation's site, to which the plan's page links; empty for the documents beside the package.
    """

    environment: str
    region: str
    endpoints: tuple[EndpointRequest, ...]
    budget_usd_per_hour: float | None = None
    prices: PriceTable | None = None
    today: dt.date | None = None
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unplanned: tuple[str, ...] = ()
    source: str = ""
    docs_site: str = ""
