"""The plan next to what is measured, a row for each figure of a component."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cdk_sglang.cli.status.collect import ENRICHMENT_OFF
from cdk_sglang.cli.status.measure import engine_values
from cdk_sglang.cli.status.prometheus import NotMeasuredError
from cdk_sglang.cli.status.report import Planned

if TYPE_CHECKING:
    from cdk_sglang.cli.status.prometheus import PromqlApi
    from cdk_sglang.cli.status.report import ComponentStatus, EndpointReport, Range

    Values = tuple[Mapping[str, Mapping[str, float]], str]


def read_engine(api: PromqlApi, endpoint_name: str, *, enrichment: bool) -> Values:
    """Return the engine's figures by component and field, and why there are none.

    Args:
        api: CloudWatch's PromQL API.
        endpoint_name: Name of the endpoint in SageMaker.
        enrichment: Whether the environment relies on OTel enrichment.
    """
    try:
        return engine_values(api, endpoint_name), ""
    except NotMeasuredError as error:
        return {}, str(error) if enrichment else ENRICHMENT_OFF


def beside_plan(report: EndpointReport, values: Values | None) -> list[dict[str, Any]]:
    """Return the figures of an endpoint's components that are planned or measured.

    Args:
        report: What SageMaker says of the endpoint.
        values: What was measured, and why nothing was; None if it was not read yet.
    """
    measured, reason = ({}, "not read yet") if values is None else values
    return [
        figure
        for one in report.components
        for figure in _figures(one, measured.get(one.component_name, {}), reason)
        if figure["low"] is not None or figure["measured"]
    ]


def _figures(one: ComponentStatus, measured: Mapping[str, float], reason: str) -> list[dict[str, Any]]:
    planned = one.planned or Planned()
    copies = max(1, one.copies_running)
    notes = ["no copy runs"] if not one.copies_running else [reason or "nothing was measured in the last 5 minutes"]
    basis = _basis(planned)
    kv_share = measured.get("kv_share_used")
    times = f"{copies} copies, {basis}" if copies > 1 else basis
    rows = [
        ("Time to the first token", "ms", planned.ttft_ms, 1, basis, ("ttft_mean_ms", "ttft_p99_ms")),
        ("Time per further token", "ms", planned.tpot_ms, 1, basis, ("tpot_mean_ms", "tpot_p99_ms")),
        ("Output tokens per second", "", planned.output_tok_s, copies, times, ("output_tok_s", "")),
    ]
    found = [
        _row(one, title, unit, band, factor, basis=words, fields=fields, measured=measured, notes=notes)
        for title, unit, band, factor, words, fields in rows
    ]
    if kv_share is not None:
        entry = {"label": "of the fullest copy's KV tokens in use", "value": 100 * kv_share, "within": None}
        row = _row(one, "KV cache", "Percent", None, 1, basis="", fields=("", ""), measured={}, notes=[])
        found.append(row | {"measured": [entry]})
    return found


def _row(
    one: ComponentStatus,
    title: str,
    unit: str,
    band: Range | None,
    factor: int,
    *,
    basis: str,
    fields: tuple[str, str],
    measured: Mapping[str, float],
    notes: list[str],
) -> dict[str, Any]:
    low, high = (None, None) if band is None else (band.low * factor, band.high * factor)
    mean, p99 = (measured.get(name) for name in fields)
    entries = []
    if mean is not None and math.isfinite(mean):
        within = None if low is None or high is None else low <= mean <= high
        entries.append({"label": "mean" if fields[1] else "of all copies", "value": mean, "within": within})
    if p99 is not None and math.isfinite(p99):
        entries.append({"label": "p99, which the plan does not bound", "value": p99, "within": None})
    return {
        "title": title,
        "component": one.component_name,
        "dashboard": "",
        "unit": unit,
        "basis": basis,
        "low": low,
        "high": high,
        "measured": entries,
        "notes": notes,
    }


def _basis(planned: Planned) -> str:
    if planned.concurrency is None:
        return "plan"
    return f"with {planned.concurrency:g} requests in flight on a copy"
