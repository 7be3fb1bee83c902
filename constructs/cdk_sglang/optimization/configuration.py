"""Configuration of the functions: one JSON text in their environment variable CONFIG. No CDK."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.metrics.promql import Place, gauge
from cdk_sglang.planning.component.speculative import training_instance
from cdk_sglang.serving.shared.drafts import captured_prefix, variables_of
from cdk_sglang.spec.slo import AT_CONCURRENCY

if TYPE_CHECKING:
    from cdk_sglang.planning import ResolvedComponent
    from cdk_sglang.spec.speculative import Speculative

_REQUESTS_PER_IN_FLIGHT: Final = 10
_FEWEST_REQUESTS: Final = 20
"""Requests of a step, equal to the default of a workload."""


def gate_concurrency(plan: ResolvedComponent) -> tuple[int, ...]:
    """Return the requests in flight at which a draft is measured: as specified, else one, those of the slo, and the scaling's target.

    Args:
        plan: The component.
    """
    component = plan.component
    assert component.speculative is not None
    chosen = component.speculative.gate.concurrency
    if chosen is not None:
        return chosen
    if component.slo is not None:
        busy = component.slo.at_concurrency
    else:
        busy = AT_CONCURRENCY if plan.concurrency is None else plan.concurrency
    return tuple(sorted({1, max(1, round(busy))}))


def gate_content(plan: ResolvedComponent, *, log_retention_days: int) -> dict[str, Any]:
    """Return the functions' configuration of the measurement.

    Args:
        plan: The component.
        log_retention_days: Days that the logs of the two copies are kept.
    """
    component, first = plan.component, plan.hosting.instances[0]
    assert component.speculative is not None
    gate, levels = component.speculative.gate, gate_concurrency(plan)
    return {
        "min_speedup": gate.min_speedup,
        "max_ttft_regression": gate.max_ttft_regression,
        "concurrency": list(levels),
        "repeats": gate.repeats,
        "input_tokens": round(component.load.input_tokens),
        "output_tokens": round(component.load.output_tokens),
        "requests": {str(level): max(_FEWEST_REQUESTS, _REQUESTS_PER_IN_FLIGHT * level) for level in levels},
        "second_endpoint": gate.second_endpoint,
        "instance": first.name,
        "usd_per_hour": _usd_per_hour(plan, first),
        "gpus": first.gpu_count,
        "max_usd": gate.gate_max_usd,
        "log_retention_days": log_retention_days,
    }


def training_content(plan: ResolvedComponent, *, endpoint_name: str) -> dict[str, Any] | None:
    """Return the functions' configuration of the training; None for a draft that is not trained.

    Args:
        plan: The component.
        endpoint_name: Name of its endpoint.
    """
    assert plan.component.speculative is not None
    training = plan.component.speculative.eagle
    if training is None:
        return None
    instance = training_instance(plan.component.speculative, plan.hosting)
    assert instance is not None
    return {
        "instance": instance.name,
        "usd_per_hour": _usd_per_hour(plan, instance) if training.usd_per_hour is None else training.usd_per_hour,
        **({} if training.usd_per_hour is None else {"is_price_given": True}),
        "max_usd": training.max_usd,
        "max_hours": training.max_hours,
        "accept_eula": training.accept_eula,
        "dataset": training.dataset,
        "captured_prefix": captured_prefix(endpoint_name) if training.is_captured else None,
        "captured_samples": training.samples,
        "scrub": training.scrub,
    }


def drafting_content(speculative: Speculative) -> dict[str, int | None]:
    """Return how many tokens are drafted at once, if specified.

    Args:
        speculative: The specification.
    """
    if speculative.ngram is not None:
        return {"steps": None, "topk": None, "draft_tokens": speculative.ngram.num_draft_tokens}
    own = speculative.draft or speculative.nextn
    if own is None:
        return {"steps": None, "topk": None, "draft_tokens": None}
    return {"steps": own.num_steps, "topk": own.eagle_topk, "draft_tokens": own.num_draft_tokens}


def known_content(plan: ResolvedComponent, *, enrichment: bool) -> dict[str, Any]:
    """Return the functions' configuration of model, variables and metrics.

    Args:
        plan: The component.
        enrichment: Whether CloudWatch answers PromQL over SGLang's metrics.
    """
    speculative, facts = plan.component.speculative, plan.facts
    assert speculative is not None
    query = gauge(
        "accept_length", Place(component="${component}"), aggregate="avg", labels=(), over="avg_over_time[${window}]"
    )
    architecture = None if facts is None else facts.architecture
    return {
        "kind": speculative.kind,
        "approval": speculative.gate.approval,
        "tokenizer": plan.component.model.catalogue_id,
        "drafting": drafting_content(speculative),
        "variables": variables_of(speculative.kind),
        "enrichment": enrichment,
        "accept_length_query": query if enrichment else "",
        "architecture": {}
        if architecture is None
        else {
            "model_type": architecture.model_type,
            "hidden_size": architecture.hidden_size,
            "vocab_size": architecture.vocab_size,
        },
    }


def timeout_hours(plan: ResolvedComponent) -> int:
    """Return the time-out of an execution in hours, longer than any run should take.

    Args:
        plan: The component.
    """
    assert plan.component.speculative is not None
    speculative = plan.component.speculative
    training = 0.0 if speculative.eagle is None else speculative.eagle.max_hours
    waiting = 24 * 7 if speculative.gate.approval == "required" else 0
    return math.ceil(training) + waiting + _GATE_HOURS + _PROMOTION_HOURS


_GATE_HOURS: Final = 48
_PROMOTION_HOURS: Final = 10
"""UpdateInferenceComponent takes up to 490 minutes in CloudFormation (its registry schema, read 2026-11)."""


def _usd_per_hour(plan: ResolvedComponent, instance: GpuInstance) -> float:
    price = price_usd_per_hour(instance, plan.hosting.price_region, table=plan.hosting.prices)
    assert price is not None
    return price.usd_per_hour
