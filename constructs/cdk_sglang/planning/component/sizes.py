"""GPUs of a forward pass on each instance type, and the share of their memory that SGLang is configured to take."""

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
    """Return the GPUs of a forward pass by instance type: as specified for the type, as specified for all, else the fewest that hold the model.

    The last rule applies if the types differ in the kind or number of GPUs and the model is known; otherwise the default is one GPU, as in
    SGLang. Options that divide the GPUs further (attn_dp_size, ep_size) need a specified size.

    Args:
        facts: Facts of the model; None if unknown.
        server: SGLang's options.
        instances: Types of the endpoint.
        tp_size_by_type: Sizes specified for some types.
        engine_version: SGLang's release in the image.
        speculation: How it drafts according to its own settings.
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
    """Return the options with the share of GPU memory that the plan uses, if the engine would not choose it by itself.

    Nothing is added if the rule of SGLang's release is known, since the plan then uses SGLang's own default. Nothing is added either if the
    share is specified or the model is unknown.

    Args:
        server: SGLang's options for this type.
        facts: Facts of the model; None if unknown.
        instance: The instance type.
        engine_version: SGLang's release in the image.
    """
    if facts is None or server.mem_fraction_static is not None or not facts.architecture.kv_known:
        return server
    if EngineOptions(version=engine_version).release_known:
        return server
    request = component_request(facts.id, facts, server, bounds=(1, 1), engine_version=engine_version)
    share = round(planned_fraction(request, instance).planned, 3)
    return server.model_copy(update={"mem_fraction_static": share}) if 0 < share < 1 else server
