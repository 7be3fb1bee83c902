"""Whether a component's model can run on the instance types of its endpoint: the planner's verdict, before anything exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.component.planned import catalogue_facts, component_request
from cdk_sglang.serving.shared.tokens import is_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdk_sglang.engine import SglangOptions
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.serving.weights.model_source import ModelSource

PRICE_REGION: Final = "us-east-1"
"""Region whose prices order advice where the stack's Region is not known at synth."""


def fit_problems(
    path: str,
    model: ModelSource,
    servers: Mapping[str, SglangOptions],
    instances: Sequence[GpuInstance],
    *,
    engine_version: str,
    region: str,
) -> list[Problem]:
    """Return why a model cannot run on some type of its endpoint, in the words of the plan; empty when it can on all.

    What needs more GPUs than a type has is left to the check of the endpoint's room, which says what to do.

    Args:
        path: Of the component, for messages.
        model: The model. A repository that the catalogue does not know is not checked; an id that it does not know is a mistake.
        servers: SGLang's options by instance type.
        instances: Types of the endpoint.
        engine_version: SGLang's release in the image.
        region: The stack's Region; may be a token.
    """
    if model.model_id is None:
        return []
    try:
        facts = model.facts or catalogue_facts(model.model_id)
    except ConfigurationError as error:
        given = model.model_id != model.repository
        return [Problem(f"{path}.model.id", problem) for problem in error.problems if given]
    from cdk_sglang.planning import component_problems

    roomy = [instance for instance in instances if servers[instance.name].gpus_per_copy <= instance.gpu_count]
    request = component_request(
        path,
        facts,
        servers[instances[0].name],
        bounds=(1, 1),
        tp_sizes={name: server.tp_size for name, server in servers.items()},
        engine_version=engine_version,
    )
    return component_problems(request, roomy, path=path, region=PRICE_REGION if is_token(region) else region)
