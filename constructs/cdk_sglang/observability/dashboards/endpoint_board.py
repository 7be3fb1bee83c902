"""Dashboard of an endpoint, with a line for each of its components. No CDK."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from cdk_sglang.metrics.classic import Classic, classic_metric, math
from cdk_sglang.metrics.cloudwatch import COMPONENTS
from cdk_sglang.metrics.figures import (
    Band,
    burn_rate,
    copies_short,
    decisions_made,
    error_ratio_classic,
    idle_gpu_hours,
    instances_running,
    usd_per_hour,
    usd_per_million_tokens,
)
from cdk_sglang.metrics.promql import Place, gauge, increase, mean, quantile, rate, rate_or_zero
from cdk_sglang.metrics.series import COMPONENT
from cdk_sglang.observability.dashboards.by_component import classic_panel, query_panel
from cdk_sglang.observability.dashboards.context import (
    ENDPOINT_LOGS,
    DashboardContext,
    Watched,
    board_link,
    components_board_name,
    endpoint_place,
    log_link,
)
from cdk_sglang.observability.dashboards.fleet_board import promise
from cdk_sglang.observability.dashboards.opening import opening
from cdk_sglang.observability.dashboards.panel import HEIGHT, AnyPanel, Board, Rows, Text, board, figure_panel
from cdk_sglang.observability.dashboards.values import availability_objective, priced_types
from cdk_sglang.observability.observed import ObservedEndpoint

_EACH: Final = (COMPONENT,)
_MICROSECONDS: Final = 1_000_000
_NO_PROMISE: Final = (
    "**Nothing is promised here.** With `slo: {availability_percent: 99.9}` on a component, its error budget and the rate at which it is spent "
    "are drawn here, and alarms say when the promise is about to be broken."
)


def endpoint_boards(context: DashboardContext) -> Iterator[Board]:
    """Yield the dashboard of every endpoint; it bears SageMaker's name of the endpoint.

    Args:
        context: The fleet.
    """
    if context.detail == "fleet":
        return
    for endpoint in context.endpoints:
        title = f"Endpoint {endpoint.endpoint_name}"
        components = tuple(Watched(endpoint=endpoint, component=component) for component in endpoint.components)
        details = [] if context.is_large else [board_link("Components", components_board_name(endpoint))]
        links = (
            *details,
            log_link("Logs of its instances", f"{ENDPOINT_LOGS}{endpoint.endpoint_name}"),
        )
        rows: Rows = [
            *opening(context, title, *links),
            _promise(context, endpoint),
            _traffic(components),
            *(_engine(context, endpoint) if context.enrichment else _classic_only(components)),
            *([] if context.is_large else [_cost(context, endpoint), _scaling(context, components)]),
        ]
        yield board(endpoint.endpoint_name, title, rows)


def _promise(context: DashboardContext, endpoint: ObservedEndpoint) -> list[AnyPanel | None]:
    """Return what is left of the promise, and how fast it is spent over the windows of the fast and the slow alarm."""
    place, panel = endpoint_place(endpoint), partial(figure_panel, enrichment=context.enrichment)
    objectives = [availability_objective(component) for component in endpoint.components]
    strictest = max((objective for objective in objectives if objective is not None), default=None)
    if strictest is None:
        return [
            panel(promise(endpoint), prefer_classic=True, width=16),
            Text(markdown=_NO_PROMISE, width=8, height=HEIGHT),
        ]
    rates = (burn_rate(place, objective=strictest, window=window) for window in ("1h", "6h"))
    return [panel(promise(endpoint)), *(panel(figure, prefer_classic=True) for figure in rates)]


def _traffic(components: tuple[Watched, ...]) -> list[AnyPanel | None]:
    """Return requests and failures; SageMaker's own count includes what never reached a copy."""
    return [
        classic_panel(
            "Requests per 5 minutes",
            components,
            _only("Invocations"),
            unit="requests",
            advice="None where there should be: look at the callers, then at refused requests.",
        ),
        classic_panel(
            "Share of requests that failed (5m)",
            components,
            lambda place: error_ratio_classic(place, "5m"),
            unit="ratio",
            advice="Above zero: open the component's log at that minute, and see whether a deployment runs.",
        ),
        classic_panel(
            "Requests that found no copy",
            components,
            _only("NoCapacityInvocationFailures"),
            unit="requests",
            advice="Above zero: a component woke from zero copies, or instances are unavailable; see Capacity.",
        ),
    ]


def _only(
    name: str, *, namespace: str = "AWS/SageMaker", statistic: str | None = None, divide: int = 1
) -> partial[Classic | None]:
    """Return what makes metric math of a single metric at a place."""
    return partial(_math, name, namespace, statistic, divide)


def _math(name: str, namespace: str, statistic: str | None, divide: int, place: Place) -> Classic | None:
    metric = classic_metric(name, place, namespace=namespace, statistic=statistic)
    return math("metric" if divide == 1 else f"metric / {divide}", {"metric": metric})


def _engine(context: DashboardContext, endpoint: ObservedEndpoint) -> Rows:
    """Return what SGLang says of each component."""
    place = endpoint_place(endpoint)
    first = _latency_and_tokens(place)
    return first if context.is_large else [*first, _queue_and_cache(place)]


def _latency_and_tokens(place: Place) -> list[list[AnyPanel | None]]:
    return [
        [
            query_panel(
                "Time to the first token, p95",
                query=quantile(0.95, "time_to_first_token", place, labels=_EACH),
                unit="seconds",
                advice="One component above the others: see its plan's band under Components; all of them: see the queue.",
            ),
            query_panel(
                "Time per further token, mean",
                query=mean("time_per_output_token", place, labels=_EACH),
                unit="seconds",
                advice="Rises with batch size: above the objective, add copies or lower max_running_requests.",
            ),
            query_panel(
                "Time in the queue, p95",
                query=quantile(0.95, "queue_time", place, labels=_EACH),
                unit="seconds",
                advice="Longer than the objective leaves: scale out earlier (scaling.target) or allow more copies.",
            ),
        ],
        [
            query_panel(
                "Output tokens per second",
                query=rate("generation_tokens", place, labels=_EACH),
                unit="tokens/s",
                advice="Falls while requests wait: look at KV cache and retractions.",
            ),
            query_panel(
                "Share of the KV cache in use, fullest copy",
                query=gauge("kv_share_used", place, aggregate="max", labels=_EACH),
                unit="ratio",
                advice="Above 0.9 for long: requests are about to be retracted; add copies, or lower context_length.",
                bands=(Band(label="retractions are near", low=0.9),),
            ),
            query_panel(
                "Requests retracted per second",
                query=rate_or_zero("retracted_requests", place, labels=_EACH),
                unit="requests/s",
                advice="Above zero for long: the KV cache is too small for the load; add copies.",
            ),
        ],
    ]


def _queue_and_cache(place: Place) -> list[AnyPanel | None]:
    cached = increase("cached_tokens", place, window="15m", labels=_EACH)
    prompt = increase("prompt_tokens", place, window="15m", labels=_EACH)
    return [
        query_panel(
            "Requests that wait",
            query=gauge("queued_requests", place, labels=_EACH),
            unit="requests",
            advice="Growing: copies are too few or cannot start; see Capacity.",
        ),
        query_panel(
            "Prefix-cache hit rate",
            query=f"({cached}) / ({prompt})",
            unit="ratio",
            advice="Lower than before: prompts stopped sharing a beginning, or sessions reach other copies; see routing.",
        ),
        query_panel(
            "Requests aborted per second",
            query=rate_or_zero("aborted_requests", place, labels=_EACH),
            unit="requests/s",
            advice="Above zero: callers hang up; see their time-outs, then the time to the first token.",
        ),
    ]


def _classic_only(components: tuple[Watched, ...]) -> Rows:
    """Return what AWS's Insights would draw if OTel enrichment were on."""
    return [
        [
            classic_panel(
                "Time in the container, p99",
                components,
                _only("ModelLatency", divide=_MICROSECONDS),
                unit="seconds",
                advice="Rises with load: scale out earlier or allow more copies; without load: see the last deployment.",
            ),
            classic_panel(
                "Requests running or waiting on the busiest copy",
                components,
                _only("ConcurrentRequestsPerCopy"),
                unit="requests",
                advice="Far above the plan's concurrency: copies are too few or cannot start; see Capacity.",
            ),
            classic_panel(
                "Time that SageMaker adds, p99",
                components,
                _only("OverheadLatency", divide=_MICROSECONDS),
                unit="seconds",
                advice="Above a second: requests wait for a copy; see copies and the requests that found none.",
            ),
        ],
        [
            classic_panel(
                "GPU use",
                components,
                _only("GPUUtilizationNormalized", namespace=COMPONENTS),
                unit="percent",
                advice="Low with many copies: lower min_copies. At 100 with slow answers: add copies.",
                width=12,
            ),
            classic_panel(
                "GPU memory in use",
                components,
                _only("GPUMemoryUtilizationNormalized", namespace=COMPONENTS, statistic="Maximum"),
                unit="percent",
                advice="Flat is right, since SGLang reserves its KV cache at start; near 100: lower mem_fraction_static.",
                width=12,
            ),
        ],
    ]


def _cost(context: DashboardContext, endpoint: ObservedEndpoint) -> list[AnyPanel | None]:
    place, panel = endpoint_place(endpoint), partial(figure_panel, enrichment=context.enrichment, width=6)
    prices = priced_types(endpoint)
    priced = [usd_per_hour(place, types=prices), usd_per_million_tokens(place, types=prices)] if prices else []
    most = endpoint.resolved.hosting.capacity.max_instances
    return list(map(panel, [*priced, idle_gpu_hours(place), instances_running(place, most=most)]))


def _scaling(context: DashboardContext, components: tuple[Watched, ...]) -> list[AnyPanel | None]:
    """Return which copies are missing to those that are wanted, and how often what is wanted was changed; nothing if nothing samples them."""
    period = context.sampled_seconds
    if period is None:
        return []
    return [
        classic_panel(
            "Copies wanted that do not run",
            components,
            partial(copies_short, period_seconds=period),
            unit="copies",
            advice="Above zero for long: instances are unavailable or copies fail to start; look at refused launches and the component's log.",
            width=12,
        ),
        classic_panel(
            "Scaling decisions",
            components,
            partial(decisions_made, period_seconds=period),
            unit="decisions",
            advice="Many in a row: see their reasons under Components, then scaling.target and the cooldowns.",
            width=12,
        ),
    ]
