"""GPUs of a forward pass on each instance type, and the share of their memory that SGLang is told to take."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cdk_sglang.planning.component.request import component_request
from cdk_sglang.planning.splits import planned_fraction, tp_sizes
from cdk_sglang.planning.static_fraction import EngineOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdk_sglang.engine import SglangOptions
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning.drafts import Speculation


def planned_tp_sizes(
    facts: ModelFacts | None,
    server: SglangOptions,
    instances: Sequence[GpuInstance],
    *,
    tp_size_by_type: Mapping[str, int],
    engine_version: str | None = None,
    speculation: Speculation | None = None,
) -> dict[str, int]:
    """Return the GPUs of a forward pass by instance type: as asked for the type, as asked for all, else the fewest that hold the model.

    The last where the types differ in GPU or in their number, and the model is known; everywhere else one GPU, as SGLang
    has it. Options that divide the GPUs further (attn_dp_size, ep_size) need a size that somebody chose.

    Args:
        facts: What is known of the model; None if nothing.
        server: SGLang's options.
        instances: Types of the endpoint.
        tp_size_by_type: Sizes asked for some types.
        engine_version: SGLang's release in the image.
        speculation: How it drafts by its own settings.
    """
    sizes = {instance.name: tp_size_by_type.get(instance.name, server.tp_size) for instance in instances}
    alike = len({(instance.gpu, instance.gpu_count) for instance in instances}) == 1
    chosen = "tp_size" in server.model_fields_set or server.attn_dp_size > 1 or server.ep_size > 1
    if alike or chosen:
        return sizes
    if facts is None or not facts.architecture.kv_known:
        return sizes
    request = component_request(
        facts.id,
        facts,
        server,
        bounds=(1, 1),
        tp_sizes=tp_size_by_type,
        engine_version=engine_version,
        speculation=speculation,
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
        facts: What is known of the model; None if nothing.
        instance: The type.
        engine_version: SGLang's release in the image.
    """
    if facts is None or server.mem_fraction_static is not None or not facts.architecture.kv_known:
        return server
    if EngineOptions(version=engine_version).release_known:
        return server
    request = component_request(facts.id, facts, server, bounds=(1, 1), engine_version=engine_version)
    share = round(planned_fraction(request, instance).planned, 3)
    return server.model_copy(update={"mem_fraction_static": share}) if 0 < share < 1 else server
