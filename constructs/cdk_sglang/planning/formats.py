"""Weight formats that a GPU has no arithmetic for: those that SGLang refuses, and those that it unpacks once or before each multiplication.

Read in SGLang 0.5.23 and, for the first two, in 0.5.17 (2026-11-29), below `srt/layers/quantization`: `can_auto_enable_marlin_fp8`
(fp8 layers from 8.0 to 8.8), `fp4_utils.initialize_fp4_gemm_config` and `ModelOptNvFp4FusedMoEMethod` (nvfp4 from 8.0 to 9.x, experts too),
`get_min_capability` of each format. Fused experts in fp8 have no such fallback: sgl-project/sglang issues 5871, 13471 and 38291.
Experts of gpt-oss in mxfp4: `arg_groups/model_overrides/gpt_oss.py` chooses the kernels that read mxfp4 on every Blackwell GPU, elsewhere
only with ep_size 1; without them `process_weights_after_loading` of `layers/quantization/mxfp4.py` unpacks the weights to bfloat16 as they
are loaded (0.5.23, read 2026-11-30).
float32: `model_loader/loader.py` checks the dtype against `get_supported_act_dtypes` of each format; FlashAttention's README lists fp16 and bf16
(Dao-AILab/flash-attention issue 622; read 2026-12-01).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cdk_sglang.models.architecture import Quantization

if TYPE_CHECKING:
    from cdk_sglang.hardware import Gpu
    from cdk_sglang.models.architecture import ModelArchitecture
    from cdk_sglang.planning.parallel import Parallelism

_MARLIN_FROM = 80
"""Lowest compute capability, major times ten plus minor, on which SGLang's Marlin kernels unpack weights."""

_BLACKWELL = 100
_SIXTEEN_BIT = ("fp8", "nvfp4", "mxfp4", "int8")
"""Formats of which every variant refuses the dtype float32; among the 4-bit integer formats, bitsandbytes accepts it."""


def format_problems(model: ModelArchitecture, gpu: Gpu) -> list[str]:
    """Return the reasons why the engine would refuse the format of a model's weights on a GPU."""
    quantization = model.quantization
    if quantization.float32 and quantization.method in _SIXTEEN_BIT:
        return [
            f"SGLang refuses dtype: float32 beside {quantization.method} weights, whose kernels multiply 16-bit values; leave dtype out"
        ]
    if quantization.method == "fp8" and gpu.fp8_tflops is None:
        lacks = f"{gpu.product} has no fp8 arithmetic (compute capability {gpu.compute_capability})"
        advice = "use bf16 or AWQ weights, or a GPU of compute capability 8.9 or newer"
        if model.moe is not None:
            return [
                f"{lacks}, and SGLang has no weight-only kernel for experts in fp8 as it has for dense models; {advice}"
            ]
        if quantization.needs_fp8_units:
            return [
                f"{lacks}, and SGLang loads fp8 weights of this kind (ModelOpt, w8a8, mxfp8) only with it; {advice}"
            ]
        if _capability(gpu) < _MARLIN_FROM:
            return [f"{lacks}; {advice}"]
    if quantization.method == "nvfp4" and gpu.fp4_tflops is None and _capability(gpu) < _MARLIN_FROM:
        lacks = f"{gpu.product} has no fp4 arithmetic (compute capability {gpu.compute_capability})"
        return [f"{lacks}; use bf16 or AWQ weights, or a GPU of compute capability 8.0 or newer"]
    return []


def as_loaded(model: ModelArchitecture, gpu: Gpu, split: Parallelism, engine: str = "sglang") -> ModelArchitecture:
    """Return the model with its weights in the format in which the engine keeps them on the GPU.

    Args:
        model: The model as its checkpoint stores it.
        gpu: Type of each GPU.
        split: How a copy is spread over GPUs.
        engine: `sglang`, `vllm` or `trtllm`; unpacking is known for SGLang only.
    """
    unpacked = engine == "sglang" and model.quantization.method == "mxfp4" and model.model_type.startswith("gpt_oss")
    if unpacked and split.expert_parallel and _capability(gpu) < _BLACKWELL:
        return replace(model, quantization=Quantization())
    return model


def format_notes(model: ModelArchitecture, gpu: Gpu, split: Parallelism, engine: str = "sglang") -> list[str]:
    """Return notes on a format that runs on a GPU without arithmetic for it."""
    if as_loaded(model, gpu, split, engine) is not model:
        return [
            (
                f"SGLang unpacks the experts of gpt-oss to bf16 with ep_size above 1 on {gpu.product}, which takes four times their memory; "
                "without ep_size they stay in mxfp4"
            )
        ]
    if model.quantization.float32:
        return [
            (
                f"dtype: float32 takes twice the memory of 16-bit values and is planned at the speed of bf16 arithmetic, which {gpu.product} does not "
                "reach with it; FlashAttention and FlashInfer take no float32 either. Leave dtype out unless a CPU serves"
            )
        ]
    method = model.quantization.method
    tflops = {"fp8": gpu.fp8_tflops, "nvfp4": gpu.fp4_tflops}
    if method not in tflops or tflops[method] is not None or format_problems(model, gpu):
        return []
    return [
        (
            f"{gpu.product} has no {method.removeprefix('nv')} arithmetic: SGLang keeps {method} weights as they are and multiplies in bf16 "
            "(weight-only), which saves memory and is planned at the speed of bf16 arithmetic"
        )
    ]


def _capability(gpu: Gpu) -> int:
    major, _, minor = gpu.compute_capability.partition(".")
    return int(major) * 10 + int(minor or 0)
