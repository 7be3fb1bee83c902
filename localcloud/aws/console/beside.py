"""The plan next to the measurements: every panel of the deployed dashboards that has a band of the plan, in numbers."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.console import dashboards, promql
from localcloud.aws.console.panels import Lookup
from localcloud.aws.hosting.store import store

_PLAN: Final = "plan"
_SERIES_MAX: Final = 6


def beside_plan(lookup: Lookup) -> list[dict[str, Any]]:
    """Figures that the deployed plan predicts, each with the last value measured in the time range.

    Returns:
        For each figure ``title``, ``component`` (empty if it covers several), ``dashboard``, ``unit``, ``basis`` (what the plan is for), ``low`` and ``high`` of the plan, ``measured`` (label, value and ``within``,
        which is None for a value without a bound in the plan), and ``notes`` that say why nothing was measured.
    """
    found: dict[str, dict[str, Any]] = {}
    names = list(store(lookup.account, lookup.region).components)
    backend = cloudwatch_backends[lookup.account][lookup.region]
    for board in sorted(backend.list_dashboards(), key=lambda one: str(one.name)):
        for number, widget in enumerate(json.loads(board.body).get("widgets", [])):
            queries = ((widget.get("properties") or {}).get("data") or {}).get("queries") or []
            if not any(is_plan(str(query.get("label"))) for query in queries):
                continue
            promql_text = "\n".join(str(query.get("query")) for query in queries)
            if promql_text not in found:
                figure = _figure(str(board.name), dashboards.widget(str(board.name), number, {}, lookup))
                figure["component"] = next((name for name in names if f'"{name}"' in promql_text), "")
                why = "" if figure["measured"] else promql.reason(lookup.account, lookup.region, promql_text)
                figure["notes"] = [why] if why else figure["notes"]
                found[promql_text] = figure
    return sorted(found.values(), key=lambda figure: str(figure["component"]))


def is_plan(label: str) -> bool:
    """Whether a band, or one of its ends, comes from the plan: `plan`, and `plan, 2 copies at their load`."""
    return label == _PLAN or label.startswith(f"{_PLAN}, ")


def _figure(board: str, panel: dict[str, Any]) -> dict[str, Any]:
    band = next((one for one in panel["bands"] if is_plan(one["label"])), None)
    series = panel["series"]
    low, high = (None, None) if band is None else (_last(series[band[side]]) for side in ("low", "high"))
    ends = {number for one in panel["bands"] for number in (one["low"], one["high"])}
    measured = [
        {"label": one["label"], "value": value, "within": _within(value, low, high)}
        for number, one in enumerate(series)
        if number not in ends and (value := _last(one)) is not None
    ]
    unit = next((one["unit"] for one in series if one["unit"]), "") or panel["axes"].get("left", {}).get("label", "")
    return {
        "title": panel["title"],
        "dashboard": board,
        "unit": unit,
        "basis": "" if band is None else band["label"],
        "low": low,
        "high": high,
        "measured": measured[:_SERIES_MAX],
        "notes": panel["notes"],
    }


def _last(series: dict[str, Any]) -> float | None:
    return next((value for value in reversed(series["values"]) if value is not None), None)


def _within(value: float, low: float | None, high: float | None) -> bool | None:
    if low is None or high is None or not math.isfinite(value):
        return None
    return low <= value <= high
