"""Dashboard of single GPUs: heat maps by instance and GPU. No CDK.

AWS's Insights draws GPUs too, as they are; here are those of one fleet, with the difference that shows a sick one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from cdk_sglang.metrics.figures import gpu_memory_used, gpu_spread, gpu_temperature, gpu_utilization
from cdk_sglang.observability.dashboards.context import DashboardContext, endpoint_place
from cdk_sglang.observability.dashboards.opening import opening
from cdk_sglang.observability.dashboards.pages import pages
from cdk_sglang.observability.dashboards.panel import AnyPanel, Board, board, figure_panel
from cdk_sglang.observability.observed import ObservedEndpoint

ENDPOINTS_PER_BOARD: Final = 100


def gpu_boards(context: DashboardContext) -> Iterator[Board]:
    """Yield the dashboards of GPUs, more than one if the fleet has many endpoints.

    Args:
        context: The fleet.
    """
    for page, endpoints in pages(context.endpoints, ENDPOINTS_PER_BOARD):
        title = f"GPUs of {context.name}"
        rows = opening(context, title)
        rows += (_row(context, endpoint) for endpoint in endpoints)
        yield board(context.board_name("gpus", page), title, rows)


def _row(context: DashboardContext, endpoint: ObservedEndpoint) -> list[AnyPanel | None]:
    place, enrichment = endpoint_place(endpoint), context.enrichment
    memory = figure_panel(gpu_memory_used(place), enrichment=enrichment, width=12)
    if memory is not None and memory.maths:  # the classic metric is in percent
        memory = replace(
            memory, unit="percent", bands=tuple(replace(band, low=100 * band.low) for band in memory.bands)
        )
    panels = [
        figure_panel(gpu_utilization(place), enrichment=enrichment, view="heatmap" if enrichment else "line", width=12),
        figure_panel(gpu_spread(place), enrichment=enrichment, width=12),
        memory,
        figure_panel(gpu_temperature(place), enrichment=enrichment, width=12),
    ]
    return [panel and replace(panel, title=f"{endpoint.name}: {panel.title}") for panel in panels]
