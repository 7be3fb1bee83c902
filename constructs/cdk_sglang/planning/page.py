"""The plan as one self-contained HTML page: it loads no script, font or image, and follows the reader's light or dark scheme."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from cdk_sglang.planning import chart
from cdk_sglang.planning.cost import POOLS_MEAN
from cdk_sglang.planning.curves import CONCURRENCIES, curve
from cdk_sglang.planning.guides import guide_of
from cdk_sglang.planning.page_template import page_template
from cdk_sglang.planning.presentation import cost_rows, money, origins, spread
from cdk_sglang.planning.price import PER_MILLION_MEANS
from cdk_sglang.planning.words import NO_DECODING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jinja2 import Template

    from cdk_sglang.planning.chart import Chart
    from cdk_sglang.planning.fleet_plan import ComponentPlan, EndpointPlan, FleetPlan
    from cdk_sglang.planning.fleet_request import ComponentRequest, EndpointRequest, FleetRequest

COLOURS = 6
"""Number of colours in the style sheet for the components of an endpoint."""


def plan_html(plan: FleetPlan, request: FleetRequest, *, docs: str = "") -> str:
    """Return the HTML page of a plan; the same plan always gives the same bytes.

    Args:
        plan: The plan.
        request: The request it was made from, for the charts over requests in flight.
        docs: Path from the page to the documentation, to which problems and warnings link unless the request names a site;
            if empty, their section is named without a link.
    """
    address = request.docs_site or docs
    requests = {endpoint.name: endpoint for endpoint in request.endpoints}
    return _template().render(
        plan=plan,
        charts={endpoint.name: _charts(requests[endpoint.name], endpoint.components) for endpoint in plan.endpoints},
        promised={
            (endpoint.name, one.name) for endpoint in request.endpoints for one in endpoint.components if _promises(one)
        },
        routes=request.routes,
        unplanned=request.unplanned,
        version=_version(),
        engines=", ".join(sorted(_engines(request))),
        today=request.today,
        priced=max(
            (str(one.price.date) for endpoint in plan.endpoints for one in endpoint.types if one.price), default=""
        ),
        copies_of=_copies_of,
        gpus_of=lambda endpoint: _gpus_of(endpoint, requests[endpoint.name]),
        cost_rows=cost_rows(plan),
        origins=origins(plan, with_source=True),
        pools_mean=POOLS_MEAN,
        per_million_means=PER_MILLION_MEANS,
        no_decoding=NO_DECODING,
        colours=COLOURS,
        frame=chart,
        guide_of=guide_of,
        docs=address,
    )


@cache
def _template() -> Template:
    return page_template(
        "plan.html", package="cdk_sglang.planning", filters={"money": money, "spread": spread, "number": _number}
    )


def _version() -> str:
    """Return the version of this package; empty if it is not installed."""
    try:
        return version("cdk-sglang")
    except PackageNotFoundError:
        return ""


def _engines(request: FleetRequest) -> set[str]:
    """Return the SGLang releases of the plan, as far as the images state them."""
    versions = (one.engine.version for endpoint in request.endpoints for one in endpoint.components)
    return {version for version in versions if version}


def _promises(component: ComponentRequest) -> bool:
    slo = component.slo
    return slo is not None and (slo.ttft_ms is not None or slo.tpot_ms is not None)


def _gpus_of(plan: EndpointPlan, request: EndpointRequest) -> dict[str, int]:
    """Return the GPUs of a copy of each component on the endpoint's first instance type, including components of unknown models."""
    others = {one.name: one.gpus_by_type[plan.instance] for one in request.others}
    return others | {one.name: one.gpus for one in plan.components}


def _copies_of(layout: Sequence[str], gpus: Mapping[str, int], counted: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Yield the component and the number of the copy on each GPU of an instance; both empty for an unused GPU.

    Args:
        layout: Component on each GPU, or an empty text; the GPUs of one copy are adjacent.
        gpus: GPUs of a copy.
        counted: GPUs taken so far by component, on previous instances; updated here.
    """
    for name in layout:
        if not name:
            yield "", ""
            continue
        taken = counted.get(name, 0)
        counted[name] = taken + 1
        yield name, str(taken // gpus[name] + 1) if name in gpus else ""


def _number(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"


def _charts(endpoint: EndpointRequest, components: tuple[ComponentPlan, ...]) -> dict[str, tuple[Chart, ...]]:
    """Return the charts of each component whose times can be predicted."""
    charts: dict[str, tuple[Chart, ...]] = {}
    for request, plan in zip(endpoint.components, components, strict=True):
        found = curve(request, endpoint.instances[0], plan.gpus) if request.facts.described else None
        if found is not None:
            now, slo = plan.concurrency, request.slo
            ttft, tpot = (None, None) if slo is None else (slo.ttft_ms, slo.tpot_ms)
            first = chart.log_chart("time to first token, ms", CONCURRENCIES, found.ttft_ms, now=now, goal=ttft)
            if not request.generates:
                charts[plan.name] = (first,)
                continue
            charts[plan.name] = (
                first,
                chart.log_chart("time per output token, ms", CONCURRENCIES, found.tpot_ms, now=now, goal=tpot),
                chart.log_chart("output tokens per second", CONCURRENCIES, found.output_tok_s, now=now),
            )
    return charts
