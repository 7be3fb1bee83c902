"""Dashboard of capacity: copies and instances wanted and running, refused launches, reservation, start-up by phase. No CDK."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from cdk_sglang.metrics.classic import ClassicMetric, math
from cdk_sglang.metrics.cloudwatch import cloudwatch_metrics
from cdk_sglang.metrics.figures import (
    Band,
    copies_moved,
    copies_running,
    instances_released,
    instances_running,
    launches_refused,
    rebalancings_blocked,
    scaling_events,
    startup_phases,
)
from cdk_sglang.metrics.promql import distinct
from cdk_sglang.metrics.series import COMPONENT, CONTAINER, INSTANCE
from cdk_sglang.observability.dashboards.by_component import classic_panel, query_panel
from cdk_sglang.observability.dashboards.context import DashboardContext, Watched, endpoint_place
from cdk_sglang.observability.dashboards.opening import opening
from cdk_sglang.observability.dashboards.pages import pages
from cdk_sglang.observability.dashboards.panel import AnyPanel, Board, Line, Panel, Rows, board, figure_panel
from cdk_sglang.observability.observed import ObservedEndpoint

ENDPOINTS_PER_BOARD: Final = 40
"""Each has up to eight panels."""
_COPIES: Final = "Copies running"
_COPIES_ADVICE: Final = (
    "Below the band: instances are unavailable or copies fail to start; see refused launches and the component's log. "
    "Why copies change is in Application Auto Scaling's activities."
)
RESERVATIONS: Final = "cdk-sglang/Reservations"
"""CloudWatch namespace of the guard of a reservation (serving/capacity/reservation_alarms.py)."""


def capacity_boards(context: DashboardContext) -> Iterator[Board]:
    """Yield the dashboards of capacity, more than one if the fleet has many endpoints.

    Args:
        context: The fleet.
    """
    for page, endpoints in pages(context.endpoints, ENDPOINTS_PER_BOARD):
        title = f"Capacity of {context.name}"
        rows = opening(context, title)
        for endpoint in endpoints:
            rows += (_titled(endpoint, row) for row in _rows(context, endpoint))
        yield board(context.board_name("capacity", page), title, rows)


def _titled(endpoint: ObservedEndpoint, row: Iterable[AnyPanel | None]) -> list[AnyPanel | None]:
    return [
        replace(panel, title=f"{endpoint.name}: {panel.title}") if isinstance(panel, Panel) else panel for panel in row
    ]


def _rows(context: DashboardContext, endpoint: ObservedEndpoint) -> Rows:
    place, panel = endpoint_place(endpoint), partial(figure_panel, enrichment=context.enrichment)
    most = endpoint.resolved.hosting.capacity.max_instances
    instances = panel(instances_running(place, most=most))
    if not context.enrichment:
        components = [Watched(endpoint=endpoint, component=component) for component in endpoint.components]
        return [[_classic_copies(components), instances, _refused(components)], [_reservation(endpoint)]]
    top_row: list[AnyPanel | None] = [_copies(endpoint), instances, panel(launches_refused(place))]
    if context.is_large:
        return [top_row, [_reservation(endpoint)]]
    phases = {figure.key: figure for figure in startup_phases(place)}
    engine = [phases.pop(f"startup_{key}") for key in ("engine", "graphs")]
    whole = phases.pop("startup_scaling_duration")
    return [
        top_row,
        [
            panel(*phases.values(), title="Start-up of a copy by phase (mean)"),
            panel(*engine, title="Start-up of the engine by phase"),
            panel(whole),
        ],
        [
            panel(scaling_events(place)),
            panel(
                rebalancings_blocked(place),
                copies_moved(place),
                instances_released(place),
                title="Copies moved, instances given back, rebalancings blocked (1h)",
            ),
            _reservation(endpoint),
        ],
    ]


def _copies(endpoint: ObservedEndpoint) -> Panel:
    """Return the copies that publish metrics, in all and of each component, with what is wanted in all."""
    place, each = endpoint_place(endpoint), (CONTAINER, INSTANCE)
    bounds = [component.resolved.copy_bounds for component in endpoint.components]
    by_component = query_panel(
        _COPIES,
        query=distinct("running_requests", each, place, labels=(COMPONENT,)),
        unit="copies",
        advice=_COPIES_ADVICE,
        bands=(
            Band(label="wanted in all", low=sum(least for least, _ in bounds), high=sum(most for _, most in bounds)),
        ),
    )
    in_all = Line(query=distinct("running_requests", each, place), label="all components")
    return replace(by_component, lines=(in_all, *by_component.lines))


def _classic_copies(components: Sequence[Watched]) -> Panel | None:
    """Return copies as requests divided by requests per copy, which needs traffic."""
    return classic_panel(
        f"{_COPIES}, while there is traffic",
        components,
        lambda place: copies_running(place, min_copies=0, max_copies=0).classic,
        unit="copies",
        advice=_COPIES_ADVICE,
    )


def _refused(components: Sequence[Watched]) -> Panel | None:
    return classic_panel(
        "Requests that found no copy",
        components,
        lambda place: launches_refused(place).classic,
        unit="requests",
        advice="Above zero: a component woke from zero copies, or instances are unavailable; add types to the pool, or reserve (docs/capacity.md).",
    )


def _reservation(endpoint: ObservedEndpoint) -> Panel | None:
    """Return the days that are left of the reservation, as its guard reads them from AWS; None without a reservation."""
    if endpoint.resolved.hosting.capacity.reservation is None:
        return None
    days = ClassicMetric(
        metric=cloudwatch_metrics()[RESERVATIONS, "DaysLeft"],
        dimensions={"EndpointName": endpoint.endpoint_name},
        statistic="Minimum",
        period_seconds=3600,
    )
    return Panel(
        title="Days left of the reservation",
        advice="Below 14: buy the next training plan, or let the endpoint move to on-demand instances (docs/capacity.md).",
        unit="days",
        maths=tuple(
            one for one in [math("days", {"days": days}, period_seconds=3600, label="days left")] if one is not None
        ),
        bands=(Band(label="the guard's first alarm", low=14),),
    )
