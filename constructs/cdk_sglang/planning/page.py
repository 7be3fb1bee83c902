"""The plan as one self-contained HTML page: it loads no script, font or image, and follows the reader's light or dark scheme."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cdk_sglang.planning import chart
from cdk_sglang.planning.cost import POOLS_MEAN
from cdk_sglang.planning.curves import CONCURRENCIES, curve
from cdk_sglang.planning.page_template import page_template
from cdk_sglang.planning.presentation import cost_rows, money, origins, spread
from cdk_sglang.planning.price import PER_MILLION_MEANS

if TYPE_CHECKING:
    from jinja2 import Template

    from cdk_sglang.planning.chart import Chart
    from cdk_sglang.planning.fleet_plan import ComponentPlan, FleetPlan
    from cdk_sglang.planning.fleet_request import EndpointRequest, FleetRequest

COLOURS = 6
"""Colours that the style sheet has for the components of an endpoint."""


def plan_html(plan: FleetPlan, request: FleetRequest) -> str:
    """Return the page of a plan; the same plan gives the same bytes.

    Args:
        plan: The plan.
        request: The request it was made from, for the charts over requests in flight.
    """
    requests = {endpoint.name: endpoint for endpoint in request.endpoints}
    return _template().render(
        plan=plan,
        charts={endpoint.name: _charts(requests[endpoint.name], endpoint.components) for endpoint in plan.endpoints},
        cost_rows=cost_rows(plan),
        origins=origins(plan, with_source=True),
        pools_mean=POOLS_MEAN,
        per_million_means=PER_MILLION_MEANS,
        colours=COLOURS,
        frame=chart,
    )


@cache
def _template() -> Template:
    return page_template(
        "plan.html", package="cdk_sglang.planning", filters={"money": money, "spread": spread, "number": _number}
    )


def _number(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"


def _charts(endpoint: EndpointRequest, components: tuple[ComponentPlan, ...]) -> dict[str, tuple[Chart, ...]]:
    """Return the charts of each component whose times can be predicted."""
    charts: dict[str, tuple[Chart, ...]] = {}
    for request, plan in zip(endpoint.components, components, strict=True):
        found = curve(request, endpoint.instances[0], plan.gpus) if request.facts.described else None
        if found is not None:
            charts[plan.name] = (
                chart.log_chart("time to first token, ms", CONCURRENCIES, found.ttft_ms),
                chart.log_chart("time per output token, ms", CONCURRENCIES, found.tpot_ms),
                chart.log_chart("output tokens per second", CONCURRENCIES, found.output_tok_s),
            )
    return charts
