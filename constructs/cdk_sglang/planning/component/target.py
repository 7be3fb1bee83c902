"""The target for requests in flight per copy: as specified, else from the plan of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.planning.component.request import component_request
from cdk_sglang.planning.component.variants import gpus_by_type
from cdk_sglang.spec.scaling import Concurrency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.planning.component.hosting import Hosting
    from cdk_sglang.planning.component.variants import ModelVariant
    from cdk_sglang.planning.drafts import Speculation
    from cdk_sglang.planning.own import KnownModel
    from cdk_sglang.spec.component import Component
    from cdk_sglang.spec.load import Load
    from cdk_sglang.spec.scaling import ComponentScaling
    from cdk_sglang.spec.task import Task

_ADVICE = "give that of a catalogue model of the same architecture (cdk-sglang models list), or a number: scaling.concurrency: 16"


def target_of(
    path: str,
    component: Component,
    scaling: ComponentScaling | None,
    hosting: Hosting,
    *,
    variants: Sequence[ModelVariant],
    known: KnownModel,
    speculation: Speculation | None = None,
    task: Task = "chat",
) -> float | None:
    """Return the target for requests in flight per copy; None if nothing scales by concurrency.

    Args:
        path: Path of the component.
        component: The component.
        scaling: Its limits, target and schedules; None if it does not scale.
        hosting: Its endpoint.
        variants: Its options by instance type.
        known: Its model, with the facts if known.
        speculation: How it drafts according to its own settings.
        task: Task of its requests.

    Raises:
        ConfigurationError: The load is specified twice, or the model's KV cache is unknown.
    """
    if scaling is None or not scaling.has_policy or not isinstance(target := scaling.tracked, Concurrency):
        return None
    load = component.load if "load" in component.model_fields_set else None
    if load is not None and target.model_fields_set & type(load).model_fields.keys():
        text = "is given by scaling.target too (input_tokens, output_tokens); give it once"
        raise ConfigurationError([Problem(f"{path}.load", text)])
    if target.requests_per_copy is not None:
        return target.requests_per_copy
    return _planned(
        path,
        component,
        hosting,
        variants=variants,
        known=known,
        load=load or target,
        speculation=speculation,
        task=task,
    )


def _planned(
    path: str,
    component: Component,
    hosting: Hosting,
    *,
    variants: Sequence[ModelVariant],
    known: KnownModel,
    load: Load,
    speculation: Speculation | None,
    task: Task,
) -> float:
    facts = known.facts
    if facts is None and known.model.hugging_face is not None:
        text = f"{known.advice}; or give the requests in flight, which the plan cannot: scaling.concurrency: 16"
        raise ConfigurationError([Problem(f"{path}.model.hugging_face", text)])
    if facts is None:
        text = known.problem or "missing, and the plan that scaling.concurrency comes from needs it"
        raise ConfigurationError([Problem(f"{path}.model.id", f"{text}; {_ADVICE}")])
    if not facts.architecture.kv_known:
        text = f"the cache of {facts.id} is not known; give a number: scaling.concurrency: 16"
        raise ConfigurationError([Problem(f"{path}.scaling.concurrency", text)])
    from cdk_sglang.planning.concurrency import target_concurrency

    server = variants[0].server
    request = component_request(
        path,
        facts,
        server,
        bounds=(1, 1),
        load=load,
        slo=component.slo,
        engine_version=hosting.image.sglang_version,
        speculation=speculation,
        calibration=hosting.calibration,
        task=task,
    )
    return target_concurrency(
        request, hosting.instances, gpus=gpus_by_type(variants), max_running_requests=server.max_running_requests
    )
