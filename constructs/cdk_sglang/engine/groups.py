"""Groups of server options that belong together: adapters, speculative decoding, the hierarchical KV cache, tracing.

A group that is present is switched on; there is no second switch to forget.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from cdk_sglang.engine.choices import (
    AttentionBackend,
    HicacheHostMemoryMode,
    HicacheIoBackend,
    HicacheMemLayout,
    HicachePrefetchPolicy,
    HicacheStorageBackend,
    HicacheWritePolicy,
    LoadFormat,
    LoraBackend,
    LoraEvictionPolicy,
    LoraTargetModule,
    Quantization,
    SpeculativeAttentionMode,
)
from cdk_sglang.engine.model_base import OptionsModel

Count = Annotated[int, Field(ge=1)]
"""A whole number of at least one."""

Share = Annotated[float, Field(gt=0, le=1)]
"""A share in (0, 1]."""

Text = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]
"""One line of text without spaces at its ends: SageMaker hands it over as one environment variable."""

SpeculativeAlgorithm = Literal["EAGLE", "EAGLE3", "NEXTN", "STANDALONE", "NGRAM", "DFLASH", "DSPARK"]
"""Free text to SGLang's parser; these are the names 0.5.23 knows (speculative/spec_info.py) that fit one endpoint copy.

UNO is left out: it needs a LoRA path of its own and tp_size 1 (arg_groups/speculative_hook.py).
"""

_NOT_ALGORITHMS: Final = {"MTP": "NEXTN"}  # SGLang 0.5.23 raises on MTP; people know the technique by that name


def _algorithm(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name = value.upper()  # SGLang ignores case
    if name in _NOT_ALGORITHMS:
        raise PydanticCustomError(
            "options",
            "SGLang has no algorithm called {name}; use {instead}",
            {"name": name, "instead": _NOT_ALGORITHMS[name]},
        )
    return name


class LoraOptions(OptionsModel):
    """Adapters: what one copy can hold, so that adapters can be added while it serves."""

    _switch: ClassVar[str | None] = "enable_lora"
    _dests: ClassVar[dict[str, str]] = {
        "max_rank": "max_lora_rank",
        "target_modules": "lora_target_modules",
        "eviction_policy": "lora_eviction_policy",
        "backend": "lora_backend",
        "overlap_loading": "enable_lora_overlap_loading",
    }

    max_rank: Count | None = None
    """Largest adapter rank that can be loaded. Needed unless `extra.lora_paths` names adapters to infer it from."""

    target_modules: Annotated[tuple[LoraTargetModule, ...], Field(strict=False, min_length=1)] | None = None
    """Modules adapters may change, or `all` alone. Needed unless `extra.lora_paths` names adapters to infer them from."""

    max_loras_per_batch: Count | None = None
    """Adapters in one running batch, the base model counted as one. SGLang takes 8 when absent."""

    max_loaded_loras: Count | None = None
    """Adapters kept in host memory, whole in each GPU's process; beyond it the eviction policy drops one. No limit when absent."""

    eviction_policy: LoraEvictionPolicy | None = None
    """Which adapter leaves GPU memory first. SGLang takes `lru` when absent."""

    backend: LoraBackend | None = None
    """Kernels for several adapters at once. SGLang takes `csgmv` when absent."""

    overlap_loading: bool = False
    """Load adapter weights while the GPU computes. Needs `max_loaded_loras` of at most twice `max_loras_per_batch`."""


class SpeculativeOptions(OptionsModel):
    """Speculative decoding: a draft proposes tokens, the model verifies them in one pass."""

    _dests: ClassVar[dict[str, str]] = {
        name: f"speculative_{name}"
        for name in (
            *("algorithm", "draft_model_path", "draft_model_revision", "draft_model_quantization", "draft_load_format"),
            *("num_steps", "eagle_topk", "num_draft_tokens", "draft_attention_backend", "attention_mode"),
            *("accept_threshold_single", "accept_threshold_acc", "use_rejection_sampling", "adaptive", "token_map"),
        )
    }

    algorithm: Annotated[SpeculativeAlgorithm, BeforeValidator(_algorithm)]
    """How drafts are made; without it SGLang ignores every other speculative option. NEXTN is multi-token prediction."""

    draft_model_path: Text | None = None
    """Where the container finds the draft model, such as `/opt/ml/model/draft`. NEXTN and NGRAM do not need one."""

    draft_model_revision: Text | None = None
    """Revision of a draft model taken from a hub. SGLang takes `main` when absent."""

    draft_model_quantization: Quantization | None = None
    """Quantization of the draft. SGLang takes the model's own when absent."""

    draft_load_format: LoadFormat | None = None
    """How draft weights are read. SGLang takes `load_format` when absent."""

    num_steps: Count | None = None
    """Tokens drafted in sequence. Give it with `eagle_topk` and `num_draft_tokens`, or leave all three to SGLang."""

    eagle_topk: Count | None = None
    """Branches per draft step; 1 is a chain."""

    num_draft_tokens: Count | None = None
    """Tokens verified in one pass; `num_steps` + 1 for a chain."""

    draft_attention_backend: AttentionBackend | None = None
    """Attention kernels of the draft. SGLang takes the model's when absent."""

    attention_mode: SpeculativeAttentionMode | None = None
    """Which attention kernels verify drafts. SGLang takes `prefill` when absent."""

    accept_threshold_single: Annotated[float, Field(ge=0, le=1)] | None = None
    """Accept a draft token at this target probability. SGLang takes 1.0 when absent: the output distribution is kept."""

    accept_threshold_acc: Annotated[float, Field(ge=0, le=1)] | None = None
    """Accept a draft token at this accumulated target probability. SGLang takes 1.0 when absent."""

    use_rejection_sampling: bool = False
    """Verify by rejection sampling: EAGLE, EAGLE3 and NEXTN with `eagle_topk` 1 only."""

    adaptive: bool = False
    """Change the number of steps with the accept length while serving."""

    token_map: Text | None = None
    """Path of the draft model's reduced vocabulary."""


class HicacheOptions(OptionsModel):
    """Hierarchical KV cache: prefixes that leave GPU memory stay in host memory, and in a storage backend if given."""

    _switch: ClassVar[str | None] = "enable_hierarchical_cache"
    _dests: ClassVar[dict[str, str]] = {
        "size_gb": "hicache_size",
        "storage_extra_config": "hicache_storage_backend_extra_config",
        **{
            name: f"hicache_{name}"
            for name in (
                *("ratio", "host_memory_fraction", "host_memory_mode", "write_policy", "io_backend", "mem_layout"),
                *("storage_backend", "storage_prefetch_policy"),
            )
        },
    }

    ratio: Annotated[float, Field(gt=0)] | None = None
    """Host cache as a multiple of the GPU's KV cache. SGLang takes 2.0 (1.2 with `buffer_only`), less when it does not fit."""

    size_gb: Count | None = None
    """Host cache per GPU process in gigabytes (10^9 bytes). With no size given: four fifths of the copy's host memory that
    adapters leave."""

    host_memory_fraction: Share | None = None
    """Largest share of the copy's host memory the cache may take when neither ratio nor size is given. SGLang takes 0.8."""

    host_memory_mode: HicacheHostMemoryMode | None = None
    """`cache`: host memory is a tier; `buffer_only`: it only stages for the storage backend. SGLang takes `cache`."""

    write_policy: HicacheWritePolicy | None = None
    """When GPU pages are written to the host. SGLang takes `write_through` when absent."""

    io_backend: HicacheIoBackend | None = None
    """How pages are copied. SGLang takes `kernel` when absent."""

    mem_layout: HicacheMemLayout | None = None
    """Layout of the host pool. SGLang takes `page_first` when absent."""

    storage_backend: HicacheStorageBackend | None = None
    """A third tier behind host memory, such as `file` or `mooncake`. None when absent."""

    storage_prefetch_policy: HicachePrefetchPolicy | None = None
    """When prefetching from storage stops. SGLang takes `timeout` when absent."""

    storage_extra_config: dict[str, Any] | None = None
    """Settings of the storage backend, handed over as JSON. For `file`: `max_size`, such as 200G, bounds what each GPU's process writes."""


class TracingOptions(OptionsModel):
    """OpenTelemetry spans per request; needs an image with SGLang's `tracing` extra."""

    _switch: ClassVar[str | None] = "enable_trace"
    _dests: ClassVar[dict[str, str]] = {
        "otlp_endpoint": "otlp_traces_endpoint",
        "service_name": "otlp_service_name",
        "modules": "trace_modules",
    }

    otlp_endpoint: Annotated[str, Field(pattern=r"^(https?://)?[A-Za-z0-9.\-\[\]:]+:\d{1,5}(/\S*)?$")]
    """Collector as host:port. gRPC, unless OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is set to http/protobuf."""

    service_name: Text | None = None
    """Service name on the spans. `sglang` when absent."""

    modules: Annotated[tuple[Literal["request", "mooncake"], ...], Field(strict=False, min_length=1)] | None = None
    """What is traced. SGLang takes `request` when absent."""
