"""Widgets of type `metric`: classic metrics, metric math and SEARCH, answered by GetMetricData.

Properties: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Dashboard-Body-Structure.html (read 2026-11).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.console.panels import Lookup, Panel, Series, headings, lines_of, marks_of, written
from localcloud.aws.metrics.data import answered
from localcloud.aws.metrics.published import published

_VIEWS: Final = {"timeSeries": "line", "singleValue": "number"}
_PERIOD_S: Final = 300
_POINTS_MAX: Final = 1440
"""Maximum points of one series on the page; beyond that a longer period is used, as in CloudWatch."""
_OWN: Final = ("AWS/SageMaker", "/aws/sagemaker/Endpoints", "/aws/sagemaker/InferenceComponents")


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One row of `metrics`: a metric, or an expression if it has no namespace."""

    id: str
    namespace: str
    name: str
    dimensions: dict[str, str]
    options: Mapping[str, Any]


def metric_panel(properties: Mapping[str, Any], lookup: Lookup) -> Panel:
    """Resolve a widget of type `metric`; one that only annotates an alarm shows the alarm's metric with its threshold."""
    annotations = properties.get("annotations") or {}
    view = str(properties.get("view", "timeSeries"))
    panel = Panel(
        kind="chart",
        **headings(properties),
        view=_VIEWS.get(view, view),
        stacked=bool(properties.get("stacked")),
        lines=lines_of(annotations),
        marks=marks_of(annotations),
        axes=dict(properties.get("yAxis") or {}),
    )
    rows = list(_rows(properties.get("metrics") or []))
    for arn in annotations.get("alarms") or []:
        rows += _alarm(panel, str(arn), len(rows), lookup)
    _fill(panel, rows, properties, lookup)
    return panel


def _fill(panel: Panel, rows: list[_Row], properties: Mapping[str, Any], lookup: Lookup) -> None:
    """Query the rows' data, or note why there is none."""
    queries = [_query(row, properties, lookup) for row in rows]
    visible = {row.id: row for row in rows if row.options.get("visible", True)}
    backend = cloudwatch_backends[lookup.account][str(properties.get("region") or lookup.region)]
    start, end = (datetime.fromtimestamp(moment, UTC) for moment in (lookup.start, lookup.end))
    try:
        results = answered(backend, queries, start, end, "TimestampAscending") if queries else []
    except ValidationError as error:
        panel.notes.append(str(error.message))
        return
    points = published(backend)
    for result in results:
        row = visible.get(str(result["id"]))
        if row is None:
            continue
        times = [stamp.replace(tzinfo=UTC).timestamp() for stamp in result["timestamps"]]
        query = next(query for query in queries if query["Id"] == row.id)
        series = Series(
            label=str(result["label"]),
            points=dict(zip(times, result["values"], strict=True)),
            period_s=int(query.get("Period") or query["MetricStat"]["Period"]),
            unit=_unit(points.get(_key(row), [])),
            axis=str(row.options.get("yAxis", "left")),
            color=str(row.options.get("color", "")),
        )
        label = str(row.options.get("label") or "")
        series.label = written(label, series, row.dimensions) if "${" in label else series.label
        panel.series.append(series)
    if not any(series.points for series in panel.series):
        panel.notes += _why(rows, points, lookup)


def _rows(metrics: list[Any]) -> Iterator[_Row]:
    """Rows of `metrics`, expanded: `.` repeats one part of the preceding row, `...` all parts that are not given."""
    before: list[str] = []
    for number, row in enumerate(metrics):
        options = row[-1] if row and isinstance(row[-1], dict) else {}
        parts = [str(part) for part in (row[:-1] if options else row)]
        if "..." in parts:
            at = parts.index("...")
            rest = parts[at + 1 :]
            parts = [*parts[:at], *before[at : len(before) - len(rest)], *rest]
        parts = [before[index] if part == "." and index < len(before) else part for index, part in enumerate(parts)]
        before = parts or before
        namespace, name = [*parts, "", ""][:2]
        dimensions = dict(zip(parts[2::2], parts[3::2], strict=False))
        identifier = str(options.get("id") or f"row{number}")
        yield _Row(id=identifier, namespace=namespace, name=name, dimensions=dimensions, options=options)


def _query(row: _Row, properties: Mapping[str, Any], lookup: Lookup) -> dict[str, Any]:
    """The row as a query of GetMetricData."""
    period = _period(row, properties, lookup)
    shared = {"Id": row.id, "ReturnData": bool(row.options.get("visible", True))}
    label = str(row.options.get("label") or "")
    if label and "${" not in label:
        shared["Label"] = label
    if not row.namespace:
        return shared | {"Expression": str(row.options.get("expression", "")), "Period": period}
    dimensions = [{"Name": name, "Value": value} for name, value in row.dimensions.items()]
    metric = {"Namespace": row.namespace, "MetricName": row.name, "Dimensions": dimensions}
    stat = str(row.options.get("stat") or properties.get("stat") or "Average")
    return shared | {"MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}


def _period(row: _Row, properties: Mapping[str, Any], lookup: Lookup) -> int:
    if properties.get("setPeriodToTimeRange") and properties.get("view") not in (None, "timeSeries"):
        return max(1, math.ceil(lookup.seconds))
    period = int(row.options.get("period") or properties.get("period") or _PERIOD_S)
    return period * max(1, math.ceil(lookup.seconds / period / _POINTS_MAX))


def _alarm(panel: Panel, arn: str, number: int, lookup: Lookup) -> list[_Row]:
    """Rows of an alarm's metric; its threshold becomes a line of the panel."""
    alarms = cloudwatch_backends[lookup.account][lookup.region].alarms.values()
    alarm = next((alarm for alarm in alarms if alarm.alarm_arn == arn), None)
    if alarm is None:
        panel.notes.append(f"the alarm {arn.rpartition(':')[2]} does not exist")
        return []
    panel.title = panel.title or str(alarm.name)
    panel.extra["alarms"] = [{"name": alarm.name, "state": alarm.state_value}]
    if not alarm.metric_name:
        panel.notes.append(f"the alarm {alarm.name} is {alarm.state_value}; it has no single metric to draw")
        return []
    panel.lines.append({"low": float(alarm.threshold), "label": "alarm", "color": "", "axis": "left", "fill": "none"})
    options = {"stat": alarm.extended_statistic or alarm.statistic, "period": int(alarm.period or 60)}
    dimensions = {dimension.name: dimension.value for dimension in alarm.dimensions}
    row = _Row(
        id=f"alarm{number}",
        namespace=alarm.namespace,
        name=alarm.metric_name,
        dimensions=dimensions,
        options=options,
    )
    return [row]


def _key(row: _Row) -> tuple[str, str, frozenset[tuple[str, str]]]:
    return (row.namespace, row.name, frozenset(row.dimensions.items()))


def _unit(points: list[tuple[float, Any]]) -> str:
    unit = str(points[-1][1].unit or "") if points else ""
    return "" if unit == "None" else unit


def _why(rows: list[_Row], points: Mapping[Any, list[tuple[float, Any]]], lookup: Lookup) -> list[str]:
    """Say for every metric of an empty panel why there is nothing to draw."""
    if not any(row.namespace for row in rows):
        searched = [str(row.options.get("expression", "")) for row in rows]
        return [f"no published metric is found by {text}" for text in searched]
    rows = [row for row in rows if row.namespace]
    notes = []
    for row in rows:
        where = f" of {' '.join(row.dimensions.values())}" if row.dimensions else ""
        known = points.get(_key(row), [])
        if known:
            last = datetime.fromtimestamp(known[-1][0], UTC)
            side = "before" if known[-1][0] < lookup.start else "within"
            notes.append(f"the last value of {row.name}{where} is from {last:%H:%M:%S} UTC, {side} the range shown")
        elif row.namespace not in _OWN:
            notes.append(f"nobody has published {row.namespace} {row.name}{where}")
        elif any(name == row.name for _, name, _ in points):
            notes.append(f"{row.name} has been published, but not{where or ' without dimensions'}")
        else:
            notes.append(
                f"{row.name} has not been published{where}: no request yet, no instance, or a metric that the embedded AWS lacks"
            )
    return notes
