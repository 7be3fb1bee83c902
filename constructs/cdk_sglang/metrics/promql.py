"""PromQL over the metrics of `series`: every query accepts every spelling of a name, and classic as well as native histograms.

Labels with dots are quoted in selectors and in `by`, as CloudWatch and Prometheus 3 read them
(https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-detailed-observability-promql.html, read 2026-11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cdk_sglang.metrics.first_events import counted_events
from cdk_sglang.metrics.ranges import seconds
from cdk_sglang.metrics.series import COMPONENT, ENDPOINT, Series, series

_PLAIN_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Series that a query reads.

    Attributes:
        endpoint: Name of an endpoint; every endpoint by default.
        component: Name of a component in SageMaker; every component by default.
        labels: Further labels and their values.
        patterns: Further labels and regular expressions that their whole values match.
    """

    endpoint: str | None = None
    component: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)

    @property
    def matchers(self) -> str:
        """Matchers of a selector, without its braces."""
        values = {ENDPOINT: self.endpoint, COMPONENT: self.component, **self.labels}
        equal = [f"{label(name)}={quoted(value)}" for name, value in values.items() if value is not None]
        return ",".join([*equal, *(f"{label(name)}=~{quoted(pattern)}" for name, pattern in self.patterns.items())])

    def where(self, *, labels: Mapping[str, str] | None = None, patterns: Mapping[str, str] | None = None) -> Place:
        """Return the series of this place with further labels.

        Args:
            labels: Labels and their values.
            patterns: Labels and regular expressions that their whole values match.
        """
        return replace(self, labels={**self.labels, **(labels or {})}, patterns={**self.patterns, **(patterns or {})})


EVERYWHERE: Final = Place()


def label(name: str) -> str:
    """Return a label as PromQL writes it."""
    return name if _PLAIN_LABEL.fullmatch(name) else quoted(name)


def quoted(text: str) -> str:
    """Return a text as PromQL writes it."""
    return json.dumps(text, ensure_ascii=False)


def by(labels: Sequence[str]) -> str:
    """Return the clause that keeps some labels of an aggregation; the empty clause keeps none."""
    return f" by ({', '.join(map(label, labels))})" if labels else ""


def either(queries: Iterable[str]) -> str:
    """Return a query that has the series of the first query that has any, and those that the others add."""
    return " or ".join(f"({query})" for query in queries)


def _each(key: str, render: Callable[[Series, str], str]) -> str:
    metric = series()[key]
    return either(render(metric, name) for name in metric.names)


def _selector(name: str, place: Place) -> str:
    """Return a selector; a name with more than letters, digits, underscores and colons has to be quoted."""
    return f"{name}{{{place.matchers}}}"


def gauge(
    key: str, place: Place = EVERYWHERE, *, aggregate: str = "sum", labels: Sequence[str] = (), over: str | None = None
) -> str:
    """Return a query for a gauge.

    Args:
        key: Key of the metric.
        place: Series that are read.
        aggregate: PromQL aggregation over copies or GPUs, such as sum, max or avg.
        labels: Labels that stay.
        over: PromQL function and range of each series first, such as `avg_over_time[5m]`; the latest value by default.
    """

    def render(metric: Series, name: str) -> str:
        del metric
        selector = _selector(name, place)
        if over is not None:
            function, _, window = over.partition("[")
            selector = f"{function}({selector}[{window})"
        return f"{aggregate}{by(labels)} ({selector})"

    return _each(key, render)


def rate(key: str, place: Place = EVERYWHERE, *, window: str = "5m", labels: Sequence[str] = ()) -> str:
    """Return a query for the growth of a counter per second, summed over copies."""
    return _each(key, lambda _, name: f"sum{by(labels)} (rate({_selector(name, place)}[{window}]))")


def increase(key: str, place: Place = EVERYWHERE, *, window: str, labels: Sequence[str] = ()) -> str:
    """Return a query for the growth of a counter within a window, summed over copies.

    A series that begins in the window has no earlier sample to grow from, so its first value is not part of the growth: `events` counts it.
    """
    return _each(key, lambda _, name: f"sum{by(labels)} (increase({_selector(name, place)}[{window}]))")


def events(
    key: str, place: Place = EVERYWHERE, *, window: str, labels: Sequence[str] = (), resets: bool = False
) -> str:
    """Return a query for the number of events that a counter or histogram counted within a window, the first of a series included.

    Many counters are published only after their first event, as 1: of such a series `increase` is 0, although it stands for an event.

    Args:
        key: Key of a counter, or of a histogram, whose observations are the events.
        place: Series that are read.
        window: Range, such as 15m; of a day or more, for which no earlier samples can be read, it is the plain increase.
        labels: Labels that stay.
        resets: Whether a series that began anew and has passed its earlier value since is noticed, as an alarm needs.
    """
    metric, kept = series()[key], by(labels)

    def summed(name: str, *, part: str = "") -> str:
        return f"sum{kept} ({counted_events(_selector(name, place), window, part=part, resets=resets)})"

    if metric.kind != "histogram":
        return either(map(summed, metric.names))
    return either(
        [
            *(summed(f"{name}_count") for name in metric.names),
            *(summed(name, part="histogram_count") for name in metric.names),
        ]
    )


def mean_of_events(key: str, place: Place = EVERYWHERE, *, window: str, labels: Sequence[str] = ()) -> str:
    """Return a query for the mean of a histogram over the events of a window, the first of a series included; nothing if there was none.

    Args:
        key: Key of a histogram of rare events, such as starts of copies; `mean` is for what happens all the time.
        place: Series that are read.
        window: Range, such as 1h.
        labels: Labels that stay.
    """
    metric, kept = series()[key], by(labels)

    def divided(name: str, total: str, count: str, parts: tuple[str, str] = ("", "")) -> str:
        of_total, of_count = (
            f"sum{kept} ({counted_events(_selector(f'{name}{end}', place), window, part=part)})"
            for end, part in ((total, parts[0]), (count, parts[1]))
        )
        return f"{of_total} / ({of_count} > 0)"

    return either(
        [
            *(divided(name, "_sum", "_count") for name in metric.names),
            *(divided(name, "", "", ("histogram_sum", "histogram_count")) for name in metric.names),
        ]
    )


def rate_or_zero(key: str, place: Place = EVERYWHERE, *, window: str = "5m", labels: Sequence[str] = ()) -> str:
    """Return a query for the events per second of a counter that SGLang publishes only after the first: 0 while a copy runs without one."""
    running = gauge("running_requests", place, labels=labels)
    return f"(({events(key, place, window=window, labels=labels)}) / {seconds(window)}) or (0 * ({running}))"


def quantile(
    share: float, key: str, place: Place = EVERYWHERE, *, window: str = "5m", labels: Sequence[str] = ()
) -> str:
    """Return a query for a quantile of a histogram, whether its buckets are series or native."""
    metric = series()[key]
    classic = (
        f"histogram_quantile({share:g}, sum{by([*labels, 'le'])} (rate({_selector(f'{name}_bucket', place)}[{window}])))"
        for name in metric.names
    )
    native = (
        f"histogram_quantile({share:g}, sum{by(labels)} (rate({_selector(name, place)}[{window}])))"
        for name in metric.names
    )
    return either([*classic, *native])


def mean(key: str, place: Place = EVERYWHERE, *, window: str = "5m", labels: Sequence[str] = ()) -> str:
    """Return a query for the mean of a histogram, whether its sum and count are series or native."""
    metric, kept = series()[key], by(labels)
    classic = (
        f"sum{kept} (rate({_selector(f'{name}_sum', place)}[{window}]))"
        f" / sum{kept} (rate({_selector(f'{name}_count', place)}[{window}]))"
        for name in metric.names
    )
    native = (
        f"histogram_sum(sum{kept} (rate({_selector(name, place)}[{window}])))"
        f" / histogram_count(sum{kept} (rate({_selector(name, place)}[{window}])))"
        for name in metric.names
    )
    return either([*classic, *native])


def share_above(bound: float, key: str, place: Place = EVERYWHERE, *, window: str, labels: Sequence[str] = ()) -> str:
    """Return a query for the share of observations above a bound.

    Args:
        bound: Bound in the unit of the metric; of a histogram with series for buckets it has to be a bound of a bucket
            (`bucket_at_most`).
        key: Key of the histogram.
        place: Series that are read.
        window: Range that is looked at, such as 1h.
        labels: Labels that stay.
    """
    metric, kept = series()[key], by(labels)
    classic = (
        f"1 - sum{kept} (rate({_selector(f'{name}_bucket', _at(place, bound))}[{window}]))"
        f" / sum{kept} (rate({_selector(f'{name}_count', place)}[{window}]))"
        for name in metric.names
    )
    native = (
        f"1 - histogram_fraction(0, {bound:g}, sum{kept} (rate({_selector(name, place)}[{window}])))"
        for name in metric.names
    )
    return either([*classic, *native])


def observations(key: str, place: Place = EVERYWHERE, *, window: str, labels: Sequence[str] = ()) -> str:
    """Return a query for the number of observations of a histogram within a window, whether its count is a series or native."""
    metric, kept = series()[key], by(labels)
    classic = (f"sum{kept} (increase({_selector(f'{name}_count', place)}[{window}]))" for name in metric.names)
    native = (f"histogram_count(sum{kept} (increase({_selector(name, place)}[{window}])))" for name in metric.names)
    return either([*classic, *native])


def distinct(key: str, label_names: Sequence[str], place: Place = EVERYWHERE, *, labels: Sequence[str] = ()) -> str:
    """Return a query for the number of distinct values that some labels have together, such as copies or instances.

    Args:
        key: Key of a gauge.
        label_names: Labels that are counted.
        place: Series that are read.
        labels: Labels that stay.
    """
    inner = by([*labels, *label_names])
    return _each(key, lambda _, name: f"count{by(labels)} (count{inner} ({_selector(name, place)}))")


def _at(place: Place, bound: float) -> Place:
    """Return the series of one bucket: Python's client and Prometheus 3 write a whole bound as `1.0`, other clients as `1`."""
    if float(bound).is_integer():
        return place.where(patterns={"le": rf"{int(bound)}(\.0)?"})
    return place.where(labels={"le": str(float(bound))})
