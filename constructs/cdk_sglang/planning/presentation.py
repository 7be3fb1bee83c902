"""Cost rows, sources and numbers of a plan as text, shared by the terminal and the HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from cdk_sglang.planning.fleet_plan import FleetPlan, Range
    from cdk_sglang.planning.predict import Band

_SIDE_BY_SIDE = 2
"""Maximum number of a pool's types named in one cell; more would make the table wider than a page."""

_WHOLE_FROM = 100
"""Predicted numbers from this value on are shown without decimals."""


HOURS_PER_MONTH: Final = 730
"""Hours of a month: 365 days of 24 hours over 12 months."""


class CostRow(NamedTuple):
    """One row of the cost table, as text.

    Args:
        endpoint: Name of the endpoint; empty for the row of one type of its pool, "all" for the total.
        types: Instance types.
        counts: Minimum, typical and maximum number of instances.
        usd_low: Minimum US dollars per hour.
        usd_typical: Typical US dollars per hour.
        usd_high: Maximum US dollars per hour.
        usd_month: Typical US dollars per month of 730 hours.
        tail: US dollars that one instance costs between its last request and its release.
    """

    endpoint: str
    types: str
    counts: str
    usd_low: str
    usd_typical: str
    usd_high: str
    usd_month: str
    tail: str = ""


def cost_rows(plan: FleetPlan) -> list[CostRow]:
    """Return a row per endpoint, followed for a pool by a row for each of its types, and a total if there are several endpoints."""
    rows = []
    for endpoint in plan.endpoints:
        names = [one.instance for one in endpoint.types]
        types = " or ".join(names) if len(names) <= _SIDE_BY_SIDE else f"any of {len(names)} types"
        tail = "" if endpoint.scale_in_tail_usd is None else f"{endpoint.scale_in_tail_usd:,.2f}"
        usd = _dollars(endpoint.usd_per_hour)
        rows.append(CostRow(endpoint.name, types, _counts(endpoint.instances), *usd, tail if types else ""))
        if len(endpoint.types) > 1:
            rows += [
                CostRow("", f"all {one.instance}", _counts(one.instances), *_dollars(one.usd_per_hour))
                for one in endpoint.types
            ]
    if len(plan.endpoints) > 1:
        rows.append(CostRow("all", "", "", *_dollars(plan.usd_per_hour)))
    return rows


def _counts(instances: Range) -> str:
    return f"{instances.low:g} / {instances.typical:g} / {instances.high:g}"


def _dollars(usd: Range | None) -> tuple[str, str, str, str]:
    if usd is None:
        return "unknown", "unknown", "unknown", "unknown"
    return f"{usd.low:,.2f}", f"{usd.typical:,.2f}", f"{usd.high:,.2f}", f"{usd.typical * HOURS_PER_MONTH:,.0f}"


def origins(plan: FleetPlan, *, with_source: bool = False) -> list[str]:
    """Return the sources of prices, model files and calibrations, one line each; models of the package's catalogue share a line.

    Args:
        plan: The plan.
        with_source: Whether to add the page that each price was read from.
    """
    lines: dict[str, None] = {}
    for one in (one for endpoint in plan.endpoints for one in endpoint.types):
        price = one.price
        if price is not None:
            source = f", read from {_bare(price.source)}" if with_source else ""
            lines[
                f"price of {one.instance}: {price.usd_per_hour:,.2f} $/h, {price.kind} in {price.region} of {price.date}, from "
                f"{price.file or 'the package'}{source}"
            ] = None
    components = [component for endpoint in plan.endpoints for component in endpoint.components]
    known = dict.fromkeys(component.model for component in components if not component.facts_file)
    if known:
        lines[f"from the package's catalogue: {', '.join(known)}"] = None
    for component in components:
        if component.facts_file:
            day = f" on {component.facts_date}" if component.facts_date else ""
            lines[f"from {component.facts_file}: {component.model}, read from {_bare(component.facts_source)}{day}"] = (
                None
            )
    return [*lines, *(one.text for one in plan.calibrations)]


def _bare(address: str) -> str:
    """Return an address without its scheme: the page links only to its documentation, since it must be readable offline."""
    return address.replace("https://", "").replace("http://", "")


def spread(band: Band | None) -> str:
    """Return a prediction with the bounds of its band; "unknown" if there is none."""
    if band is None:
        return "unknown"
    digits = 0 if band.value >= _WHOLE_FROM else 1
    return f"{band.value:,.{digits}f} ({band.low:,.{digits}f} to {band.high:,.{digits}f})"


def money(value: float | None) -> str:
    """Return an amount in dollars, with three decimals below one dollar; "unknown" if there is none."""
    return "unknown" if value is None else f"{value:,.3f}" if value < 1 else f"{value:,.2f}"
