"""Dashboards of an endpoint's components: each beside its plan. No CDK."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from cdk_sglang.metrics.figures import (
    Figure,
    copies_running,
    kv_share_used,
    latency,
    mean_latency,
    output_tokens_per_copy,
    queue_length,
)
from cdk_sglang.observability.dashboards.context import (
    COMPONENT_LOGS,
    DashboardContext,
    Watched,
    board_link,
    components_board_name,
    log_link,
)
from cdk_sglang.observability.dashboards.hint import enrichment_hint
from cdk_sglang.observability.dashboards.pages import pages
from cdk_sglang.observability.dashboards.panel import AnyPanel, Board, Text, board, figure_panel
from cdk_sglang.observability.dashboards.values import low_high, low_high_seconds, objective_seconds

COMPONENTS_PER_BOARD: Final = 25
"""Each has a heading and five panels with some ten metrics."""


def component_boards(context: DashboardContext) -> Iterator[Board]:
    """Yield the dashboards of components, one for each endpoint, or several for an endpoint with many.

    Args:
        context: The fleet.
    """
    for endpoint in context.endpoints:
        components = [Watched(endpoint=endpoint, component=component) for component in endpoint.components]
        last = -(-len(components) // COMPONENTS_PER_BOARD)
        names = [components_board_name(endpoint, page) for page in range(1, last + 1)]
        for page, shown in pages(components, COMPONENTS_PER_BOARD):
            title = f"Components of {endpoint.endpoint_name}" + (f", {page} of {last}" if last > 1 else "")
            others = (board_link(f"Page {number}", name) for number, name in enumerate(names, start=1) if number != page)
            rows: list[list[AnyPanel | None]] = [
                [context.header(title, board_link("Endpoint", endpoint.endpoint_name), *others)]
            ]
            if not context.enrichment:
                rows.append([enrichment_hint()])
            for watched in shown:
                rows += ([_heading(watched)], _row(context, watched))
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


def _row(context: DashboardContext, watched: Watched) -> list[AnyPanel | None]:
    figures = _engine(watched) if context.enrichment else _classic(watched)
    return list(map(partial(figure_panel, enrichment=context.enrichment, width=24 // len(figures), height=5), figures))


def _engine(watched: Watched) -> list[Figure]:
    """Return what SGLang says of a component, beside the plan."""
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
        kv_share_used(place, plan_tokens_per_copy=None if plan is None else plan.memory.kv_tokens or None),
        _copies(watched),
    ]


def _classic(watched: Watched) -> list[Figure]:
    """Return what classic metrics say of a component."""
    plan = watched.component.plan
    return [
        latency(watched.place, key="request_latency", share=0.95),
        queue_length(watched.place, planned_concurrency=None if plan is None else plan.concurrency),
        _copies(watched),
    ]


def _copies(watched: Watched) -> Figure:
    least, most = watched.component.resolved.copy_bounds
    return copies_running(watched.place, min_copies=least, max_copies=most)
