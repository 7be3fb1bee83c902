"""Rules of options against the GPU's compute capability. Sources: SGLang 0.5.23 below `sglang/srt/`.

SGLang checks these only on the GPU itself, and reports some of them only when a kernel runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cdk_sglang.engine.fields import OptionFields
from cdk_sglang.engine.rule import Context, RuleBook
from cdk_sglang.errors import Problem

BOOK: Final = RuleBook()

_FP8: Final = (
    89  # Ada and later multiply 8-bit floats; Triton has no fp8e4nv below (github.com/sgl-project/sglang/issues/38291)
)
_HOPPER: Final = 90
_BLACKWELL: Final = 100

_AMPERE_TO_HOPPER: Final = range(80, 100)

_PREFILLING: Final = frozenset({"attention_backend", "extra.prefill_attention_backend"})
"""Fields that choose the kernels of prefill."""

_OTHER_HARDWARE: Final = {
    # arg_groups/choices.py and fields: sections and help texts of 0.5.23; SageMaker's GPU instances are NVIDIA's.
    "attention_backend": {
        "aiter": "AMD",
        "wave": "AMD",
        "intel_amx": "Intel CPU",
        "ascend": "Ascend",
        "intel_xpu": "Intel GPU",
    },
    "speculative.draft_attention_backend": {"ascend": "Ascend", "intel_xpu": "Intel GPU"},
    "sampling_backend": {"ascend": "Ascend", "intel_xpu": "Intel GPU"},
    "lora.backend": {"ascend": "Ascend"},
    "hicache.io_backend": {"kernel_ascend": "Ascend"},
    "hicache.storage_backend": {"npu_memcache": "Ascend"},
    "moe_a2a_backend": {"ascend_fuseep": "Ascend", "ascend_tp": "Ascend", "mori": "AMD"},
    "quantization": {
        "modelslim": "Ascend",
        "mxfp_w4a8": "Ascend",
        "mlx_q4": "Apple",
        "mlx_q8": "Apple",
        "petit_nvfp4": "AMD",
    },
}

# layers/quantization/*: get_min_capability of each method, enforced in model_loader/loader.py.
_QUANTIZATION_FROM: Final = {
    "fp8": 80,
    "w8a8_fp8": _FP8,
    "modelopt_fp8": _FP8,
    "w4afp8": _HOPPER,
    "mxfp8": _BLACKWELL,
    "nvfp4_online": _BLACKWELL,
    "modelopt_fp4": 80,
    "mxfp4": 80,
    "gptq_marlin": 80,
    "awq_marlin": 80,
    "w8a8_int8": 75,
    "awq": 75,
    "humming": 75,
}


def _name(capability: int) -> str:
    return f"{capability // 10}.{capability % 10}"


@BOOK.rule("other-hardware", source="arg_groups/choices.py and the help texts of the options")
def _other_hardware(options: OptionFields, _: Context) -> Iterator[Problem]:
    for field, foreign in _OTHER_HARDWARE.items():
        value: object = options
        for part in field.split("."):
            value = getattr(value, part, None)
        if isinstance(value, str) and value in foreign:
            yield Problem(
                path=field, text=f"{value} is made for {foreign[value]}, SageMaker's GPUs are NVIDIA's; leave it out"
            )


@BOOK.rule(
    "fa3-hardware", source="layers/attention/attention_registry.py, create_flashattention_v3_backend (assertion)"
)
def _fa3(options: OptionFields, context: Context) -> Iterator[Problem]:
    capability = context.capability
    if capability is None or capability in _AMPERE_TO_HOPPER:
        return
    for field, value in _attention_backends(options):
        if value == "fa3":
            yield Problem(
                path=field,
                text=f"fa3 runs on compute capability 8.0 to 9.0, the GPU has {context.gpu_capability}; "
                "use flashinfer or leave it out",
            )


@BOOK.rule("fa3-fp8-kv", source="arg_groups/overrides.py, _attention_backend_fa3_fp8_fallback (changed with a warning)")
def _fa3_fp8_kv(options: OptionFields, _: Context) -> Iterator[Problem]:
    if options.attention_backend == "fa3" and options.kv_cache_dtype == "fp8_e5m2":
        yield Problem(
            path="kv_cache_dtype",
            text="fa3 reads fp8_e4m3 only and SGLang switches to triton, got fp8_e5m2; use fp8_e4m3",
        )


@BOOK.rule(
    "trtllm-hardware", source="arg_groups/attention_hook.py and overrides.py, TRT-LLM and CuteDSL checks (ValueError)"
)
def _trtllm(options: OptionFields, context: Context) -> Iterator[Problem]:
    capability = context.capability
    if capability is None:
        return
    generation = capability // 10
    allowed = {"trtllm_mha": (9, 10, 12), "trtllm_mla": (10, 11, 12), "cutedsl_mla": (10,)}
    for field, value in _attention_backends(options):
        runs_on = allowed.get(value)
        if value == "trtllm_mha" and field in _PREFILLING and not context.has("0.5.19"):
            runs_on = (10,)  # 0.5.17 and 0.5.18, server_args.py, _handle_attention_backend_compatibility
        if runs_on is not None and generation not in runs_on:
            yield Problem(
                path=field,
                text=f"{value} runs on compute capability {', '.join(f'{major}.x' for major in runs_on)}, the GPU has "
                f"{context.gpu_capability}; use flashinfer or leave it out",
            )


@BOOK.rule("trtllm-kv-dtype", source="arg_groups/overrides.py, _mla_kv_cache_dtype_checks (ValueError)")
def _trtllm_kv(options: OptionFields, _: Context) -> Iterator[Problem]:
    allowed = {"trtllm_mla": ("auto", "fp8_e4m3", "bf16"), "cutedsl_mla": ("auto", "fp8_e4m3", "bf16", "bfloat16")}
    dtypes = allowed.get(options.attention_backend or "")
    if dtypes is not None and (options.kv_cache_dtype or "auto") not in dtypes:
        yield Problem(
            path="kv_cache_dtype",
            text=f"{options.attention_backend} takes {', '.join(dtypes)}, got {options.kv_cache_dtype}; use one of them",
        )


@BOOK.rule(
    "fp8-kv-hardware",
    source="sgl-project/sglang issue 38291: Triton has no fp8e4nv below 8.9 (fails at the first request)",
)
def _fp8_kv(options: OptionFields, context: Context) -> Iterator[Problem]:
    capability = context.capability
    if capability is not None and capability < _FP8 and options.kv_cache_dtype == "fp8_e4m3":
        yield Problem(
            path="kv_cache_dtype",
            text=f"fp8_e4m3 needs compute capability {_name(_FP8)}, the GPU has {context.gpu_capability}; "
            "use fp8_e5m2 or leave it out",
        )


@BOOK.rule("narrow-kv-hardware", source="arg_groups/kv_cache_hook.py, MXFP8 and FP4 checks (ValueError, RuntimeError)")
def _narrow_kv(options: OptionFields, context: Context) -> Iterator[Problem]:
    capability = context.capability
    if capability is None:
        return
    if options.kv_cache_dtype in {"mxfp8", "nvfp4"} and capability < _BLACKWELL:
        instead = "fp4_mx_block16" if options.kv_cache_dtype == "nvfp4" else "fp8_e4m3"
        yield Problem(
            path="kv_cache_dtype",
            text=f"{options.kv_cache_dtype} needs compute capability {_name(_BLACKWELL)}, the GPU has "
            f"{context.gpu_capability}; use {instead} or leave it out",
        )


@BOOK.rule(
    "quantization-hardware",
    source="model_loader/loader.py against get_min_capability; sgl-project/sglang issue 38291 for fp8",
)
def _quantization(options: OptionFields, context: Context) -> Iterator[Problem]:
    capability = context.capability
    if capability is None:
        return
    draft = options.speculative.draft_model_quantization if options.speculative else None
    for field, method in (("quantization", options.quantization), ("speculative.draft_model_quantization", draft)):
        least = _QUANTIZATION_FROM.get(method or "", 0)
        if capability < least:
            yield Problem(
                path=field,
                text=f"{method} needs compute capability {_name(least)}, the GPU has {context.gpu_capability}; "
                "choose another GPU, or leave it out for what the model's files say",
            )


@BOOK.rule(
    "weight-only-fp8",
    source="0.5.23 layers/quantization/fp8_utils.py, can_auto_enable_marlin_fp8; sgl-project/sglang issue 38291: experts fail in Triton",
)
def _weight_only_fp8(options: OptionFields, context: Context) -> Iterator[Problem]:
    capability = context.capability
    if capability is None or not _QUANTIZATION_FROM["fp8"] <= capability < _FP8:
        return
    draft = options.speculative.draft_model_quantization if options.speculative else None
    for field, method, experts in (
        ("quantization", options.quantization, context.has_experts),
        ("speculative.draft_model_quantization", draft, None),
    ):
        if method == "fp8" and experts is not False:
            kind = "has experts" if experts else "is not known to be one"
            yield Problem(
                path=field,
                text=f"fp8 on compute capability {context.gpu_capability} serves dense models only (weight-only, through Marlin), and this "
                f"model {kind}; use a GPU of compute capability {_name(_FP8)} or newer, "
                + ("or another format" if experts else "give the model's id in the catalogue, or leave it out"),
            )


def _attention_backends(options: OptionFields) -> Iterator[tuple[str, str]]:
    for field, value in (
        ("attention_backend", options.attention_backend),
        ("extra.prefill_attention_backend", options.get("prefill_attention_backend")),
        ("extra.decode_attention_backend", options.get("decode_attention_backend")),
        ("speculative.draft_attention_backend", options.get("speculative_draft_attention_backend")),
    ):
        if value is not None:
            yield field, value
