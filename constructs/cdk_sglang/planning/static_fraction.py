"""The default share of a GPU's memory that SGLang takes for weights and KV cache, computed by SGLang's own rule.

SGLang 0.5.23 `arg_groups/memory_hook.py`, 0.5.17 and 0.5.18 `server_args.py`: the memory for a prefill chunk, the CUDA graphs and
communication is estimated in MiB and subtracted from the GPU's total memory (read 2026-11-29; compared with 0.5.23's own resolution on
10 GPUs by model, tp_size and option, equal to the third digit in each of 554 cases). The switch SGLANG_ENABLE_POST_CAPTURE_KV_SIZING,
off by default, replaces the estimate and is not followed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cdk_sglang.hardware import Gpu
    from cdk_sglang.models.architecture import ModelArchitecture, VisionTower
    from cdk_sglang.planning.parallel import Parallelism

Release = tuple[int, int, int]

OLDEST_READ: Final[Release] = (0, 5, 17)
NEWEST_READ: Final[Release] = (0, 5, 23)
"""Releases whose rule was read; older releases use the oldest rule, newer and unknown ones the newest."""

_LARGER_GRAPHS: Final[Release] = (0, 5, 20)
"""First release in which GPUs below 35 GiB get chunks and decode graphs of twice the size."""
_GRAPHS_END_AT_RUNNING: Final[Release] = (0, 5, 23)
"""First release known to limit decode graphs to max_running_requests. 0.5.20 does not; 0.5.21 and 0.5.22 were not read."""

_GIB_IN_MIB = 1024
MAX_PREFILL_TOKENS = 16384
"""SGLang's default for max_prefill_tokens: the maximum tokens of a prefill without chunks."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """SGLang's release and the options that determine its default share of memory; None for unspecified ones.

    Args:
        version: SGLang's release, such as `0.5.23`; the newest known rule if None.
        chunked_prefill_size: Tokens of the longest prefill chunk; 0 or less for no chunks.
        max_prefill_tokens: Maximum tokens of one prefill batch.
        cuda_graph_max_bs: Largest decode batch captured as a CUDA graph.
        max_running_requests: Maximum number of requests decoded at once.
        decode_graphs: Whether decode steps are captured as CUDA graphs.
        prefill_graphs: Whether prefills are captured as CUDA graphs, if SGLang does so for the model.
        deepep: Whether the all-to-all kernels of expert parallelism are DeepEP's.
        multimodal: Whether images are served; SGLang's default for the model if None.
        max_total_tokens: Maximum tokens of the KV pool; as many as fit if None.
        radix_cache: Whether prefixes of requests are cached for later requests.
        sliding_ratio: Tokens of sliding layers per token of the pool (swa_full_tokens_ratio); SGLang's default if None.
        state_ratio: Ratio of recurrent state to KV cache (mamba_full_memory_ratio); SGLang's default if None.
        state_slots: Slots for recurrent state (max_mamba_cache_size); derived from the ratio if None.
        state_strategy: How cached prefixes keep their state (mamba_radix_cache_strategy).
    """

    version: str | None = None
    chunked_prefill_size: int | None = None
    max_prefill_tokens: int | None = None
    cuda_graph_max_bs: int | None = None
    max_running_requests: int | None = None
    decode_graphs: bool = True
    prefill_graphs: bool = True
    deepep: bool = False
    multimodal: bool | None = None
    max_total_tokens: int | None = None
    radix_cache: bool = True
    sliding_ratio: float | None = None
    state_ratio: float | None = None
    state_slots: int | None = None
    state_strategy: str = "auto"

    @property
    def release(self) -> Release:
        """The release whose rule is used: the nearest of those that were read."""
        release = _release_of(self.version)
        return NEWEST_READ if release is None else min(max(release, OLDEST_READ), NEWEST_READ)

    @property
    def release_known(self) -> bool:
        """Whether the rule is that of the given release itself, not of the nearest one that was read."""
        return _release_of(self.version) == self.release

    @property
    def release_note(self) -> str:
        """In words, whose rules are used for a release that was not read; empty if they are its own, or no release is given."""
        if self.version is None or self.release_known:
            return ""
        return f"SGLang {self.version}: no rules of that release are known, those of {'.'.join(map(str, self.release))} are used"


@dataclass(frozen=True, kw_only=True)
class StaticFraction:
    """The share of each GPU's memory that a component's copies take.

    Args:
        planned: Share used by the plan: as specified, otherwise SGLang's default.
        engine_default: SGLang's default.
        release_known: Whether the default is that of the image's own release; otherwise it is that of the nearest release that was read.
    """

    planned: float
    engine_default: float
    release_known: bool


def _release_of(version: str | None) -> Release | None:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version or "")
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def sglang_fraction(
    model: ModelArchitecture, gpu: Gpu, split: Parallelism, options: EngineOptions | None = None
) -> float:
    """Return the share of memory that SGLang takes if `mem_fraction_static` is not set; 0 or less if it would not start.

    Args:
        model: The model.
        gpu: Type of each GPU.
        split: How one copy is spread over GPUs.
        options: SGLang's release and options.
    """
    engine = options or EngineOptions()
    chunk, batch = _capacity(model, gpu, split, engine)
    prefill = chunk if chunk > 0 else engine.max_prefill_tokens or MAX_PREFILL_TOKENS
    reserved = 512 + 1.5 * max(prefill, 2048) + split.tensor * split.pipeline / 8 * 1024
    reserved += _graphs(model, split, engine, chunk=chunk, batch=batch)
    if gpu.memory_mib > 60 * _GIB_IN_MIB:
        reserved = max(reserved, 10 * 1024)
    if engine.deepep and engine.decode_graphs:
        reserved += 2 * 1024
    fraction = round((gpu.memory_mib - reserved) / gpu.memory_mib, 3)
    vision = model.vision if serves_images(model, engine) else None
    return fraction if vision is None else fraction * _vision_factor(vision)


def serves_images(model: ModelArchitecture, options: EngineOptions | None = None) -> bool:
    """Return whether SGLang loads a multimodal model with image support."""
    if model.vision is None:
        return False
    multimodal = None if options is None else options.multimodal
    return model.model_type not in TEXT_ONLY_BY_DEFAULT if multimodal is None else multimodal


TEXT_ONLY_BY_DEFAULT = frozenset({"gemma3", "gemma3_text", "llama4", "llama4_text"})
"""Models that SGLang 0.5.23 serves without images unless --enable-multimodal is given (configs/model_config.py, mm_disabled_models)."""

_IMAGES_WITH_PREFILL_GRAPHS = ("qwen3_5", "kimi_k2", "deepseek_v3", "minimax")
"""Prefixes of the model types (of the text model) whose prefills SGLang 0.5.23 captures although they take images
(configs/model_config.py, multimodal_breakable_cuda_graph_supported_model_archs)."""


_WITHOUT_PREFILL_GRAPHS = ("deepseek_v4", "deepseek_ref", "kimi_linear", "kimi_k3")
"""Prefixes of the model types whose prefills SGLang 0.5.23 does not capture: DeepSeek-V4, and models with Kimi's delta attention
(arg_groups/cuda_graph_hook.py)."""

_MANY_GPUS = 4
"""Minimum number of GPUs of a copy for which SGLang captures larger decode batches."""

_LARGEST_GRAPH = 512
"""Size of the largest decode batch that SGLang captures."""


def _capacity(model: ModelArchitecture, gpu: Gpu, split: Parallelism, engine: EngineOptions) -> tuple[int, int]:
    """Return the longest prefill chunk and the largest decode batch with a CUDA graph."""
    memory, few = gpu.memory_mib, split.tensor < _MANY_GPUS
    if memory < 20 * _GIB_IN_MIB:
        chunk, batch = 2048, 8
    elif memory < 35 * _GIB_IN_MIB and engine.release < _LARGER_GRAPHS:
        chunk, batch = 2048, 24 if few else 80
    elif memory < 35 * _GIB_IN_MIB:
        chunk, batch = 4096, 48 if few else 160
    elif memory < 60 * _GIB_IN_MIB:
        chunk, batch = 4096, 32 if few else 160
    elif memory < 160 * _GIB_IN_MIB:
        chunk, batch = 8192, 256 if few else 512
    else:
        chunk, batch = 16384, 512
    running = engine.max_running_requests
    if running is not None and batch > running and engine.release >= _GRAPHS_END_AT_RUNNING:
        batch = running
    if running is not None and batch < running <= _LARGEST_GRAPH and _widens_graphs(model, gpu, engine):
        batch = running
    return (
        chunk if engine.chunked_prefill_size is None else engine.chunked_prefill_size,
        batch if engine.cuda_graph_max_bs is None else engine.cuda_graph_max_bs,
    )


def prefill_chunk(model: ModelArchitecture, gpu: Gpu, split: Parallelism, options: EngineOptions) -> int:
    """Return the maximum number of prompt tokens that SGLang prefills in one step."""
    chunk, _ = _capacity(model, gpu, split, options)
    return chunk if chunk > 0 else options.max_prefill_tokens or MAX_PREFILL_TOKENS


def _widens_graphs(model: ModelArchitecture, gpu: Gpu, engine: EngineOptions) -> bool:
    """Return whether decode graphs grow to max_running_requests: Qwen3-VL on H100 and H200 (model_overrides/qwen3_vl.py, 0.5.23)."""
    hopper = gpu.compute_capability.startswith("9.")
    return hopper and model.model_type.startswith("qwen3_vl") and serves_images(model, engine)


def _graphs(model: ModelArchitecture, split: Parallelism, engine: EngineOptions, *, chunk: int, batch: int) -> float:
    """Return the MiB reserved for CUDA graphs and the padding of DP attention."""
    reserved = 2.0 * batch if engine.decode_graphs else 0.0
    if split.attention_dp > 1:
        large = 300
        reserved += batch * split.attention_dp * (4.5 if batch > large else 3)
    is_multimodal = serves_images(model, engine) and not model.model_type.startswith(_IMAGES_WITH_PREFILL_GRAPHS)
    is_captured = not is_multimodal and not model.model_type.startswith(_WITHOUT_PREFILL_GRAPHS)
    if engine.prefill_graphs and split.pipeline == 1 and is_captured:
        reserved += 1536 if model.mla is not None else 8 * _captured_prefills(chunk)
        reserved += 1024 if engine.deepep else 0
    return reserved


def _captured_prefills(longest: int) -> int:
    """Return how many prefill sizes are captured (`generate_prefill_cuda_graph_batch_sizes`)."""
    steps = ((4, 32, 4), (48, 256, 16), (288, 512, 32), (576, 1024, 64), (1280, 4096, 256), (4608, longest, 512))
    return sum(size <= longest for first, last, step in steps for size in range(first, last + 1, step))


def _vision_factor(vision: VisionTower) -> float:
    """Return the factor that accounts for image encoding: encoders with more layers or width than CLIP leave less memory."""
    complexity = vision.layers * vision.hidden_size**2 / (24 * 1024**2)
    return 0.95 * max(0.8, min(1.05, 1.0 - 0.1 * (complexity - 1.0)))
