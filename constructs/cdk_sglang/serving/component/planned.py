"""What the planner is asked about a component: its model's facts and the server options that decide memory and speed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from cdk_sglang.checks import raise_if_any
from cdk_sglang.engine import SglangOptions
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.component.host import least_memory_mib
from cdk_sglang.serving.component.host_cache import sized_for_host
from cdk_sglang.serving.component.host_memory import DEFAULT_LORA_SLOTS, host_memory, host_needs
from cdk_sglang.spec.load import Load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning import ComponentRequest, EngineOptions
    from cdk_sglang.planning.fleet_request import HostMemory
    from cdk_sglang.serving.weights.model_source import ModelSource
    from cdk_sglang.spec.resources import HostResources
    from cdk_sglang.spec.rollout import BatchSize
    from cdk_sglang.spec.schedules import Bounds
    from cdk_sglang.spec.slo import Slo

_KV_FORMATS: Final = {"fp8_e5m2": "fp8", "fp8_e4m3": "fp8", "mxfp8": "fp8", "nvfp4": "fp4", "fp4_mx_block16": "fp4"}
"""SGLang's names of cache formats to the planner's; all others are 16 bits."""


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
) -> ComponentRequest:
    """Return the planner's question about one component.

    Args:
        name: The component.
        facts: Its model.
        server: SGLang's options.
        bounds: Fewest and most copies at any hour.
        slo: Latency objectives; none by default.
        load: Requests expected; the planner's own assumption by default.
        host_memory_gib: Host memory reserved per copy.
        vcpus: CPU cores reserved per copy.
        rolling: How many copies one step of an update replaces; None for an update without steps.
        tp_sizes: GPUs of a forward pass by instance type; those of the options by default.
        engine_version: SGLang's release in the image, such as `0.5.23`; the newest one this version knows when None.
    """
    from cdk_sglang.planning import ComponentRequest

    lora, load = server.lora, load or Load()
    return ComponentRequest(
        name=name,
        facts=facts,
        tp_size=server.tp_size,
        tp_size_by_type=tp_sizes or {},
        expert_parallel=server.ep_size > 1,
        attention_dp=server.attn_dp_size,
        pp_size=server.pp_size,
        context_length=server.context_length,
        kv_dtype=_KV_FORMATS.get(server.kv_cache_dtype or ""),
        mem_fraction=server.mem_fraction_static,
        engine=_engine_options(server, engine_version),
        min_copies=bounds[0],
        max_copies=bounds[1],
        slo=slo,
        input_tokens=load.input_tokens,
        output_tokens=load.output_tokens,
        host_memory_gib=host_memory_gib,
        vcpus=vcpus,
        rolling=rolling,
        lora_slots=0 if lora is None else lora.max_loras_per_batch or DEFAULT_LORA_SLOTS,
        lora_rank=ComponentRequest.lora_rank if lora is None or lora.max_rank is None else lora.max_rank,
        lora_modules=ComponentRequest.lora_modules if lora is None else lora.target_modules or ("all",),
    )


_CAPTURED_ALL_TO_ALL: Final = frozenset({"none", "deepep", "megamoe", "flashinfer"})
"""All-to-all kernels beside which SGLang 0.5.23 captures prefills (arg_groups/cuda_graph_hook.py)."""


def _engine_options(server: SglangOptions, version: str | None) -> EngineOptions:
    """Return what of the options SGLang's default share of GPU memory follows."""
    from cdk_sglang.planning import EngineOptions

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
    )


def facts_of(model: ModelSource) -> ModelFacts | None:
    """Return what the author knows of a model, else what the catalogue does; None where neither knows it."""
    if model.facts is not None or model.model_id is None:
        return model.facts
    try:
        return catalogue_facts(model.model_id)
    except ConfigurationError:
        return None


def planned_tp_sizes(
    facts: ModelFacts | None,
    server: SglangOptions,
    instances: Sequence[GpuInstance],
    *,
    tp_size_by_type: Mapping[str, int],
    engine_version: str | None = None,
) -> dict[str, int]:
    """Return the GPUs of a forward pass by instance type: as asked for the type, as asked for all, else the fewest that hold the model.

    The last where the types differ in GPU or in their number, and the model is known; everywhere else one GPU, as SGLang
    has it. Options that divide the GPUs further (attn_dp_size, ep_size) need a size that somebody chose.

    Args:
        facts: The model, where somebody knows it.
        server: SGLang's options.
        instances: Types of the endpoint.
        tp_size_by_type: Sizes asked for some types.
        engine_version: SGLang's release in the image.
    """
    sizes = {instance.name: tp_size_by_type.get(instance.name, server.tp_size) for instance in instances}
    alike = len({(instance.gpu, instance.gpu_count) for instance in instances}) == 1
    chosen = "tp_size" in server.model_fields_set or server.attn_dp_size > 1 or server.ep_size > 1
    if alike or chosen:
        return sizes
    if facts is None or not facts.architecture.kv_known:
        return sizes
    from cdk_sglang.planning import tp_sizes

    request = component_request(
        facts.id, facts, server, bounds=(1, 1), tp_sizes=tp_size_by_type, engine_version=engine_version
    )
    return tp_sizes(dataclasses.replace(request, tp_size=None), instances)


def with_planned_fraction(
    server: SglangOptions, facts: ModelFacts | None, instance: GpuInstance, *, engine_version: str
) -> SglangOptions:
    """Return the options with the share of GPU memory that the plan counts with, where the engine would not take that by itself.

    SGLang's own default is in the plan where its release is one whose rule is known: then nothing is added, nor where the share is
    given or nobody knows the model.

    Args:
        server: SGLang's options, over the GPUs of this type.
        facts: The model, where somebody knows it.
        instance: The type.
        engine_version: SGLang's release in the image.
    """
    if facts is None or server.mem_fraction_static is not None or not facts.architecture.kv_known:
        return server
    from cdk_sglang.planning import EngineOptions, planned_fraction

    if EngineOptions(version=engine_version).release_known:
        return server
    request = component_request(facts.id, facts, server, bounds=(1, 1), engine_version=engine_version)
    share = round(planned_fraction(request, instance).planned, 3)
    return server.model_copy(update={"mem_fraction_static": share}) if 0 < share < 1 else server


def planned_host(
    server: SglangOptions,
    facts: ModelFacts,
    instance: GpuInstance,
    *,
    tp_size: int,
    resources: HostResources | None,
    weights_bytes: float | None,
    added: Mapping[str, str],
) -> HostMemory:
    """Return what a copy takes of an instance's host memory.

    Args:
        server: SGLang's options.
        facts: Its model.
        instance: The instance type.
        tp_size: GPUs of a forward pass on it.
        resources: What a copy reserves; a share of the instance when None.
        weights_bytes: Size of the model's files; the catalogue's when None.
        added: Further environment variables of the container.
    """
    split = server if tp_size == server.tp_size else server.with_tp_size(tp_size)
    needs = host_needs(split, facts=facts, weights_bytes=weights_bytes, added=added)
    memory_mib = least_memory_mib([instance], resources, gpus=split.gpus_per_copy)
    sized = sized_for_host(split, memory_mib, adapters_gib=needs.adapters_gib * split.gpus_per_copy)
    return host_memory(sized, needs, memory_mib=memory_mib, instance_gib=instance.memory_gib)


def planned_concurrency(
    path: str,
    model: ModelSource,
    server: SglangOptions,
    instances: Sequence[GpuInstance],
    *,
    gpus_by_type: Mapping[str, int],
    load: Load,
    slo: Slo | None = None,
    engine_version: str | None = None,
) -> float:
    """Return the requests in flight per copy at which a copy is to be added, out of the model's plan.

    Args:
        path: Of the component, for messages.
        model: The model.
        server: SGLang's options.
        instances: Types its copies may run on.
        gpus_by_type: GPUs of a copy on each of them.
        load: Requests expected.
        slo: Latency objectives that the number keeps; none by default.
        engine_version: SGLang's release in the image.

    Raises:
        ConfigurationError: The model names nothing of the catalogue, so that nobody knows its cache.
    """
    advice = "give its catalogue id, or a number: scaling.concurrency: 16"
    if model.model_id is None:
        raise ConfigurationError(
            [Problem(f"{path}.scaling.concurrency", f"comes from the plan, and the model has no id; {advice}")]
        )
    try:
        facts = model.facts or catalogue_facts(model.model_id)
    except ConfigurationError as error:
        raise ConfigurationError(
            [Problem(f"{path}.scaling.concurrency", f"{problem}; {advice}") for problem in error.problems]
        ) from None
    from cdk_sglang.planning import target_concurrency

    if not facts.architecture.kv_known:
        raise_if_any(
            [
                Problem(
                    f"{path}.scaling.concurrency",
                    f"the cache of {facts.id} is not known; give a number: scaling.concurrency: 16",
                )
            ]
        )
    request = component_request(
        path,
        facts,
        server,
        bounds=(1, 1),
        load=load,
        slo=slo,
        engine_version=engine_version,
    )
    return target_concurrency(request, instances, gpus=gpus_by_type, max_running_requests=server.max_running_requests)


def catalogue_facts(model_id: str) -> ModelFacts:
    """Return what the catalogue knows of a model.

    Raises:
        ConfigurationError: The id is unknown, with the nearest ids and how to add it.
    """
    from cdk_sglang.models import catalogue

    return catalogue(model_id)
