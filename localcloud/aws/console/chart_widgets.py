"""Widgets of type `chart`: queries in PromQL.

Properties: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Dashboard-Body-Structure.html (read 2026-11).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from localcloud.aws.console import promql
from localcloud.aws.console.panels import Lookup, Panel, Series, headings, lines_of, marks_of

_VIEWS: Final = {"solidgauge": "gauge", "legend": "table", "histogram": "bar"}
_POINTS: Final = 240
_STEP_LEAST_S: Final = 10
_VERBOSE: Final = "__verbose__"
"""Label that stands for all labels of a series."""
_NAME: Final = "__name__"
_GENERIC: Final = ("id", "name", "type")
"""Last parts of label names that mean nothing without the preceding part."""


def chart_panel(properties: Mapping[str, Any], lookup: Lookup) -> Panel:
    """Resolve a widget of type `chart`."""
    options = properties.get("plotOptions") or {}
    style = options.get("style") or options
    annotations = options.get("annotations") or properties.get("annotations") or {}
    view = str(properties.get("view", "line"))
    axes = options.get("yAxis") or []
    panel = Panel(
        kind="chart",
        **headings(properties),
        view=_VIEWS.get(view, view),
        stacked=bool((style.get("lineOptions") or {}).get("stacked")),
        lines=lines_of(annotations),
        marks=marks_of(annotations),
        axes={side: _axis(axis) for side, axis in zip(("left", "right"), axes, strict=False)},
        extra={"gauge": style.get("gaugeOptions") or options.get("gaugeOptions") or {}},
    )
    for query in (properties.get("data") or {}).get("queries") or []:
        if query.get("visible", True):
            _add(panel, query, lookup)
    if not any(series.points for series in panel.series) and not panel.notes:
        panel.notes.append("the queries find no series in this time range")
        panel.notes += filter(None, [promql.reason(lookup.account, lookup.region, _texts(properties))])
    return panel


def _texts(properties: Mapping[str, Any]) -> str:
    return " ".join(str(query.get("query")) for query in properties["data"]["queries"])


def _add(panel: Panel, query: Mapping[str, Any], lookup: Lookup) -> None:
    if query.get("language", "PromQL") != "PromQL":
        panel.notes.append(f"queries in {query['language']} are not answered by the embedded AWS")
        return
    step = int(
        query.get("step") or max(_STEP_LEAST_S, math.ceil(lookup.seconds / _POINTS / _STEP_LEAST_S) * _STEP_LEAST_S)
    )
    moments = promql.Range(start=lookup.start // step * step, end=lookup.end, step_s=step)
    try:
        found = promql.query_range(
            lookup.account, str(query.get("region") or lookup.region), str(query["query"]), moments
        )
    except promql.NoAnswerError as error:
        panel.notes.append(str(error))
        return
    shared = _shared([line.labels for line in found])
    for line in found:
        series = Series(label="", points=line.values, period_s=step, labels=line.labels)
        series.label = _label(str(query.get("label") or ""), line.labels, shared, several=len(found) > 1)
        panel.series.append(series)


def _label(query_label: str, labels: Mapping[str, str], shared: set[tuple[str, str]], *, several: bool) -> str:
    """Label of a series: the widget's, or the labels that distinguish it from the other series of its query."""
    name = labels.get(_NAME, "")
    if query_label == _VERBOSE:
        inner = ", ".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key != _NAME)
        return f"{name}{{{inner}}}"
    own = [
        f"{_short(key)} {value}" for key, value in sorted(labels.items()) if key != _NAME and (key, value) not in shared
    ]
    if query_label and not several:
        return query_label
    return " · ".join([*([query_label] if query_label else []), *own]) or name or "value"


def _short(label: str) -> str:
    """The most specific part of a label's name: `host` for `@resource.host.id`, which is too long for a legend."""
    *before, last = label.lstrip("@").split(".")
    return (before[-1] if before and last in _GENERIC else last).replace("_", " ")


def _shared(labels: list[dict[str, str]]) -> set[tuple[str, str]]:
    """Labels that all series have in common; empty for a single series."""
    return set.intersection(*(set(one.items()) for one in labels)) if len(labels) > 1 else set()


def _axis(axis: Mapping[str, Any]) -> dict[str, Any]:
    return {"label": axis.get("title") or axis.get("label") or "", "min": axis.get("min"), "max": axis.get("max")}
