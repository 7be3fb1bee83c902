"""PromQL of alarms: every series that a query returns is a component, GPU or endpoint that something is wrong with. No CDK.

PromQL reads back 24 hours at most (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-PromQL.html, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from cdk_sglang.metrics.figures.copies import copies_query
from cdk_sglang.metrics.promql import Place, distinct, events, gauge, mean, observations, rate, share_above
from cdk_sglang.metrics.series import COMPONENT, CONTAINER, ENDPOINT, GPU, INSTANCE
from cdk_sglang.observability.alarms.burns import Burn, span
from cdk_sglang.observability.observed import ObservedComponent, ObservedEndpoint
from cdk_sglang.spec.alarm_rules import AlarmRules

if TYPE_CHECKING:
    from cdk_sglang.planning.predict import Band

QUERY_LENGTH: Final = 10_000
"""Characters of a query: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_AlarmPromQLCriteria.html (read 2026-11)."""
LOOK_BACK_MINUTES: Final = 24 * 60

_BY_COMPONENT: Final = (COMPONENT,)
_BY_COPY: Final = (COMPONENT, CONTAINER, INSTANCE)
_OFF_PLAN_WINDOW: Final = "15m"
"""Of a mean that has to be above the plan without a break: shorter than the alarm's pending period, so that a burst of minutes is over by then."""
_BUSY_PERCENT: Final = 50


def above(query: str, value: float) -> str:
    """Return the series of a query that are above a value."""
    return f"({query}) > {value:.10g}"


def below(query: str, value: float) -> str:
    """Return the series of a query that are below a value."""
    return f"({query}) < {value:.10g}"


def of_components(
    endpoint: ObservedEndpoint, components: Sequence[ObservedComponent], render: Callable[[Place], str]
) -> list[tuple[Sequence[ObservedComponent], str]]:
    """Return the queries of components that share one, as few as CloudWatch's limit allows, each with its components.

    Args:
        endpoint: Their endpoint.
        components: The components.
        render: The query over some series.
    """
    place = Place(endpoint=endpoint.endpoint_name)
    if len(components) < len(endpoint.components):
        place = place.where(patterns={COMPONENT: "|".join(component.component_name for component in components)})
    query = render(place)
    if len(query) <= QUERY_LENGTH or len(components) == 1:
        return [(components, query)]
    half = len(components) // 2
    return [
        *of_components(endpoint, components[:half], render),
        *of_components(endpoint, components[half:], render),
    ]


def burning(place: Place, key: str, bound: float, burn: Burn, *, min_failures: int) -> str:
    """Return the components whose slow requests burn their budget in both windows of a rate.

    Args:
        place: Series that are read.
        key: Key of the histogram.
        bound: Bound of one of its buckets, above which a request is slow.
        burn: Rate at which the budget may not be spent.
        min_failures: Slow requests in the long window below which nothing burns.
    """

    def share(minutes: int) -> str:
        return share_above(bound, key, place, window=span(minutes), labels=_BY_COMPONENT)

    long, short = share(burn.rule.long_minutes), share(burn.rule.short_minutes)
    requests = observations(key, place, window=span(burn.rule.long_minutes), labels=_BY_COMPONENT)
    enough = f"(({long}) * ({requests})) >= {min_failures - 0.5:g}"  # increases are extrapolated, and rarely whole
    return f"{above(long, burn.threshold)} and {above(short, burn.threshold)} and {enough}"


def stuck(place: Place) -> str:
    """Return the copies with requests that wait while no token is made.

    SGLang counts a request's output when it ends, and what it computes as it goes: where long answers are made, only the second grows.
    """
    waiting = gauge("queued_requests", place, labels=_BY_COPY, over="min_over_time[5m]")
    ended, computed = (
        above(rate(key, place, window="5m", labels=_BY_COPY), 0) for key in ("generation_tokens", "computed_tokens")
    )
    return f"{above(waiting, 0)} unless {ended} unless {computed}"


def queued(place: Place, rules: AlarmRules) -> str:
    """Return the components with many requests that wait all the time."""
    waiting = gauge("queued_requests", place, labels=_BY_COMPONENT, over="min_over_time[10m]")
    return f"({waiting}) >= {rules.queued_requests}"


def full(place: Place, rules: AlarmRules) -> str:
    """Return the components with a full KV cache and requests that wait."""
    used = gauge("kv_share_used", place, aggregate="max", labels=_BY_COMPONENT, over="min_over_time[15m]")
    waiting = gauge("queued_requests", place, labels=_BY_COMPONENT, over="min_over_time[15m]")
    return f"{above(used, rules.kv_percent / 100)} and {above(waiting, 0)}"


def retracting(place: Place, rules: AlarmRules) -> str:
    """Return the components whose requests lose their place in the KV cache."""
    lost = events("retracted_requests", place, window="15m", labels=_BY_COMPONENT, resets=True)
    return above(lost, 15 * rules.retractions_per_minute)


def restarted(place: Place) -> str:
    """Return the components with an engine that reports another start-up than an hour ago, in the same container."""
    return above(gauge("startup_time", place, aggregate="max", labels=_BY_COMPONENT, over="changes[1h]"), 0)


def few_copies(place: Place, copies: int) -> str:
    """Return the components with some copies, but fewer than wanted; one without any publishes nothing."""
    return below(distinct("running_requests", (CONTAINER, INSTANCE), place, labels=_BY_COMPONENT), copies)


def refused_launches(place: Place) -> str:
    """Return the endpoint if AWS had no instance for it."""
    return above(events("ice_count", place, window="15m", labels=(ENDPOINT,), resets=True), 0)


def hot(place: Place, rules: AlarmRules) -> str:
    """Return the GPUs that are hot all the time."""
    labels = (INSTANCE, GPU)
    return above(
        gauge("gpu_temperature", place, aggregate="max", labels=labels, over="min_over_time[10m]"), rules.gpu_celsius
    )


def uneven(place: Place, rules: AlarmRules) -> str:
    """Return the copies with one GPU that is far less busy than another; without the label of a copy, the instances."""
    labels = (COMPONENT, INSTANCE, CONTAINER)

    def use(aggregate: str) -> str:
        return gauge("gpu_utilization", place, aggregate=aggregate, labels=labels, over="avg_over_time[15m]")

    return f"(({use('max')}) - ({use('min')})) > {rules.sibling_points:g} and {above(use('max'), _BUSY_PERCENT)}"


def accepting_less(place: Place, promised: float) -> str:
    """Return the components whose best step of 30 minutes accepted fewer tokens than promised; 0 means that none was measured."""
    best = gauge("accept_length", place, aggregate="max", labels=_BY_COMPONENT, over="max_over_time[30m]")
    return f"{below(best, promised)} and {above(best, 0)}"


def off_plan(place: Place, *, ttft_ms: Band | None, tpot_ms: Band | None, concurrency: float) -> str:
    """Return the component if its mean latency is above the plan's band at no more than the planned load; the alarm waits for an hour of it.

    Args:
        place: The component.
        ttft_ms: The plan's time to the first token.
        tpot_ms: The plan's time per further token.
        concurrency: Requests in flight per copy that the plan is for.
    """
    over = f"avg_over_time[{_OFF_PLAN_WINDOW}]"
    running, waiting = (gauge(key, place, over=over) for key in ("running_requests", "queued_requests"))
    in_plan = f"((({running}) + ({waiting})) / ({copies_query(place)})) <= {concurrency:.10g}"
    late = [
        f"({above(mean(key, place, window=_OFF_PLAN_WINDOW), band.high / 1000)} and {in_plan})"
        for key, band in {"time_to_first_token": ttft_ms, "time_per_output_token": tpot_ms}.items()
        if band is not None
    ]
    return " or ".join(late)
