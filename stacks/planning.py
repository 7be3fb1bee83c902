"""From settings to what the planner is asked, and from its answer to the problems of a settings file."""

from __future__ import annotations

from typing import Final

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentRequest, EndpointRequest, FleetRequest, Slo
from cdk_sglang.serving.component import HostResources
from stacks.environments import load
from stacks.settings import Component, Endpoint, Environment

DEFAULT_REGION: Final = "us-east-1"
"""Region of the prices when neither the file nor the CDK CLI names one."""

_DEFAULT_LORA_SLOTS: Final = 8
"""SGLang's --max-loras-per-batch when absent (0.5.23)."""

_KV_FORMATS: Final = {"fp8_e5m2": "fp8", "fp8_e4m3": "fp8", "mxfp8": "fp8", "nvfp4": "fp4", "fp4_mx_block16": "fp4"}
"""SGLang's names of cache formats to the planner's; all others are 16 bits."""


def fleet_request(name: str) -> FleetRequest:
    """Return what is to be planned for an environment of this app; what `cdk-sglang plan --env` asks for.

    Raises:
        ConfigurationError: The settings are wrong; one line per problem.
    """
    return request_of(load(name), name=name)


def request_of(settings: Environment, *, name: str) -> FleetRequest:
    """Return what is to be planned: every component whose model the catalogue knows.

    Raises:
        ConfigurationError: A model id or an instance type is unknown, with its path in the settings.
    """
    problems: list[str] = []
    endpoints = []
    for endpoint, asked in settings.endpoints.items():
        path = f"endpoints.{endpoint}"
        instances = _instances(asked, path, problems)
        components = tuple(
            request
            for component, wanted in asked.components.items()
            if (request := _component(component, wanted, instances, f"{path}.components.{component}", problems))
        )
        if instances and components:
            capacity = asked.capacity
            endpoints.append(
                EndpointRequest(
                    name=endpoint,
                    instances=instances,
                    components=components,
                    min_instances=1 if capacity.min_instances is None else capacity.min_instances,
                    max_instances=capacity.most_instances,
                    reserved=capacity.reserved is not None,
                )
            )
    if problems:
        raise ConfigurationError(problems)
    return FleetRequest(
        environment=name,
        region=settings.region or DEFAULT_REGION,
        endpoints=tuple(endpoints),
        budget_usd_per_hour=settings.budget_usd_per_hour,
    )


def unplanned(settings: Environment) -> list[str]:
    """Name the components whose memory nobody can check, since they name no model of the catalogue."""
    return [
        f"{endpoint}.{component}"
        for endpoint, asked in settings.endpoints.items()
        for component, wanted in asked.components.items()
        if wanted.model.id is None
    ]


def _instances(asked: Endpoint, path: str, problems: list[str]) -> tuple[GpuInstance, ...]:
    found = []
    for name in asked.capacity.types:
        try:
            found.append(GpuInstance.of(name))
        except ConfigurationError as error:
            problems += [f"{path}.capacity: {problem}" for problem in error.problems]
    return tuple(found)


def _component(
    name: str, asked: Component, instances: tuple[GpuInstance, ...], path: str, problems: list[str]
) -> ComponentRequest | None:
    if asked.model.id is None:
        return None
    try:
        facts = catalogue(asked.model.id)
    except ConfigurationError as error:
        problems += [f"{path}.model.id: {problem}" for problem in error.problems]
        return None
    server = asked.server
    if server.gpus_per_copy > min((instance.gpu_count for instance in instances), default=0):
        return None  # the endpoint says so, with what to do
    slo, lora = asked.slo, server.lora
    host = _host(asked, instances[0])
    return ComponentRequest(
        name=name,
        facts=facts,
        tp_size=server.tp_size,
        expert_parallel=server.ep_size > 1,
        attention_dp=server.attn_dp_size,
        context_length=server.context_length,
        kv_dtype=_KV_FORMATS.get(server.kv_cache_dtype or ""),
        mem_fraction=server.mem_fraction_static,
        min_copies=asked.copies,
        max_copies=asked.copies,
        slo=None if slo is None else Slo(ttft_ms=slo.ttft_ms, tpot_ms=slo.tpot_ms, at_concurrency=slo.at_concurrency),
        host_memory_gib=host.memory_mib / 1024,
        vcpus=host.cpu_cores,
        lora_slots=0 if lora is None else lora.max_loras_per_batch or _DEFAULT_LORA_SLOTS,
        lora_rank=ComponentRequest.lora_rank if lora is None or lora.max_rank is None else lora.max_rank,
    )


def _host(asked: Component, instance: GpuInstance) -> HostResources:
    if asked.resources is not None:
        return HostResources(cpu_cores=asked.resources.cpu_cores, memory_mib=asked.resources.memory_mib)
    return HostResources.share_of(instance, gpus=asked.server.gpus_per_copy)
