"""Dashboards: what PutDashboard checks in a body.

Written from "Dashboard body structure and syntax" and "CloudWatch quotas" of the CloudWatch user guide (read 2026-11). AWS publishes no
list of its checks: these are those of the documented types, values and limits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult

from localcloud.aws.metrics.promql.nodes import QueryError
from localcloud.aws.metrics.promql.parser import parse

Message: TypeAlias = tuple[str, str]
"""Path in the body, and the problem there."""
_COLUMNS, _HEIGHT_MAX, _Y_MAX = 24, 1000, 9999
_WIDGETS_MAX, _METRICS_PER_WIDGET, _METRICS_PER_DASHBOARD, _ALARMS_MAX = 500, 500, 2500, 100
_HIGH_RESOLUTION_S, _MINUTE_S = {1, 5, 10, 20, 30}, 60
_METRIC_VIEWS = {"timeSeries", "singleValue", "gauge", "bar", "pie", "table"}
_LOG_VIEWS = {"table", "timeSeries", "bar", "pie"}
_CHART_VIEWS = {"line", "bar", "pie", "number", "solidgauge", "column", "legend", "histogram", "heatmap", "scatter"}
_LANGUAGES = {"PromQL", "SQL"}


class InvalidDashboardError(ServiceException):
    """PutDashboard's refusal of a body, with its validation messages."""

    code = "InvalidParameterInput"


def validated(body: str) -> list[Message]:
    """Return the warnings about a body. Raises InvalidDashboardError if it has mistakes."""
    try:
        content = json.loads(body)
    except ValueError as error:
        raise InvalidDashboardError("The field DashboardBody must be a valid JSON object") from error
    mistakes = list(_body(content))
    if mistakes:
        shown = json.dumps([{"dataPath": path, "message": text} for path, text in mistakes], indent=2)
        count = len(mistakes)
        raise InvalidDashboardError(f"The dashboard body is invalid, there are {count} validation errors:\n{shown}")
    return list(_warnings(content))


def _body(content: Any) -> Iterator[Message]:
    if not isinstance(content, dict) or not isinstance(content.get("widgets"), list):
        yield "", "Should have required property 'widgets', a list"
        return
    widgets = content["widgets"]
    if len(widgets) > _WIDGETS_MAX:
        yield "/widgets", f"Should NOT have more than {_WIDGETS_MAX} items"
    for index, widget in enumerate(widgets):
        yield from _widget(f"/widgets/{index}", widget)
    total = sum(len(_metrics(widget)) for widget in widgets)
    if total > _METRICS_PER_DASHBOARD:
        yield "/widgets", f"Should NOT have more than {_METRICS_PER_DASHBOARD} metrics in all widgets, has {total}"


def _metrics(widget: Any) -> list[Any]:
    properties = widget.get("properties") if isinstance(widget, dict) else None
    metrics = properties.get("metrics") if isinstance(properties, dict) else None
    return metrics if isinstance(metrics, list) else []


def _widget(path: str, widget: Any) -> Iterator[Message]:
    if not isinstance(widget, dict):
        yield path, "Should be object"
        return
    yield from _place(path, widget)
    check = _TYPES.get(str(widget.get("type")))
    if check is None:
        yield f"{path}/type", f"Should be equal to one of the allowed values: {', '.join(_TYPES)}"
    elif not isinstance(widget.get("properties"), dict):
        yield path, "Should have required property 'properties'"
    else:
        yield from check(f"{path}/properties", widget["properties"])


def _place(path: str, widget: dict[str, Any]) -> Iterator[Message]:
    if ("x" in widget) != ("y" in widget):
        yield path, "Should have both of the properties 'x' and 'y', or neither"
    bounds = {"x": (0, _COLUMNS - 1), "y": (0, _Y_MAX), "width": (1, _COLUMNS), "height": (1, _HEIGHT_MAX)}
    for name, (low, high) in bounds.items():
        value = widget.get(name, low)
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"{path}/{name}", "Should be integer"
        elif not low <= value <= high:
            yield f"{path}/{name}", f"Should be between {low} and {high}"
    x, width = widget.get("x", 0), widget.get("width", 6)
    if isinstance(x, int) and isinstance(width, int) and width <= _COLUMNS < x + width:
        yield path, f"The widget ends in column {x + width}, the dashboard has {_COLUMNS}"


def _demand(path: str, properties: dict[str, Any], **kinds: type) -> Iterator[Message]:
    for name, kind in kinds.items():
        if name not in properties:
            yield path, f"Should have required property '{name}'"
        elif not isinstance(properties[name], kind):
            yield f"{path}/{name}", f"Should be {kind.__name__}"


def _one_of(path: str, value: Any, allowed: set[str]) -> Iterator[Message]:
    if value not in allowed:
        yield path, f"Should be equal to one of the allowed values: {', '.join(sorted(allowed))}"


def _metric(path: str, properties: dict[str, Any]) -> Iterator[Message]:
    yield from _demand(path, properties, region=str)
    yield from _one_of(f"{path}/view", properties.get("view", "timeSeries"), _METRIC_VIEWS)
    annotations = properties.get("annotations", {})
    if "metrics" not in properties and not (isinstance(annotations, dict) and annotations.get("alarms")):
        yield path, "Should have required property 'metrics'"
    metrics = properties.get("metrics", [])
    if not isinstance(metrics, list):
        yield f"{path}/metrics", "Should be array"
        return
    if len(metrics) > _METRICS_PER_WIDGET:
        yield f"{path}/metrics", f"Should NOT have more than {_METRICS_PER_WIDGET} items"
    yield from _period(f"{path}/period", properties)
    if properties.get("view") == "gauge":
        left = properties.get("yAxis", {}).get("left", {})
        if not {"min", "max"} <= left.keys():
            yield f"{path}/yAxis/left", "Should have required properties 'min' and 'max' for a gauge"
    for index, metric in enumerate(metrics):
        yield from _metric_row(f"{path}/metrics/{index}", metric)
    yield from _annotations(f"{path}/annotations", annotations)


def _period(path: str, options: dict[str, Any]) -> Iterator[Message]:
    period = options.get("period", 300)
    if not isinstance(period, int) or (period not in _HIGH_RESOLUTION_S and (period < _MINUTE_S or period % _MINUTE_S)):
        yield path, "Should be 1, 5, 10, 20, 30 or a multiple of 60"


def _metric_row(path: str, row: Any) -> Iterator[Message]:
    if not isinstance(row, list) or not row:
        yield path, "Should be a non-empty array"
        return
    options = row[-1] if isinstance(row[-1], dict) else {}
    names = row[:-1] if isinstance(row[-1], dict) else row
    yield from _period(f"{path}/period", options)
    if not names:
        if not isinstance(options.get("expression"), str):
            yield path, "Should have required property 'expression'"
        return
    if not all(isinstance(name, str) for name in names):
        yield path, "Should be namespace, metric name, and pairs of dimension name and value"
    elif "..." not in names and (len(names) == 1 or len(names) % 2):
        yield path, "Invalid metric field: namespace, metric name, and pairs of dimension name and value are needed"


def _annotations(path: str, annotations: Any) -> Iterator[Message]:
    if not isinstance(annotations, dict):
        yield path, "Should be object"
        return
    for index, line in enumerate(annotations.get("horizontal", [])):
        for one in line if isinstance(line, list) else [line]:
            if not isinstance(one, dict) or not isinstance(one.get("value"), int | float):
                yield f"{path}/horizontal/{index}", "Should have required property 'value', a number"


def _text(path: str, properties: dict[str, Any]) -> Iterator[Message]:
    yield from _demand(path, properties, markdown=str)


def _log(path: str, properties: dict[str, Any]) -> Iterator[Message]:
    yield from _demand(path, properties, query=str, region=str)
    yield from _one_of(f"{path}/view", properties.get("view", "table"), _LOG_VIEWS)


def _alarm(path: str, properties: dict[str, Any]) -> Iterator[Message]:
    yield from _demand(path, properties, alarms=list)
    alarms = properties.get("alarms")
    if isinstance(alarms, list) and not 1 <= len(alarms) <= _ALARMS_MAX:
        yield f"{path}/alarms", f"Should have 1 to {_ALARMS_MAX} items"


def _explorer(path: str, properties: dict[str, Any]) -> Iterator[Message]:
    yield from _demand(path, properties, metrics=list, labels=list)


def _chart(path: str, properties: dict[str, Any]) -> Iterator[Message]:
    yield from _demand(path, properties, view=str, data=dict)
    if isinstance(properties.get("view"), str):
        yield from _one_of(f"{path}/view", properties["view"], _CHART_VIEWS)
    queries = properties.get("data", {}).get("queries") if isinstance(properties.get("data"), dict) else None
    if not isinstance(queries, list) or not queries:
        yield f"{path}/data", "Should have required property 'queries', a non-empty array"
        return
    known: set[str] = set()
    for index, query in enumerate(queries):
        where = f"{path}/data/queries/{index}"
        if not isinstance(query, dict):
            yield where, "Should be object"
            continue
        yield from _demand(where, query, id=str, type=str, language=str, query=str)
        yield from _one_of(f"{where}/type", query.get("type"), {"cloudwatch-metrics"})
        yield from _one_of(f"{where}/language", query.get("language"), _LANGUAGES)
        if query.get("id") in known:
            yield f"{where}/id", f"Should NOT have duplicate ids: {query['id']}"
        known.add(str(query.get("id")))


def _warnings(content: dict[str, Any]) -> Iterator[Message]:
    """PromQL that does not parse: AWS documents no such check, so it is only a warning here."""
    for number, widget in enumerate(content["widgets"]):
        queries = widget["properties"].get("data", {}).get("queries", []) if widget["type"] == "chart" else []
        for index, query in enumerate(queries):
            if query["language"] == "PromQL":
                try:
                    parse(query["query"])
                except QueryError as error:
                    yield f"/widgets/{number}/properties/data/queries/{index}/query", str(error)


_TYPES: dict[str, Callable[[str, dict[str, Any]], Iterator[Message]]] = {
    "metric": _metric,
    "text": _text,
    "log": _log,
    "alarm": _alarm,
    "explorer": _explorer,
    "chart": _chart,
}


def _put_dashboard(self: Any) -> ActionResult:
    messages = [{"DataPath": path, "Message": text} for path, text in validated(self._get_param("DashboardBody"))]
    backend: CloudWatchBackend = self.cloudwatch_backend
    backend.put_dashboard(self._get_param("DashboardName"), self._get_param("DashboardBody"))
    return ActionResult({"DashboardValidationMessages": messages})


def install() -> None:
    """Add the check of dashboards to moto, which lacks it."""
    CloudWatchResponse.put_dashboard = _put_dashboard
