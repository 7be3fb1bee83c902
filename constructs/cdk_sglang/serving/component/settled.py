"""What the arguments of a component work out to on its endpoint, checked before anything of the component exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.engine import SglangOptions
from cdk_sglang.serving.component.checks import (
    PlacedComponent,
    check_component,
    chosen_concurrency,
    with_nightly_stop,
)
from cdk_sglang.serving.component.context import EndpointContext
from cdk_sglang.serving.component.variants import ModelVariant, model_variants, tp_size_problems
from cdk_sglang.serving.weights.model_source import ModelSource
from cdk_sglang.spec.resources import HostResources
from cdk_sglang.spec.rollout import ComponentRollout

if TYPE_CHECKING:
    from cdk_sglang.spec.load import Load
    from cdk_sglang.spec.scaling import ComponentScaling
    from cdk_sglang.spec.slo import Slo


@dataclass(frozen=True, kw_only=True)
class SettledComponent:
    """A component whose every value is known.

    Attributes:
        variants: Model and options for each set of instance types whose options differ, that of the most wanted type first.
        copies: Copies at the first deployment.
        scaling: Bounds, target and schedules, the endpoint's nightly stop among them; None if copies stay as they are.
        concurrency: Requests in flight at which scaling keeps a copy; None if nothing scales by concurrency.
    """

    variants: tuple[ModelVariant, ...]
    copies: int
    scaling: ComponentScaling | None
    concurrency: float | None


def settled_component(
    endpoint: EndpointContext,
    construct_id: str,
    name: str,
    *,
    model: ModelSource,
    server: SglangOptions,
    copies: int | None,
    scaling: ComponentScaling | None,
    load: Load | None,
    slo: Slo | None,
    resources: HostResources | None,
    environment: Mapping[str, str],
    rollout: ComponentRollout | None,
    tp_size_by_type: Mapping[str, int],
    others: Mapping[str, PlacedComponent],
) -> SettledComponent:
    """Return the component with every value known; arguments as those of `InferenceComponent`.

    Raises:
        ConfigurationError: With every problem.
    """
    instances = endpoint.capacity.instances
    problems = tp_size_problems(construct_id, tp_size_by_type, instances)
    variants = model_variants(
        server,
        model=model,
        tp_size_by_type={} if problems else tp_size_by_type,
        instances=instances,
        resources=resources,
        image=endpoint.image,
        added=environment,
    )
    if copies is None:
        copies = 1 if scaling is None else max(1, scaling.min_copies)
    if endpoint.nightly_stop is not None:
        scaling = with_nightly_stop(construct_id, scaling, copies, endpoint.nightly_stop)
    check_component(
        endpoint,
        construct_id,
        name,
        model=model,
        variants=variants,
        copies=copies,
        scaling=scaling,
        added=environment,
        rollout=rollout,
        others=others,
        problems=problems,
    )
    concurrency = chosen_concurrency(
        construct_id,
        scaling,
        model,
        variants,
        instances=instances,
        load=load,
        slo=slo,
        engine_version=endpoint.image.facts.sglang_version,
    )
    return SettledComponent(variants=variants, copies=copies, scaling=scaling, concurrency=concurrency)
