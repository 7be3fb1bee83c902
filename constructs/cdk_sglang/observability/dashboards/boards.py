"""Every dashboard of a fleet. No CDK."""

from __future__ import annotations

from cdk_sglang.observability.dashboards.capacity_board import capacity_boards
from cdk_sglang.observability.dashboards.component_board import component_boards
from cdk_sglang.observability.dashboards.context import DashboardContext
from cdk_sglang.observability.dashboards.cost_board import cost_boards
from cdk_sglang.observability.dashboards.endpoint_board import endpoint_boards
from cdk_sglang.observability.dashboards.feature_boards import adapter_boards, speculative_boards
from cdk_sglang.observability.dashboards.fleet_board import fleet_boards
from cdk_sglang.observability.dashboards.gpu_board import gpu_boards
from cdk_sglang.observability.dashboards.panel import Board


def all_boards(context: DashboardContext) -> tuple[Board, ...]:
    """Return the dashboards of a fleet, in the order in which they are usually read.

    Args:
        context: The fleet.
    """
    return (
        *fleet_boards(context),
        *endpoint_boards(context),
        *component_boards(context),
        *capacity_boards(context),
        *cost_boards(context),
        *gpu_boards(context),
        *speculative_boards(context),
        *adapter_boards(context),
    )
