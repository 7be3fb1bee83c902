"""Builds the planner's request for a component: its model's facts and the server options that decide memory and speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.engine import SglangOptions
from cdk_sglang.planning.component.drafting import speculation_of, with_promise
from cdk_sglang.planning.component.host_memory import DEFAULT_LORA_SLOTS
from cdk_sglang.planning.component.images import images_of
from cdk_sglang.planning.fleet_request import ComponentRequest
from cdk_sglang.planning.static_fraction import EngineOptions
from cdk_sglang.spec.load import Load
from cdk_sglang.spec.task import TASK_SHAPES, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning.drafts import Speculation
    from cdk_sglang.planning.measured_calibration import MeasuredCalibration
    from cdk_sglang.spec.rollout import BatchSize
    from cdk_sglang.spec.schedules import Bounds
    from cdk_sglang.spec.slo import Slo

_KV_FORMATS: Final = {
    "fp8_e5m2": "fp8", "fp8_e4m3": "fp8", "mxfp8": "fp8", "nvfp4": "fp4", "fp4_mx_block16": "fp4", "bf16": "bf16", "bfloat16": "bf16",
}  # fmt: skip
"""Mapping from SGLang's names of cache formats to the planner's; `auto` is SGLang's choice for model and GPU."""

_FLOAT32: Final = ("float", "float32")
"""SGLang's names of the dtype with four bytes per value."""


def component_request(
    name: str,
    facts: ModelFacts,
    server: SglangOptions,
    *,
    bounds: Bounds,
    slo: Slo | None = None,
    load: Load | None = None,
    host_memory_gib: float = 0.0,
    vcpus: float = 0.0,
    rolling: BatchSize | None = None,
    tp_sizes: Mapping[str, int] | None = None,
    engine_version: str | None = None,
    speculation: Speculation | None = None,
    calibration: MeasuredCalibration | None = None,
    task: Task = "chat",
) -> ComponentRequest:
    """Return the planner's request for one component.

    Args:
        name: Name of the component.
        facts: Facts of its model.
        server: SGLang's options.
        bounds: Minimum and maximum number of copies at any hour.
        slo: Latency objectives; none by default.
        load: Expected requests; the planner's own assumption by default.
        host_memory_gib: Host memory reserved per copy.
        vcpus: CPU cores reserved per copy.
        rolling: Number of copies that one step of a rolling update replaces; None for an update without steps.
        tp_sizes: GPUs of a forward pass by instance type; by default as in the options.
        engine_version: SGLang's release in the image, such as `0.5.23`; the newest known one if None.
        speculation: How it drafts according to its own settings; by default as in the server options.
        calibration: The user's own measurements; none by default.
        task: What its requests ask for.
    """
    lora, load = server.lora, load or Load()
    generates = TASK_SHAPES[task].generates and not server.get("is_embedding")
    images = images_of(load, facts)
    return ComponentRequest(
        name=name,
        facts=facts.in_float32() if server.dtype in _FLOAT32 else facts,
        tp_size=server.tp_size,
        tp_size_by_type=tp_sizes or {},
        expert_parallel=server.ep_size > 1,
        ep_size=server.ep_size if server.ep_size > 1 else None,
        attention_dp=server.attn_dp_size,
        pp_size=server.pp_size,
        replicas=server.dp_size,
        context_length=server.context_length,
        kv_dtype=_KV_FORMATS.get(server.kv_cache_dtype or ""),
        mem_fraction=server.mem_fraction_static,
        engine=_engine_options(server, engine_version),
        min_copies=bounds[0],
        max_copies=bounds[1],
        speculation=with_promise(speculation or speculation_of(server, facts), slo),
        slo=slo,
        input_tokens=load.input_tokens + images.tokens,
        encoder_tflop=images.encoder_tflop,
        images_note=images.note,
        output_tokens=load.output_tokens if generates else 1.0,
        generates=generates,
        arrivals=load.arrivals,
        host_memory_gib=host_memory_gib,
        vcpus=vcpus,
        rolling=rolling,
        lora_slots=0 if lora is None else lora.max_loras_per_batch or DEFAULT_LORA_SLOTS,
        lora_rank=ComponentRequest.lora_rank if lora is None or lora.max_rank is None else lora.max_rank,
        lora_modules=ComponentRequest.lora_modules if lora is None else lora.target_modules or ("all",),
        calibration=calibration,
    )


_CAPTURED_ALL_TO_ALL: Final = frozenset({"none", "deepep", "megamoe", "flashinfer"})
"""All-to-all kernels with which SGLang 0.5.23 captures prefills (arg_groups/cuda_graph_hook.py)."""


def _engine_options(server: SglangOptions, version: str | None) -> EngineOptions:
    """Return the options that determine SGLang's default share of GPU memory."""

    def captured(phase: str) -> bool:
        off = server.get("disable_cuda_graph") or server.get(f"disable_{phase}_cuda_graph")
        backend = server.get(f"cuda_graph_backend_{phase}")
        return backend != "disabled" if backend is not None else not off

    sizes = server.get("cuda_graph_bs_decode")
    all_to_all = server.get("moe_a2a_backend") or "none"
    text_only = server.get("language_only") or server.get("language_model_only")
    return EngineOptions(
        version=version,
        chunked_prefill_size=server.chunked_prefill_size,
        max_prefill_tokens=server.max_prefill_tokens,
        cuda_graph_max_bs=max(sizes) if sizes else server.cuda_graph_max_bs,
        max_running_requests=server.max_running_requests,
        decode_graphs=captured("decode"),
        prefill_graphs=captured("prefill") and all_to_all in _CAPTURED_ALL_TO_ALL,
        deepep=all_to_all == "deepep",
        multimodal=False if text_only else server.get("enable_multimodal"),
        max_total_tokens=server.get("max_total_tokens"),
        radix_cache=not server.get("disable_radix_cache"),
        sliding_ratio=server.get("swa_full_tokens_ratio"),
        state_ratio=server.get("mamba_full_memory_ratio"),
        state_slots=server.get("max_mamba_cache_size"),
        state_strategy=server.get("mamba_radix_cache_strategy") or "auto",
    )
