"""SGLang's KV pool beyond bytes per layer: its format, rows for sliding windows, slots for recurrent state, and the limit on requests at once.

Rules of SGLang 0.5.23, read 2026-11-30 and compared with it by `tests/planning/engine`: `arg_groups/overrides.py`, `mem_cache/kv_cache_dtype.py`,
`mem_cache/kv_cache_configurator.py`, `model_executor/pool_configurator.py` and `is_hybrid_swa_model` of `configs/model_config.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cdk_sglang.hardware import Gpu
    from cdk_sglang.models.architecture import ModelArchitecture
    from cdk_sglang.planning.static_fraction import EngineOptions

_BLACKWELL: Final = 10.0
_BLACKWELL_OF_WORKSTATIONS: Final = 12
"""Lowest compute capability on which sparse attention caches in fp8 by default (`_dsa_kv_cache_dtype_default`)."""

SLIDING_POOL_RATIO: Final = 0.8
"""SGLang's default ratio of sliding-window to full-attention tokens (--swa-full-tokens-ratio): logs show 300,288 of 375,360."""
_SLIDING_POOLS: Final = (
    "llama4", "gpt_oss", "granite_swa", "granitemoe_swa", "mimo_v2", "step3p5", "step3p7", "gemma4", "laguna", "mellum",
)  # fmt: skip
"""Prefixes of the model types whose sliding layers have a separate pool; all other types, including Gemma 2 and Gemma 3, keep the whole
context in each layer."""

STATE_RATIO: Final = 0.9
"""SGLang's default of recurrent state to KV cache for hybrid models (--mamba-full-memory-ratio)."""
_SLOTS: Final = {"no_buffer": 3, "extra_buffer": 5, "extra_buffer_lazy": 4}
"""State slots that a running request holds with the prefix cache, by --mamba-radix-cache-strategy (`_calculate_mamba_ratio`)."""
_WITHOUT_BUFFER: Final = ("lfm2", "jet_nemotron", "jetvlm", "zaya")
"""Prefixes of the model types for which SGLang chooses `no_buffer`; it chooses `extra_buffer` for all others (`_MAMBA_EXTRA_BUFFER_ARCHS`)."""

RUNNING_MAX: Final = 2048
"""Default number of requests decoded at once (`resolve_max_num_reqs`): up to 4096 if the pool holds many contexts."""


def cache_format(model: ModelArchitecture, gpu: Gpu, option: str | None) -> str:
    """Return the format of SGLang's cache: `bf16`, `fp8`, `fp4` or `float32`; compressed attention has its own layout in fp8.

    Args:
        model: The model.
        gpu: Type of each GPU.
        option: Format as specified; SGLang's choice if None.
    """
    if model.compressed is not None:
        return "fp8"
    if option is not None:
        return option
    if model.mla is not None and model.mla.index_head_dim is not None:
        return "fp8" if float(gpu.compute_capability) >= _BLACKWELL else "bf16"
    if model.quantization.kv_cache == "fp8":
        return "fp8"
    return "float32" if model.quantization.float32 else "bf16"


def has_plain_fp8_latent(model: ModelArchitecture, gpu: Gpu) -> bool:
    """Return whether an fp8 latent of sparse attention is kept without scales: 576 bytes if TensorRT-LLM's kernels read it.

    They do on Blackwell and newer, except for GLM on compute capability 12.x (`_dsa_split_backend_resolution`, `calculate_mla_kv_cache_dim`).

    Args:
        model: A model with sparse attention.
        gpu: Type of each GPU.
    """
    major = int(float(gpu.compute_capability))
    is_glm_on_sm120 = major == _BLACKWELL_OF_WORKSTATIONS and model.model_type.startswith("glm")
    return major >= _BLACKWELL and not is_glm_on_sm120


def sliding_ratio(model: ModelArchitecture, engine: str, options: EngineOptions | None) -> float:
    """Return the tokens that sliding layers keep per token of the pool; 1 if they keep the whole context.

    Args:
        model: The model.
        engine: `sglang`, `vllm` or `trtllm`.
        options: SGLang's options.
    """
    if engine == "sglang" and not (model.full_layers and model.model_type.startswith(_SLIDING_POOLS)):
        return 1.0
    option = None if options is None else options.sliding_ratio
    return SLIDING_POOL_RATIO if option is None else option


@dataclass(frozen=True, kw_only=True)
class StatePool:
    """Slots for the recurrent state of a hybrid model on one GPU.

    Args:
        slots: Slots of the pool; 0 or less if there is no room for one.
        per_request: Slots that a running request holds.
        taken_gib: GiB of the pool, including its padding slot and a draft's intermediate states.
        missing_gib: GiB of cache missing for the slots of one running request; 0 if they fit.
    """

    slots: int
    per_request: int
    taken_gib: float
    missing_gib: float = 0.0

    @property
    def running(self) -> int:
        """Number of requests that have slots at the same time."""
        return max(0, self.slots // self.per_request)


def state_pool(
    model: ModelArchitecture,
    *,
    state_bytes: float,
    cache_bytes: float,
    groups: int,
    options: EngineOptions | None,
    drafted_tokens: int = 0,
    running: int | None = None,
) -> StatePool:
    """Return the slots that SGLang creates in the memory for cache and state (`_handle_max_mamba_cache`).

    Args:
        model: A model with recurrent state.
        state_bytes: Bytes of one request's state on a GPU.
        cache_bytes: Bytes of memory for cache and state.
        groups: Number of DP-attention groups.
        options: SGLang's options.
        drafted_tokens: Tokens verified in one pass per request, whose intermediate states are kept; 0 without a draft.
        running: Specified maximum number of requests decoded at once over all groups; None if unspecified.
    """
    radix = options is None or options.radix_cache
    strategy = "auto" if options is None else options.state_strategy
    if strategy not in _SLOTS:
        strategy = "no_buffer" if model.model_type.startswith(_WITHOUT_BUFFER) else "extra_buffer"
    per_request = _SLOTS[strategy] if radix else 1
    slots_option = None if options is None else options.state_slots
    of_group = None if running is None else max(1, running // groups)
    share = STATE_RATIO if options is None or options.state_ratio is None else options.state_ratio
    share /= 1 + share
    fixed, each = state_bytes * (1 + drafted_tokens), state_bytes * (1 + drafted_tokens / per_request)
    if slots_option is not None:
        slots = slots_option // groups
    elif not radix and of_group is not None:
        slots = of_group
    else:
        slots = int((cache_bytes * share - fixed) // each) if state_bytes > 0 else 0
    served = slots // per_request if of_group is None else min(of_group, slots // per_request)
    between = state_bytes * (max(0, served) + 1) * drafted_tokens
    missing = 0.0
    if slots_option is None and (radix or of_group is None):
        missing = max(0.0, (fixed + each * per_request) / share - cache_bytes)
    return StatePool(
        slots=slots,
        per_request=per_request,
        taken_gib=((max(0, slots) + 1) * state_bytes + between) / 2**30,
        missing_gib=missing / 2**30,
    )
