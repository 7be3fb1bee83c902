"""Input of a fleet plan, as plain data."""

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
    """Host memory of one copy, GiB, for all its processes together. Python, CUDA and the page cache are not counted.

    Args:
        reserved_gib: Memory that the copy reserves on its instance.
        loading_gib: Buffers for reading weights, released before the cache's tier is allocated; 0 if files are mapped into memory.
        cache_gib: The KV cache's tier in host memory.
        adapters_gib: LoRA adapters that SGLang keeps in host memory.
        cache_ratio: Size of the tier as a multiple of the GPUs' KV cache; None if the size is specified directly.
    """

    reserved_gib: float
    loading_gib: float = 0.0
    cache_gib: float = 0.0
    adapters_gib: float = 0.0
    cache_ratio: float | None = None

    @property
    def needed_gib(self) -> float:
        """Peak memory use."""
        return max(self.loading_gib, self.cache_gib + self.adapters_gib)


@dataclass(frozen=True, kw_only=True)
class ComponentRequest:
    """The request for one inference component.

    Args:
        name: Its name in the environment.
        facts: Facts of its model.
        tp_size: GPUs of a forward pass; if None, the fewest on which the model fits, separately for each instance type.
        tp_size_by_type: GPUs of a forward pass by instance type; takes precedence over `tp_size`.
        expert_parallel: Whether GPUs hold whole experts instead of a slice of each.
        ep_size: Number of GPU groups that experts are spread over; if None, each GPU is a group.
        attention_dp: Number of DP-attention groups.
        pp_size: Number of pipeline stages, each of `tp_size` GPUs.
        replicas: Number of whole models in one copy (dp_size), each on `tp_size` x `pp_size` GPUs.
        context_length: Tokens of the longest request; the model's own limit if None.
        kv_dtype: Format of the cache: `bf16`, `fp8` or `fp4`; SGLang's choice for model and GPU if None.
        mem_fraction: SGLang's static fraction; its default if None.
        engine: SGLang's release and the options that determine its default fraction.
        min_copies: Minimum number of copies.
        max_copies: Maximum number of copies.
        slo: Requested latency.
        input_tokens: Mean tokens of a prompt in the planned load, including images.
        output_tokens: Mean tokens of an answer in the planned load; 1 if no tokens are generated.
        encoder_tflop: Operations of the image encoder per request, 10^12; 0 without images.
        generates: Whether the model generates tokens one after the other; otherwise an answer is one forward pass over the prompt.
        arrivals: Arrival pattern of its requests.
        accept_len: Tokens per verification step; None without speculative decoding.
        draft_gib: Weights of a draft model, GiB.
        mtp: Whether the model's own prediction layers are the draft.
        speculation: How it drafts; the plan then counts the draft's memory and predicts whether drafting is faster. None without a draft.
        lora_slots: Number of adapters kept on the GPU.
        lora_rank: Maximum rank of the adapters.
        lora_modules: Modules that adapters may change, as SGLang names them.
        host_memory_gib: Host memory reserved per copy; 0 if none is reserved.
        vcpus: CPU cores reserved per copy; 0 if none is reserved.
        rolling: Number of copies that one step of a rolling update replaces; None for an update without steps.
        host: Host memory of a copy on the endpoint's first type; None if unknown.
        file_cache_gb: Maximum size of a copy's KV-cache files on the NVMe, GB; 0 without files, None if unbounded.
        notes: Remarks on its settings.
        images_note: Tokens that the images of a request add to its prompt, in words; empty without images.
        no_fit_check: Reason for which the component is deployed even if it may not fit; None if it has to fit.
        calibration: The user's own measurements, which correct predictions for similar configurations; None for the package's calibration alone.
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
        """Return how a copy is spread over its GPUs, including pipeline stages and replicas.

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
        """Return how a copy is spread if its forward pass takes `tp_size` GPUs.

        Args:
            tp_size: GPUs of a forward pass.
        """
        return self.split(tp_size * self.pp_size * self.replicas)


@dataclass(frozen=True, kw_only=True)
class EndpointRequest:
    """The request for one endpoint.

    Args:
        name: Its name in the environment.
        instances: Instance types, first choice first; more than one makes an instance pool.
        components: Components that run on it.
        min_instances: Minimum number of instances that managed scaling keeps.
        max_instances: Maximum number of instances; None for as many as the copies need.
        reserved: Whether its capacity is reserved by a training plan.
        reserved_count: Number of instances in the training plan; None without one.
        update: How a new configuration reaches the instances: `blue_green` with a second fleet, `rolling` with one batch more, or None
            if unspecified, which SageMaker takes for blue/green.
        others: Other components on it whose models are unknown; the plan counts only their GPUs.
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
    """The request for a whole environment.

    Args:
        environment: Its name.
        region: Its Region.
        endpoints: Its endpoints.
        budget_usd_per_hour: Maximum cost of the fleet when fully scaled out; None for no limit.
        prices: Prices that take precedence over the package's.
        today: Day from which the age of prices is counted; if None, no age is reported (synth must not depend on the clock).
        routes: Components behind one route name, most preferred first, as <endpoint>/<component>.
        unplanned: Components whose models are unknown, as <endpoint>.<component>.
        source: File that the environment was read from, with which the lines of problems begin; empty if there is none.
        docs_site: Address of the documentation site that the plan's page links to; empty for the documents next to the package.
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
