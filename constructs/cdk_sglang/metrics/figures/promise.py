"""Figures of the promise to answer: availability, error budget, burn rate.

Which classic metrics count as failures of the service:

- Invocation5XXErrors: the container or SageMaker failed.
- MidStreamErrors: a stream broke after its first part, which was a 200 and so is no 5xx.
- NoCapacityInvocationFailures: no copy to run on. Only where at least one copy is promised (`min_copies` above 0); of a component that
  scales to zero they are the requests that wake it, which callers are told to repeat.

InvocationModelErrors is none of them: it counts the container's 4xx answers as well. Whether Invocations counts the requests without
capacity is undocumented, so the denominator is at least the number of failures.
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html (read 2026-11)
"""

from __future__ import annotations

from typing import Final

from cdk_sglang.metrics.classic import Classic, ClassicMetric, classic_metric, math
from cdk_sglang.metrics.figures.figure import Figure, line
from cdk_sglang.metrics.promql import Place, events
from cdk_sglang.metrics.ranges import seconds

_ENGINE_SEES: Final = "PromQL reads the engine's own answers: it misses requests that never reached an engine, and streams that broke after their first part."
_ANSWERS: Final = {"endpoint": "/invocations|/v1/.+"}
"""Paths of callers' requests; the engine counts its probes and scrapes as well."""


def _failures(place: Place, period_seconds: int, *, no_capacity: bool) -> tuple[str, dict[str, ClassicMetric | None]]:
    """Return the sum of failed requests as metric math, and the metrics it reads."""
    names = {"failed": "Invocation5XXErrors", "broken": "MidStreamErrors"}
    if no_capacity and place.component is not None:
        names["refused"] = "NoCapacityInvocationFailures"
    metrics = {key: classic_metric(name, place, period_seconds=period_seconds) for key, name in names.items()}
    return " + ".join(f"FILL({key}, 0)" for key in metrics), metrics


def error_ratio_classic(place: Place, window: str, *, no_capacity: bool = False) -> Classic | None:
    """Return metric math for the share of failed requests in each window; None for a whole fleet.

    Args:
        place: Endpoint or component.
        window: Window, such as 5m or 6h; at most 1d, CloudWatch's longest period.
        no_capacity: Whether requests that found no copy count as failures; of a component with min_copies above 0 they do.
    """
    period = seconds(window)
    failures, metrics = _failures(place, period, no_capacity=no_capacity)
    total = classic_metric("Invocations", place, period_seconds=period)
    bad = f"({failures})"
    expression = f"{bad} / IF(FILL(total, 0) > {bad}, total, {bad})"
    return math(expression, {"total": total, **metrics}, period_seconds=period)


def error_ratio_query(place: Place, window: str) -> str:
    """Return PromQL for the share of requests that an engine answered with a 5xx status in a window; 0 if none was."""
    answers = place.where(patterns=_ANSWERS)
    every = f"({events('http_responses', answers, window=window)})"
    failed = f"({events('http_responses', answers.where(patterns={'status_code': '5..'}), window=window)})"
    return f"({failed} or ({every} * 0)) / ({every} > 0)"


def error_ratio(
    place: Place, *, window: str = "5m", no_capacity: bool = False, objective: float | None = None
) -> Figure:
    """Return the share of requests that failed in a window.

    Args:
        place: Endpoint or component.
        window: Window, such as 5m; at most 1d.
        no_capacity: Whether requests that found no copy count as failures; of a component with min_copies above 0 they do.
        objective: Share of requests that should succeed, such as 0.999; no line by default.
    """
    return Figure(
        key="error_ratio",
        title=f"Share of requests that failed ({window})",
        unit="ratio",
        advice="Above the line: open the component's log at that minute, and see whether a deployment runs.",
        query=error_ratio_query(place, window),
        classic=error_ratio_classic(place, window, no_capacity=no_capacity),
        bands=line("objective", None if objective is None else 1 - objective),
        note=_ENGINE_SEES,
    )


def availability(
    place: Place, *, window: str = "5m", no_capacity: bool = False, objective: float | None = None
) -> Figure:
    """Return the share of requests that succeeded in a window.

    Args:
        place: Endpoint or component.
        window: Window, such as 5m; at most 1d.
        no_capacity: Whether requests that found no copy count as failures; of a component with min_copies above 0 they do.
        objective: Share of requests that should succeed, such as 0.999; no line by default.
    """
    failed = error_ratio_classic(place, window, no_capacity=no_capacity)
    return Figure(
        key="availability",
        title=f"Availability ({window})",
        unit="ratio",
        advice="Below the line: open the component's log at that minute, and see whether a deployment runs.",
        query=f"1 - ({error_ratio_query(place, window)})",
        classic=failed and math(f"1 - ({failed.expression})", failed.metrics, period_seconds=failed.period_seconds),
        bands=line("objective", objective),
        note=_ENGINE_SEES,
    )


def burn_rate(place: Place, *, objective: float, window: str, no_capacity: bool = False) -> Figure:
    """Return how many times faster than allowed the error budget of availability is spent in a window.

    14.4 over an hour spends 2 % of a month's budget (https://sre.google/workbook/alerting-on-slos/, read 2026-11).

    Args:
        place: Endpoint or component.
        objective: Share of requests that should succeed, such as 0.999.
        window: Window, such as 1h; at most 1d.
        no_capacity: Whether requests that found no copy count as failures; of a component with min_copies above 0 they do.
    """
    budget = 1 - objective
    failed = error_ratio_classic(place, window, no_capacity=no_capacity)
    return Figure(
        key=f"burn_rate_{window}",
        title=f"Burn rate of the error budget ({window})",
        unit="times",
        advice="Above 1 the budget does not last its period; above 14.4 over an hour, 2 % of a month's is gone: act now.",
        query=f"({error_ratio_query(place, window)}) / {budget:.10g}",
        classic=failed
        and math(f"({failed.expression}) / {budget:.10g}", failed.metrics, period_seconds=failed.period_seconds),
        bands=line("as fast as allowed", 1),
        note=_ENGINE_SEES,
    )


def error_budget_left(place: Place, *, objective: float, window: str = "30d", no_capacity: bool = False) -> Figure:
    """Return the share of the error budget of availability that is left.

    Args:
        place: Endpoint or component.
        objective: Share of requests that should succeed, such as 0.999.
        window: Period of the objective, such as 30d; the classic form's period is the time range of the dashboard.
        no_capacity: Whether requests that found no copy count as failures; of a component with min_copies above 0 they do.
    """
    budget = 1 - objective
    failures, metrics = _failures(place, 300, no_capacity=no_capacity)
    total = classic_metric("Invocations", place)
    bad = f"RUNNING_SUM({failures})"
    requests = "RUNNING_SUM(FILL(total, 0))"
    return Figure(
        key="error_budget_left",
        title=f"Error budget left ({window})",
        unit="ratio",
        advice="Near 0: ship nothing risky until it has recovered; below 0 the promise of the period is broken.",
        query=f"1 - ({error_ratio_query(place, window)}) / {budget:.10g}",
        classic=math(
            f"1 - ({bad} / IF({requests} > {bad}, {requests}, {bad})) / {budget:.10g}",
            {"total": total, **metrics},
            label="Error budget left of the time range shown",
        ),
        bands=line("spent", 0),
        note=_ENGINE_SEES,
    )
