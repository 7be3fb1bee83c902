"""Dashboards of the embedded AWS: their list, their layout, and one widget with its data.

Body of a dashboard: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Dashboard-Body-Structure.html (read 2026-11).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.clock import clock
from localcloud.aws.console.alarm_list import alarm_panel
from localcloud.aws.console.chart_widgets import chart_panel
from localcloud.aws.console.metric_widgets import metric_panel
from localcloud.aws.console.panels import Lookup, Panel, headings
from localcloud.aws.console.text import html_of
from localcloud.aws.metrics.metricmath import ExpressionError
from localcloud.aws.metrics.published import published
from localcloud.aws.metrics.search import Search

_WIDTH, _HEIGHT = 6, 6
"""Default size of a widget."""
_AGO: Final = re.compile(r"^-P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?)?$")


class UnknownError(LookupError):
    """The dashboard or widget does not exist."""


def listing(account: str, region: str) -> list[dict[str, Any]]:
    """Name of every dashboard, with the number of its widgets."""
    found = sorted(cloudwatch_backends[account][region].list_dashboards(), key=lambda one: str(one.name))
    return [{"name": one.name, "widgets": len(_body(one).get("widgets", []))} for one in found]


def dashboard(account: str, region: str, name: str) -> dict[str, Any]:
    """Layout and selectors of a dashboard; raises UnknownError if there is none of this name."""
    body = _find(account, region, name)
    return {
        "name": name,
        "start": _start(account, region, str(body.get("start", ""))),
        "variables": [_selector(account, region, one) for one in body.get("variables") or []],
        "widgets": [
            {
                "x": widget.get("x"),
                "y": widget.get("y"),
                "width": widget.get("width", _WIDTH),
                "height": widget.get("height", _HEIGHT),
                "type": widget.get("type"),
                **headings(widget.get("properties") or {}),
            }
            for widget in body.get("widgets", [])
        ],
    }


def widget(name: str, number: int, chosen: Mapping[str, str], lookup: Lookup) -> dict[str, Any]:
    """One widget of a dashboard with its data.

    Args:
        name: Name of the dashboard.
        number: Position among its widgets, from 0.
        chosen: Values of the dashboard's selectors, by id.
        lookup: Account, Region and time range.

    Raises:
        UnknownError: The dashboard or widget does not exist.
    """
    body = _find(lookup.account, lookup.region, name)
    widgets = body.get("widgets", [])
    if not 0 <= number < len(widgets):
        raise UnknownError(f"the dashboard {name} has no widget {number}")
    one = widgets[number]
    for variable in body.get("variables") or []:
        value = chosen.get(str(variable.get("id")), str(variable.get("defaultValue", "")))
        one = _replaced(one, variable, value) if value else one
    return _panel(str(one.get("type")), one.get("properties") or {}, lookup).body(lookup)


def _panel(kind: str, properties: Mapping[str, Any], lookup: Lookup) -> Panel:
    if kind == "text":
        return Panel(kind="text", extra={"html": html_of(str(properties.get("markdown", "")))})
    if kind == "alarm":
        return alarm_panel(properties, lookup)
    if kind == "metric":
        return metric_panel(properties, lookup)
    if kind == "chart":
        return chart_panel(properties, lookup)
    panel = Panel(kind="chart", **headings(properties), view=kind)
    panel.notes.append(f"widgets of type {kind} are not answered by the embedded AWS")
    if kind == "log":
        panel.extra["query"] = str(properties.get("query", ""))
    return panel


def _find(account: str, region: str, name: str) -> dict[str, Any]:
    found = cloudwatch_backends[account][region].get_dashboard(name)
    if found is None:
        raise UnknownError(f"there is no dashboard {name}")
    return _body(found)


def _body(one: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(one.body)
    return body


def _start(account: str, region: str, start: str) -> int | None:
    """Seconds that the page shows at first: the dashboard's range, or less if nothing that old was published."""
    points = published(cloudwatch_backends[account][region])
    first = min((metric[0][0] for metric in points.values()), default=clock().now())
    range_s = _ago(start)
    return None if range_s is None else max(1, min(range_s, math.ceil(clock().now() - first)))


def _ago(start: str) -> int | None:
    """Seconds of a relative start such as `-PT6H`; None for an absolute one."""
    found = _AGO.match(start)
    if found is None:
        return None
    days, hours, minutes = (int(found[part] or 0) for part in ("days", "hours", "minutes"))
    return (days * 24 + hours) * 3600 + minutes * 60 or None


def _selector(account: str, region: str, variable: Mapping[str, Any]) -> dict[str, Any]:
    """A dashboard variable with its possible values: its own, and those that its search finds."""
    values = [
        {"value": str(one["value"]), "label": str(one.get("label") or one["value"])}
        for one in variable.get("values") or []
    ]
    dimension, text = variable.get("populateFrom"), variable.get("search")
    if dimension and text:
        points = published(cloudwatch_backends[account][region])
        try:
            found = Search(text="", search=str(text), stat="", period_s=None).find(points)
        except ExpressionError:
            found = []
        names = {dict(dimensions).get(str(dimension)) for _, _, dimensions in found} - {None}
        values += [{"value": str(name), "label": str(name)} for name in sorted(map(str, names))]
    return {
        "id": str(variable.get("id")),
        "label": str(variable.get("label") or variable.get("id")),
        "default": str(variable.get("defaultValue", "")),
        "visible": bool(variable.get("visible", True)),
        "values": values,
    }


def _replaced(one: Any, variable: Mapping[str, Any], value: str) -> Any:
    """A widget with a variable's value applied: in place of a pattern, or as the value of a property."""
    if variable.get("type") == "pattern":
        pattern = str(variable.get("pattern", ""))
        return (
            json.loads(json.dumps(one).replace(json.dumps(pattern)[1:-1], json.dumps(value)[1:-1])) if pattern else one
        )
    return _with_property(one, str(variable.get("property", "")), value)


def _with_property(node: Any, name: str, value: str) -> Any:
    if isinstance(node, dict):
        return {key: value if key == name else _with_property(inner, name, value) for key, inner in node.items()}
    if isinstance(node, list):
        return [
            value
            if index and node[index - 1] == name and isinstance(inner, str)
            else _with_property(inner, name, value)
            for index, inner in enumerate(node)
        ]
    return node
