"""Alarms on SGLang's, the GPUs' and SageMaker's operational metrics: they need OTel enrichment. No CDK."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import price_usd_per_hour
from cdk_sglang.metrics.buckets import bucket_at_most
from cdk_sglang.metrics.figures import PricedType
from cdk_sglang.metrics.figures.cost import usd_per_hour_query
from cdk_sglang.metrics.promql import Place
from cdk_sglang.observability.alarms import catalogue, queries
from cdk_sglang.observability.alarms.burns import Burn, burns, span
from cdk_sglang.observability.alarms.catalogue import AlarmKind
from cdk_sglang.observability.alarms.definition import AlarmDefinition
from cdk_sglang.observability.observed import ObservedComponent, ObservedEndpoint
from cdk_sglang.spec.alarm_rules import AlarmRules, Severity

_EVALUATION_SECONDS: Final = 60
_MINUTE: Final = 60
_MS: Final = 1000
_FEWEST_THAT_CAN_MISS: Final = 2
"""Minimum number of copies for which missing ones are visible; a single copy publishes nothing when it is missing."""


def promql_alarms(
    endpoint: ObservedEndpoint, rules: AlarmRules, *, budget_usd_per_hour: float | None
) -> Iterator[AlarmDefinition]:
    """Return every alarm on PromQL of an endpoint.

    Args:
        endpoint: The endpoint.
        rules: Burn rates and thresholds.
        budget_usd_per_hour: Maximum cost of the endpoint in US dollars per hour; not monitored if None.

    Raises:
        ConfigurationError: An objective cannot be monitored, or an instance type has no price to compare with the budget.
    """
    yield from latency_alarms(endpoint, rules)
    yield from _of_every_component(endpoint, rules)
    yield from _of_some_components(endpoint)
    place = Place(endpoint=endpoint.endpoint_name)
    yield _alarm(endpoint, catalogue.INSUFFICIENT_CAPACITY, "InsufficientCapacity", queries.refused_launches(place))
    yield _alarm(endpoint, catalogue.GPU_TEMPERATURE, "GpuTemperature", queries.hot(place, rules))
    yield _alarm(endpoint, catalogue.GPU_SLOW_SIBLING, "GpuSlowSibling", queries.uneven(place, rules))
    if budget_usd_per_hour is not None:
        yield _cost_alarm(endpoint, budget_usd_per_hour)
    if rules.plan_band:
        yield from _plan_alarms(endpoint)


def latency_alarms(endpoint: ObservedEndpoint, rules: AlarmRules) -> Iterator[AlarmDefinition]:
    """Return the burn-rate alarms on latency, of both windows each: one for the components with the same objective, as far as a query holds them.

    Raises:
        ConfigurationError: An objective is below the engine's smallest bucket, or cannot be broken at any of the rates.
    """
    problems: list[Problem] = []
    objectives: dict[tuple[str, float, Burn], list[ObservedComponent]] = {}
    for component in endpoint.components:
        try:
            for key, bound, burn in _objectives(component, rules):
                objectives.setdefault((key, bound, burn), []).append(component)
        except ConfigurationError as error:
            problems += error.problems
    raise_if_any(problems)
    numbers: dict[str, int] = {}
    for (key, bound, burn), components in objectives.items():
        what = "TimeToFirstToken" if key == "time_to_first_token" else "TimePerToken"
        name = f"{what}-{span(burn.rule.long_minutes)}-{span(burn.rule.short_minutes)}"
        render = partial(queries.burning, key=key, bound=bound, burn=burn, min_failures=rules.min_failures)
        for part, query in queries.of_components(endpoint, components, render):
            number = numbers[name] = numbers.get(name, 0) + 1
            yield _alarm(
                endpoint,
                catalogue.LATENCY_BURN,
                name if number == 1 else f"{name}-{number}",
                query,
                detail=(
                    f"{_names(part)}: {100 * burn.threshold:.4g} % with {key.replace('_', ' ')} above {bound * _MS:g} ms, "
                    f"{burn.factor:.3g} times what the promise allows"
                ),
                severity=burn.rule.severity,
            )


def _objectives(component: ObservedComponent, rules: AlarmRules) -> Iterator[tuple[str, float, Burn]]:
    """Yield the histogram, the bucket and each rate of each latency objective; the bucket is the largest that is not above the objective."""
    slo = component.specification.slo
    if slo is None:
        return
    readable = [rule for rule in rules.burn_rates if rule.long_minutes <= queries.LOOK_BACK_MINUTES]
    path = f"components.{component.name}.slo"
    for name, key, objective in (
        ("ttft_ms", "time_to_first_token", slo.ttft_ms),
        ("tpot_ms", "time_per_output_token", slo.tpot_ms),
    ):
        if objective is None:
            continue
        if not readable:
            text = "cannot be watched: PromQL reads back 24 hours; give rules.burn_rates one with long_minutes of 1440 or less"
            raise ConfigurationError([Problem(f"{path}.{name}", text)])
        try:
            bucket = bucket_at_most(key, objective / _MS)
        except ConfigurationError as error:
            raise ConfigurationError([Problem(f"{path}.{name}", each.text) for each in error.problems]) from None
        rates = burns(slo.latency_share, window_days=slo.window_days, rules=readable, path=f"{path}.within_percent")
        for burn in rates:
            yield key, bucket.bound, burn


def _of_every_component(endpoint: ObservedEndpoint, rules: AlarmRules) -> Iterator[AlarmDefinition]:
    place = Place(endpoint=endpoint.endpoint_name)
    yield _alarm(endpoint, catalogue.QUEUE_STUCK, "QueueStuck", queries.stuck(place))
    yield _alarm(endpoint, catalogue.QUEUE_GROWTH, "QueueGrowth", queries.queued(place, rules))
    yield _alarm(endpoint, catalogue.KV_PRESSURE, "KvPressure", queries.full(place, rules))
    yield _alarm(endpoint, catalogue.RETRACTIONS, "Retractions", queries.retracting(place, rules))
    yield _alarm(endpoint, catalogue.ENGINE_RESTART, "EngineRestart", queries.restarted(place))


def _of_some_components(endpoint: ObservedEndpoint) -> Iterator[AlarmDefinition]:
    """Return the alarms with a number of each component; components with the same number share one."""
    fewest = _by(endpoint.components, lambda component: component.resolved.copy_bounds[0])
    for copies, components in fewest.items():
        if copies >= _FEWEST_THAT_CAN_MISS:
            yield from _shared(
                endpoint,
                catalogue.COPIES_MISSING,
                f"CopiesMissing{copies}",
                components,
                partial(queries.few_copies, copies=copies),
                detail=f"fewer than {copies} copies",
            )
    promised = _by(endpoint.components, _accept_length)
    for length, components in promised.items():
        if length is not None:
            yield from _shared(
                endpoint,
                catalogue.ACCEPT_LENGTH,
                f"AcceptLength{length:g}".replace(".", "p"),
                components,
                partial(queries.accepting_less, promised=length),
                detail=f"promised {length:g}",
            )


def _accept_length(component: ObservedComponent) -> float | None:
    slo = component.specification.slo
    return None if slo is None else slo.accept_length


def _by(components: Sequence[ObservedComponent], value: Callable[[ObservedComponent], Any]) -> dict[Any, list[Any]]:
    groups: dict[Hashable, list[ObservedComponent]] = {}
    for component in components:
        groups.setdefault(value(component), []).append(component)
    return groups


def _shared(
    endpoint: ObservedEndpoint,
    kind: AlarmKind,
    construct_id: str,
    components: Sequence[ObservedComponent],
    render: Callable[[Place], str],
    *,
    detail: str,
) -> Iterator[AlarmDefinition]:
    for number, (part, query) in enumerate(queries.of_components(endpoint, components, render), start=1):
        suffix = "" if number == 1 else f"-{number}"
        yield _alarm(endpoint, kind, f"{construct_id}{suffix}", query, detail=f"{_names(part)}: {detail}")


def _cost_alarm(endpoint: ObservedEndpoint, budget: float) -> AlarmDefinition:
    hosting = endpoint.resolved.hosting
    region = hosting.price_region
    priced = {
        instance.name: (price_usd_per_hour(instance, region, table=hosting.prices), instance)
        for instance in hosting.instances
    }
    unknown = [name for name, (price, _) in priced.items() if price is None]
    raise_if_any(
        [
            Problem("budget_usd_per_hour", f"cannot be watched: no price of {name} in {region} is known; leave it out")
            for name in unknown
        ]
    )
    query = usd_per_hour_query(
        Place(endpoint=endpoint.endpoint_name),
        [
            PricedType(instance=name, usd_per_hour=price.usd_per_hour, gpus=instance.gpu_count)
            for name, (price, instance) in priced.items()
            if price is not None
        ],
    )
    return _alarm(
        endpoint,
        catalogue.COST_OVER_BUDGET,
        "CostOverBudget",
        queries.above(query, budget),
        detail=f"budget {budget:g} USD per hour",
    )


def _plan_alarms(endpoint: ObservedEndpoint) -> Iterator[AlarmDefinition]:
    for component in endpoint.components:
        plan = component.plan
        if plan is None or (plan.ttft_ms is None and plan.tpot_ms is None):
            continue
        place = Place(endpoint=endpoint.endpoint_name, component=component.component_name)
        query = queries.off_plan(place, ttft_ms=plan.ttft_ms, tpot_ms=plan.tpot_ms, concurrency=plan.concurrency)
        yield _alarm(endpoint, catalogue.PLAN_BAND, f"PlanBand-{component.name}", query, detail=component.name)


def _names(components: Sequence[ObservedComponent]) -> str:
    shown = [component.name for component in components[:10]]
    return ", ".join(shown) + (f" and {len(components) - len(shown)} more" if len(components) > len(shown) else "")


def _alarm(
    endpoint: ObservedEndpoint,
    kind: AlarmKind,
    construct_id: str,
    query: str,
    *,
    detail: str = "",
    severity: Severity | None = None,
) -> AlarmDefinition:
    return AlarmDefinition(
        construct_id=construct_id,
        kind=kind,
        text=f"{endpoint.endpoint_name}{f' ({detail})' if detail else ''}: {kind.meaning}",
        properties={
            "EvaluationCriteria": {
                "PromQLCriteria": {
                    "Query": query,
                    "PendingPeriod": kind.pending_minutes * _MINUTE,
                    "RecoveryPeriod": kind.recovery_minutes * _MINUTE,
                }
            },
            "EvaluationInterval": _EVALUATION_SECONDS,
        },
        severity=severity or kind.severity,
    )
