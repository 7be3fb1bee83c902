"""Values of PromQL while a query is evaluated: samples with labels, and the series that they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from localcloud.aws.metrics.promql.nodes import Matcher, QueryError

NAME = "__name__"
Labels: TypeAlias = Mapping[str, str]
Key: TypeAlias = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Sample:
    """A value with its labels; an empty label does not exist."""

    labels: Labels
    value: float


@dataclass(frozen=True)
class Window:
    """Samples of one series within a range: the beginning of the range is excluded.

    Attributes:
        falls: Whether a value may be lower than the one before; False saves functions of counters from checking every value.
    """

    labels: Labels
    times: Sequence[float]
    values: Sequence[float]
    start: float
    end: float
    falls: bool = True


Vector: TypeAlias = list[Sample]
Matrix: TypeAlias = list[Window]
Value: TypeAlias = float | str | Vector | Matrix


@dataclass(frozen=True, eq=False)
class Points:
    """A series: its labels, its samples in the order of their times, and the times at which its value fell, None if unknown."""

    labels: Labels
    times: Sequence[float]
    values: Sequence[float]
    falls: Sequence[float] | None = None


class Source(Protocol):
    """What holds series."""

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterable[Points]:
        """Return the series that fulfil every matcher and have samples within the times; more samples than those are allowed."""


def key(labels: Labels) -> Key:
    """Identity of a set of labels."""
    return frozenset(labels.items())


def without_name(labels: Labels) -> dict[str, str]:
    """Labels without the name of the metric."""
    return {label: value for label, value in labels.items() if label != NAME}


def kept(labels: Labels, names: Iterable[str]) -> dict[str, str]:
    """Only some of the labels."""
    return {name: labels[name] for name in names if labels.get(name)}


def dropped(labels: Labels, names: Iterable[str]) -> dict[str, str]:
    """Every label but some, and but the name."""
    gone = {NAME, *names}
    return {label: value for label, value in labels.items() if label not in gone}


def distinct(vector: Vector) -> Vector:
    """Return a vector whose labels differ; raises QueryError for one in which they do not."""
    if len({key(sample.labels) for sample in vector}) < len(vector):
        raise QueryError("vector cannot contain metrics with the same labelset", kind="execution")
    return vector


def written(labels: Labels) -> str:
    """Labels as an error shows them."""
    return "{" + ", ".join(f'{label}="{value}"' for label, value in sorted(labels.items())) + "}"
