"""Dashboard of a fleet: a row for each endpoint, with its promise, traffic, latency, cost and waste. No CDK."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from cdk_sglang.metrics.classic import classic_metric, math
from cdk_sglang.metrics.figures import (
    Figure,
    availability,
    error_budget_left,
    idle_gpu_hours,
    latency,
    output_tokens_per_second,
    usd_per_hour,
)
from cdk_sglang.observability.dashboards.context import DashboardContext, board_link, endpoint_place
from cdk_sglang.observability.dashboards.opening import opening
from cdk_sglang.observability.dashboards.pages import pages
from cdk_sglang.observability.dashboards.panel import AnyPanel, Board, Panel, board, figure_panel
from cdk_sglang.observability.dashboards.values import availability_objective, priced_types, promised_window
from cdk_sglang.observability.observed import ObservedEndpoint

ENDPOINTS_PER_BOARD: Final = 40
"""Each has a heading and five panels, some with ten metrics: 40 stay below 500 widgets and 2,500 metrics."""


def fleet_boards(context: DashboardContext) -> Iterator[Board]:
    """Yield the dashboards of a fleet, more than one if it has many endpoints.

    Args:
        context: The fleet.
    """
    for page, endpoints in pages(context.endpoints, ENDPOINTS_PER_BOARD):
        title = f"Fleet {context.name}"
        links = [board_link("Capacity", context.board_name("capacity")), board_link("GPUs", context.board_name("gpus"))]
        if context.sampled_seconds is not None:
            links.append(board_link("Costs", context.board_name("costs")))
        if context.agent:
            links.append(board_link("Agent", context.board_name("agent")))
        if context.detail != "fleet":
            links += (board_link(endpoint.name, endpoint.endpoint_name) for endpoint in endpoints)
        rows = opening(context, title, *links)
        rows += (_row(context, endpoint) for endpoint in endpoints)
        yield board(context.board_name("fleet", page), title, rows)


def _row(context: DashboardContext, endpoint: ObservedEndpoint) -> list[AnyPanel | None]:
    """Return the panels of an endpoint, which bear its name in their titles."""
    place, enrichment = endpoint_place(endpoint), context.enrichment
    prices = priced_types(endpoint)
    figures: tuple[Figure | None, ...] = (
        promise(endpoint),
        output_tokens_per_second(place) if enrichment else None,
        latency(place, key="time_to_first_token") if enrichment else latency(place, key="request_latency"),
        usd_per_hour(place, types=prices) if prices else None,
        idle_gpu_hours(place),
    )
    panels = [
        None
        if figure is None
        else figure_panel(figure, enrichment=enrichment, prefer_classic=figure.key == "availability")
        for figure in figures
    ]
    if panels[1] is None:
        panels[1] = requests_panel(endpoint)
    present = [panel for panel in panels if panel is not None]
    return [
        replace(panel, title=f"{endpoint.name}: {panel.title}", width=width, height=5)
        for panel, width in zip(present, _widths(len(present)), strict=True)
    ]


def _widths(count: int) -> tuple[int, ...]:
    return {5: (5, 5, 5, 5, 4), 4: (6, 6, 6, 6)}.get(count, (8,) * count)


def promise(endpoint: ObservedEndpoint) -> Figure:
    """Return the error budget that is left, by the strictest promise of the endpoint's components; without any, its availability.

    Args:
        endpoint: The endpoint.
    """
    promised = [(availability_objective(component), component) for component in endpoint.components]
    objectives = [(objective, promised_window(component)) for objective, component in promised if objective is not None]
    place = endpoint_place(endpoint)
    if not objectives:
        return availability(place)
    objective, window = max(objectives)
    return error_budget_left(place, objective=objective, window=window)


def requests_panel(endpoint: ObservedEndpoint) -> Panel | None:
    """Return a panel of an endpoint's requests.

    Args:
        endpoint: The endpoint.
    """
    requests = math("requests", {"requests": classic_metric("Invocations", endpoint_place(endpoint))})
    if requests is None:
        return None
    return Panel(
        title="Requests per 5 minutes",
        advice="None where there should be: look at the callers, then at 4XX errors.",
        unit="requests",
        maths=(replace(requests, label="requests"),),
    )
