"""Dashboard of a fleet's cost by endpoint, component and team, from the samples and daily reports of showback. No CDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from cdk_sglang.metrics.classic import Classic, ClassicMetric
from cdk_sglang.metrics.cloudwatch import OWN, cloudwatch_metrics, own_namespace
from cdk_sglang.observability.dashboards.by_component import MOST_COMPONENTS
from cdk_sglang.observability.dashboards.context import DashboardContext, Watched
from cdk_sglang.observability.dashboards.opening import opening
from cdk_sglang.observability.dashboards.pages import pages
from cdk_sglang.observability.dashboards.panel import Board, Panel, Text, board

_DAY: Final = 86_400
_START: Final = "-P7D"
"""A day is one value: six hours, with which other dashboards open, would show none."""
_COMPONENTS_PER_BOARD: Final = 2_000
"""A widget takes 500 metrics and a dashboard 2,500: twenty panels of a hundred components, and the lines of endpoints and teams."""
UNALLOCATED: Final = "(unallocated)"
"""Name of the component for unreserved capacity in the reports of showback."""
_HOW: Final = (
    "Days are whole days in UTC, each there from 01:00 of the next. The same figures, with instance types, adapters, "
    "tokens and where each price is from: `cdk-sglang costs`."
)


def cost_boards(context: DashboardContext) -> Iterator[Board]:
    """Yield the dashboards of costs; none if nothing samples them.

    Args:
        context: The fleet.
    """
    if context.sampled_seconds is None:
        return
    watched = list(context.components)
    for page, shown in pages(watched, _COMPONENTS_PER_BOARD):
        title = f"Costs of {context.name}"
        first = [_now(context, context.sampled_seconds), *_teams(context)] if page == 1 else []
        by_component = [
            [
                _components(
                    context,
                    part,
                    begin=(page - 1) * _COMPONENTS_PER_BOARD + (number - 1) * MOST_COMPONENTS + 1,
                    whole=len(watched),
                )
            ]
            for number, part in pages(shown, MOST_COMPONENTS)
        ]
        yield board(
            context.board_name("costs", page),
            title,
            [*opening(context, title), [Text(markdown=_HOW, height=2)], first, *by_component],
            start=_START,
        )


def _now(context: DashboardContext, period: int) -> Panel:
    endpoints = context.endpoints[:MOST_COMPONENTS]
    return Panel(
        title="US dollars per hour now",
        advice="Above the plan: see what scaled; without load: lower min_copies.",
        unit="USD/h",
        maths=tuple(
            _line(context, "UsdPerHour", {"Endpoint": endpoint.name}, period=period, label=endpoint.name)
            for endpoint in endpoints
        ),
        stacked=True,
        width=12,
    )


def _teams(context: DashboardContext) -> Iterator[Panel]:
    """Yield the daily cost of teams; nothing if no component or adapter names its team."""
    teams = sorted(
        {
            team
            for watched in context.components
            for team in (
                watched.component.specification.team,
                *(adapter.team for adapter in watched.component.specification.adapters.values()),
            )
            if team
        }
    )
    if teams:
        yield Panel(
            title="US dollars per day, by team",
            advice="More than agreed: see which component or adapter of the team grew (cdk-sglang costs).",
            unit="USD",
            maths=tuple(_line(context, "CostUsd", {"Team": team}, label=team) for team in teams[:MOST_COMPONENTS]),
            stacked=True,
            width=12,
        )


def _components(context: DashboardContext, shown: Sequence[Watched], *, begin: int, whole: int) -> Panel:
    part = f", {begin} to {begin + len(shown) - 1} of {whole}" if len(shown) < whole else ""
    lines = [
        _line(
            context,
            "CostUsd",
            {"Endpoint": watched.endpoint.name, "Component": watched.component.name},
            label=watched.title,
        )
        for watched in shown
    ]
    lines += (
        _line(
            context,
            "CostUsd",
            {"Endpoint": endpoint, "Component": UNALLOCATED},
            label=f"{endpoint}: GPUs that no copy reserved",
        )
        for endpoint in dict.fromkeys(watched.endpoint.name for watched in shown)
    )
    return Panel(
        title=f"US dollars per day, by component{part}",
        advice="GPUs that no copy reserved are paid for as well: lower max_instances, or use a smaller type.",
        unit="USD",
        maths=tuple(lines),
        stacked=True,
        width=24,
        height=8,
    )


def _line(
    context: DashboardContext, name: str, dimensions: Mapping[str, str], *, period: int = _DAY, label: str
) -> Classic:
    known = cloudwatch_metrics()[OWN, name]
    metric = ClassicMetric(
        metric=replace(known, namespace=own_namespace(context.name)),
        dimensions=dimensions,
        statistic=known.statistic,
        period_seconds=period,
    )
    return Classic(expression="metric", metrics={"metric": metric}, period_seconds=period, label=label)
