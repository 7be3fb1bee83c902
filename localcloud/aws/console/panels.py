"""Panels: a widget of any type in the form in which the page draws it."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypedDict

_DYNAMIC: Final = re.compile(r"\$\{(?P<what>[A-Z]+)(?:\('(?P<of>[^']*)'\))?\}")
_LOW, _HIGH = ", low", ", high"
"""Endings of the labels of two flat lines that stand for a band: a chart widget has horizontal lines, but no bands."""
_PAUSE: Final = 2.5
"""Number of periods without any value after which lines are interrupted."""
_ADVICE: Final = " · "
"""Separator between title and advice in widgets without a description."""


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """Context in which a widget is resolved.

    Attributes:
        account: Account id.
        region: Region of the dashboard.
        start: Start of the time range, in seconds since the epoch.
        end: Its end.
    """

    account: str
    region: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Length of the time range."""
        return self.end - self.start


@dataclass(kw_only=True)
class Series:
    """A series of a panel: its value by time in seconds since the epoch, and how it is drawn."""

    label: str
    points: dict[float, float]
    period_s: int
    unit: str = ""
    axis: str = "left"
    color: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Panel:
    """A widget with its data.

    Attributes:
        kind: text, alarms, or chart.
        title: Title.
        advice: What to do when the panel looks wrong; empty if the dashboard does not say.
        view: Type of drawing: line, bar, pie, number, gauge, heatmap, table, scatter or column.
        series: Series with their values.
        lines: Thresholds and bands.
        marks: Moments marked on the axis of time.
        axes: Options of the left and the right axis.
        notes: Why there is no data, or which part of it is missing; one sentence each.
        extra: Members that only this kind of panel has.
    """

    kind: str
    title: str = ""
    advice: str = ""
    view: str = "line"
    stacked: bool = False
    series: list[Series] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    axes: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def body(self, lookup: Lookup) -> dict[str, Any]:
        """The panel as JSON: series have one value for each of the panel's times, null where there is none."""
        drawn = [series for series in self.series if any(map(math.isfinite, series.points.values()))]
        if not drawn and any(series.points for series in self.series):
            self.notes.append(
                "every value is a division of zero by zero: nothing of this kind has happened in the range"
            )
        bands = _bands([series.label for series in drawn])
        if bands and len(drawn) == 2 * len(bands):
            self.notes.append("only the band is drawn: the other queries find no series in this time range")
        times = _times(drawn)
        return {
            "kind": self.kind,
            "title": self.title,
            "advice": self.advice,
            "view": self.view,
            "stacked": self.stacked,
            "start": lookup.start,
            "end": lookup.end,
            "times": times,
            "series": [_series(series, times) for series in drawn],
            "bands": bands,
            "lines": self.lines,
            "marks": self.marks,
            "axes": self.axes,
            "notes": list(dict.fromkeys(self.notes)),
            **self.extra,
        }


class Headings(TypedDict):
    """Title and advice of a panel."""

    title: str
    advice: str


def headings(properties: Mapping[str, Any]) -> Headings:
    """Title and advice of a widget."""
    title, _, rest = str(properties.get("title") or "").partition(_ADVICE)
    return {"title": title, "advice": str(properties.get("description") or rest)}


def lines_of(annotations: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Horizontal annotations: thresholds, and bands between two values."""
    lines = []
    for line in annotations.get("horizontal") or []:
        first, last = (line[0], line[-1]) if isinstance(line, list) else (line, None)
        value = {"low": first["value"], "label": first.get("label", ""), "color": first.get("color", "")}
        high = {"high": last["value"]} if last is not None else {}
        lines.append(value | high | {"axis": first.get("yAxis", "left"), "fill": first.get("fill", "none")})
    return lines


def marks_of(annotations: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Vertical annotations: points in time, and ranges between two of them."""
    marks = []
    for mark in annotations.get("vertical") or []:
        first, last = (mark[0], mark[-1]) if isinstance(mark, list) else (mark, None)
        end = {"end": _moment(last["value"])} if last is not None else {}
        value = {"time": _moment(first["value"]), "label": first.get("label", ""), "color": first.get("color", "")}
        marks.append(value | end)
    return marks


def written(label: str, series: Series, properties: Mapping[str, str]) -> str:
    """A label with its dynamic parts replaced, such as `${AVG}` and `${PROP('EndpointName')}`."""
    values = list(series.points.values())
    known = {
        "LAST": series.points[max(series.points)] if values else None,
        "FIRST": series.points[min(series.points)] if values else None,
        "AVG": sum(values) / len(values) if values else None,
        "MIN": min(values, default=None),
        "MAX": max(values, default=None),
        "SUM": sum(values),
        "DATAPOINT_COUNT": len(values),
    }

    def replaced(found: re.Match[str]) -> str:
        what, of = found["what"], found["of"]
        if what == "PROP" and of is not None:
            return properties.get(of.removeprefix("Dim."), "")
        if what == "LABEL":
            return series.label
        value = known.get(what)
        return "--" if value is None else f"{value:.4g}"

    return _DYNAMIC.sub(replaced, label)


def _moment(text: str) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


def _times(drawn: Iterable[Series]) -> list[float]:
    """Times of all points, with one after each pause that is longer than two periods, at which no series has a value."""
    times = sorted({time for series in drawn for time in series.points})
    period = max((series.period_s for series in drawn), default=0)
    breaks = {before + period for before, after in itertools.pairwise(times) if after - before > _PAUSE * period}
    return sorted({*times, *breaks})


def _series(series: Series, times: list[float]) -> dict[str, Any]:
    values = (series.points.get(time) for time in times)
    return {
        "label": series.label,
        "labels": series.labels,
        "unit": series.unit,
        "axis": series.axis,
        "color": series.color,
        "period": series.period_s,
        "values": [value if value is not None and math.isfinite(value) else None for value in values],
    }


def _bands(labels: list[str]) -> list[dict[str, Any]]:
    """Pairs of series that are the ends of a band, by their labels."""
    lows = {label.removesuffix(_LOW): index for index, label in enumerate(labels) if label.endswith(_LOW)}
    highs = {label.removesuffix(_HIGH): index for index, label in enumerate(labels) if label.endswith(_HIGH)}
    return [{"label": name, "low": lows[name], "high": highs[name]} for name in lows if name in highs]
