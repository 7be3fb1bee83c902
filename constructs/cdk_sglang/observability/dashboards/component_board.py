"""Dashboards of an endpoint's components: each beside its plan. No CDK."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.metrics.figures import (
    Figure,
    component_usd_per_hour,
    copies_counted,
    copies_running,
    error_budget_left,
    goodput,
    kv_share_used,
    latency,
    mean_latency,
    output_tokens_per_copy,
    queue_length,
    scaling_decisions,
    usd_per_million_tokens,
)
from cdk_sglang.observability.dashboards.context import (
    COMPONENT_LOGS,
    DashboardContext,
    Watched,
    board_link,
    components_board_name,
    log_link,
)
from cdk_sglang.observability.dashboards.layout import even_rows
from cdk_sglang.observability.dashboards.limits import COLUMNS
from cdk_sglang.observability.dashboards.opening import opening
from cdk_sglang.observability.dashboards.pages import pages
from cdk_sglang.observability.dashboards.panel import AnyPanel, Board, Text, board, figure_panel
from cdk_sglang.observability.dashboards.values import (
    availability_objective,
    low_high,
    low_high_seconds,
    objective_seconds,
    planned_usd_per_million,
    priced_types,
    promised_window,
)

COMPONENTS_PER_BOARD: Final = 25
"""Each has a heading and up to eleven panels."""
_PANELS_PER_ROW: Final = 4
"""More of them are too narrow for their titles and advice."""


def component_boards(context: DashboardContext) -> Iterator[Board]:
    """Yield the dashboards of components, one for each endpoint, or several for an endpoint with many; none of a fleet that is too large.

    Args:
        context: The fleet.
    """
    if context.is_large:
        return
    for endpoint in context.endpoints:
        components = [Watched(endpoint=endpoint, component=component) for component in endpoint.components]
        last = -(-len(components) // COMPONENTS_PER_BOARD)
        names = [components_board_name(endpoint, page) for page in range(1, last + 1)]
        for page, shown in pages(components, COMPONENTS_PER_BOARD):
            title = f"Components of {endpoint.endpoint_name}" + (f", {page} of {last}" if last > 1 else "")
            others = (
                board_link(f"Page {number}", name) for number, name in enumerate(names, start=1) if number != page
            )
            rows = opening(context, title, board_link("Endpoint", endpoint.endpoint_name), *others)
            for watched in shown:
                rows += ([_heading(watched)], *_rows(context, watched))
            yield board(names[page - 1], title, rows)


def _heading(watched: Watched) -> Text:
    component = watched.component
    name, plan = component.component_name, component.plan
    logs = log_link("Logs", f"{COMPONENT_LOGS}{name}")
    planned = (
        "not planned: nothing is known of its model"
        if plan is None
        else f"{plan.model} on {plan.gpus} GPU{'s' if plan.gpus > 1 else ''} of {plan.instance}, planned for {plan.concurrency:g} requests in flight"
    )
    return Text(markdown=f"## {component.name}\n{name} · {planned} · {logs}", height=2)


def _rows(context: DashboardContext, watched: Watched) -> Iterator[list[AnyPanel | None]]:
    """Yield what a component does beside the plan, and in full what it promises and costs."""
    beside_plan = _beside_plan(watched) if context.enrichment else _classic(watched)
    figures = beside_plan
    if context.detail == "full":
        further = [_kv_cache(watched), _copies(watched)] if context.enrichment else [_copies(watched)]
        promises = [figure for figure in (_goodput(watched), _budget(watched), *_costs(watched)) if figure is not None]
        figures = [*beside_plan, *further, *promises]
    for row in even_rows(figures, most=_PANELS_PER_ROW):
        panel = partial(figure_panel, enrichment=context.enrichment, width=COLUMNS // len(row), height=5)
        yield list(map(panel, row))
    if context.detail == "full" and context.sampled_seconds is not None:
        counted = partial(figure_panel, enrichment=context.enrichment, width=12, height=5)
        period = context.sampled_seconds
        yield [
            counted(*copies_counted(watched.place, period_seconds=period), title="Copies wanted and running"),
            counted(*scaling_decisions(watched.place, period_seconds=period), title="What scaled it, by reason"),
        ]


def _goodput(watched: Watched) -> Figure | None:
    """Return the share of answers within the latency objectives; None without objectives, or if SGLang's histograms begin above them."""
    slo = watched.component.specification.slo
    if slo is None or (slo.ttft_ms is None and slo.tpot_ms is None):
        return None
    ttft, tpot = objective_seconds(slo.ttft_ms), objective_seconds(slo.tpot_ms)
    try:
        return goodput(watched.place, ttft_seconds=ttft, tpot_seconds=tpot)
    except ConfigurationError:
        return None


def _budget(watched: Watched) -> Figure | None:
    """Return the error budget that is left; None without a promise."""
    objective, (least, _) = availability_objective(watched.component), watched.component.resolved.copy_bounds
    if objective is None:
        return None
    return error_budget_left(
        watched.place, objective=objective, window=promised_window(watched.component), no_capacity=least > 0
    )


def _costs(watched: Watched) -> Iterator[Figure]:
    """Yield what the component costs; nothing if an instance type has no price."""
    types = priced_types(watched.endpoint, watched.component)
    if types:
        yield component_usd_per_hour(watched.place, types=types)
        yield usd_per_million_tokens(watched.place, types=types, plan=planned_usd_per_million(watched.component))


def _beside_plan(watched: Watched) -> list[Figure]:
    """Return what the plan predicts of a component, as SGLang measures it."""
    place, plan, slo = watched.place, watched.component.plan, watched.component.specification.slo
    return [
        mean_latency(
            place,
            key="time_to_first_token",
            title="Time to the first token",
            plan_seconds=None if plan is None else low_high_seconds(plan.ttft_ms),
            objective_seconds=None if slo is None else objective_seconds(slo.ttft_ms),
        ),
        mean_latency(
            place,
            key="time_per_output_token",
            title="Time per further token",
            plan_seconds=None if plan is None else low_high_seconds(plan.tpot_ms),
            objective_seconds=None if slo is None else objective_seconds(slo.tpot_ms),
        ),
        output_tokens_per_copy(place, plan_per_copy=None if plan is None else low_high(plan.output_tok_s)),
    ]


def _kv_cache(watched: Watched) -> Figure:
    plan = watched.component.plan
    return kv_share_used(watched.place, plan_tokens_per_copy=None if plan is None else plan.memory.kv_tokens or None)


def _classic(watched: Watched) -> list[Figure]:
    """Return what classic metrics say of a component."""
    plan = watched.component.plan
    return [
        latency(watched.place, key="request_latency", share=0.95),
        queue_length(watched.place, planned_concurrency=None if plan is None else plan.concurrency),
    ]


def _copies(watched: Watched) -> Figure:
    least, most = watched.component.resolved.copy_bounds
    return copies_running(watched.place, min_copies=least, max_copies=most)
