"""Dashboards of what only some components have: speculative decoding and adapters. No CDK."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from cdk_sglang.metrics.classic import classic_metric, math
from cdk_sglang.metrics.figures import (
    accept_length,
    accept_rate,
    adapter_places_used,
    adapters_loaded,
    output_tokens_per_copy,
)
from cdk_sglang.metrics.promql import Place
from cdk_sglang.observability.dashboards.context import DashboardContext, Watched
from cdk_sglang.observability.dashboards.opening import opening
from cdk_sglang.observability.dashboards.pages import pages
from cdk_sglang.observability.dashboards.panel import AnyPanel, Board, Panel, board, figure_panel
from cdk_sglang.observability.dashboards.values import accept_length_objective, adapter_places, low_high

COMPONENTS_PER_BOARD: Final = 50


def speculative_boards(context: DashboardContext) -> Iterator[Board]:
    """Yield the dashboards of components with speculative decoding, such as EAGLE; none without OTel enrichment, by which alone they have metrics.

    Args:
        context: The fleet.
    """
    if not context.enrichment:
        return
    found = [watched for watched in context.components if _may_speculate(watched)]
    for page, components in pages(found, COMPONENTS_PER_BOARD):
        title = f"Speculative decoding of {context.name}"
        rows = [*opening(context, title), *map(_speculative_row, components)]
        yield board(context.board_name("speculative", page), title, rows)


def _may_speculate(watched: Watched) -> bool:
    """Whether a component drafts by its options, or does once its pipeline has promoted a draft; until then its figures are empty."""
    component = watched.component
    return component.resolved.server.speculative is not None or component.specification.speculative is not None


def _speculative_row(watched: Watched) -> list[AnyPanel | None]:
    place, plan = watched.place, watched.component.plan
    figures = (
        accept_length(place, promoted=accept_length_objective(watched.component)),
        accept_rate(place),
        output_tokens_per_copy(place, plan_per_copy=None if plan is None else low_high(plan.output_tok_s)),
    )
    return [_titled(watched, figure_panel(figure, enrichment=True)) for figure in figures]


def adapter_boards(context: DashboardContext) -> Iterator[Board]:
    """Yield the dashboards of components that take adapters.

    Args:
        context: The fleet.
    """
    found = [watched for watched in context.components if adapter_places(watched.component) is not None]
    if not context.enrichment:
        found = [watched for watched in found if watched.component.specification.adapters]
    for page, components in pages(found, COMPONENTS_PER_BOARD):
        title = f"Adapters of {context.name}"
        rows = [*opening(context, title), *map(partial(_adapter_row, context), components)]
        yield board(context.board_name("adapters", page), title, rows)


def _adapter_row(context: DashboardContext, watched: Watched) -> list[AnyPanel | None]:
    panel = partial(figure_panel, enrichment=context.enrichment)
    figures = (
        adapters_loaded(watched.place, places_per_copy=adapter_places(watched.component)),
        adapter_places_used(watched.place),
    )
    return [*(_titled(watched, panel(figure)) for figure in figures), _titled(watched, _adapter_requests(watched))]


def _adapter_requests(watched: Watched) -> Panel | None:
    """Return the requests of each adapter, which SageMaker counts as a component of its own; None without adapters."""
    found = (
        (name, classic_metric("Invocations", Place(component=f"{watched.component.component_name}-{name}")))
        for name in watched.component.specification.adapters
    )
    maths = ((name, math("requests", {"requests": metric})) for name, metric in found)
    shown = tuple(replace(one, label=name) for name, one in maths if one is not None)
    if not shown:
        return None
    return Panel(
        title="Requests of each adapter per 5 minutes",
        advice="None for days: take the adapter out, its place slows the others.",
        unit="requests",
        maths=shown,
    )


def _titled(watched: Watched, panel: Panel | None) -> Panel | None:
    return panel and replace(panel, title=f"{watched.title}: {panel.title}")
