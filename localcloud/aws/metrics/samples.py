"""Samples that PromQL reads: one series per set of labels, kept for four days, belonging to the state of one account and Region."""

from __future__ import annotations

import bisect
import threading
from array import array
from collections.abc import Iterable, Mapping, Sequence
from weakref import WeakKeyDictionary

from localcloud.aws.hosting.store import Store
from localcloud.aws.metrics.promql.functions import fulfils
from localcloud.aws.metrics.promql.nodes import Matcher
from localcloud.aws.metrics.promql.values import NAME, Key, Labels, Points, key

KEPT_S = 4 * 86400.0
"""Seconds that samples are kept: the longest window of a burn-rate alarm is three days, with a margin. AWS keeps them for longer."""
_FORGET_EVERY_S = 3600.0


class Samples:
    """Series in memory."""

    def __init__(self) -> None:
        self._series: dict[Key, Points] = {}
        self._by_name: dict[str, list[Points]] = {}
        self._lock = threading.Lock()
        self._forgotten = 0.0

    def add(self, labels: Labels, at: float, value: float) -> None:
        """Append a sample; one that is not newer than the last of its series is dropped, and empty labels do not exist."""
        labels = {label: text for label, text in labels.items() if text}
        with self._lock:
            series = self._series.get(key(labels))
            if series is None:
                series = self._series[key(labels)] = Points(labels, array("d"), array("d"), array("d"))
                self._by_name.setdefault(labels.get(NAME, ""), []).append(series)
            if not series.times or at > series.times[-1]:
                assert isinstance(series.times, array)
                assert isinstance(series.values, array)
                assert isinstance(series.falls, array)
                if series.values and value < series.values[-1]:
                    series.falls.append(at)
                series.values.append(value)  # before its time: readers look for times
                series.times.append(at)
            if at - self._forgotten >= _FORGET_EVERY_S:
                self._forget(at - KEPT_S)
                self._forgotten = at

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> list[Points]:
        """Return the series that fulfil every matcher and have samples within the times."""
        names = [matcher.value for matcher in matchers if matcher.label == NAME and matcher.operator == "="]
        with self._lock:
            candidates = list(self._by_name.get(names[0], [])) if names else list(self._series.values())
        return [
            series
            for series in candidates
            if _overlaps(series, start, end) and all(fulfils(series.labels, matcher) for matcher in matchers)
        ]

    def _forget(self, before: float) -> None:
        kept: dict[Key, Points] = {}
        for identity, series in self._series.items():
            first = bisect.bisect_left(series.times, before)
            if first < len(series.times):
                kept[identity] = _without(series, first) if first else series
        self._series = kept
        self._by_name = {}
        for series in kept.values():
            self._by_name.setdefault(series.labels.get(NAME, ""), []).append(series)


def _without(series: Points, count: int) -> Points:
    """Series without its oldest samples; times at which its value fell may remain, since they are before every range."""
    return Points(series.labels, series.times[count:], series.values[count:], series.falls)


def _overlaps(series: Points, start: float, end: float) -> bool:
    return bool(series.times) and series.times[0] <= end and series.times[-1] >= start


_samples: WeakKeyDictionary[Store, Samples] = WeakKeyDictionary()


def samples_of(state: Store) -> Samples:
    """Samples of a state, created on first use; a reset of the state empties them."""
    return _samples.setdefault(state, Samples())


def add_all(state: Store, at: float, readings: Iterable[tuple[str, Mapping[str, str], float]], labels: Labels) -> None:
    """Append readings, each a name, its labels and a value, with further labels."""
    target = samples_of(state)
    for name, own, value in readings:
        target.add({NAME: name, **own, **labels}, at, value)
