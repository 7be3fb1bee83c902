"""Figures that reports show and comparisons judge, each over the repeats of a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cdk_sglang.benchmarking.outcomes import counted, error_words, flaws_of
from cdk_sglang.benchmarking.result import Band, Measurement, Planned
from cdk_sglang.benchmarking.statistics import Interval, interval


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of a measurement.

    Args:
        name: Name with its unit.
        value: Returns it; None where the measurement has none.
        band: Returns the plan's band for it; None where the plan has none.
        is_better_low: Whether less is better.
        is_judged: Whether a comparison decides by it.
    """

    name: str
    value: Callable[[Measurement], float | None]
    band: Callable[[Planned], Band | None]
    is_better_low: bool
    is_judged: bool = True


def _none(_: Planned) -> None:
    return None


FIGURES: Final = (
    Figure(
        name="TTFT ms",
        value=lambda one: None if one.figures.ttft_ms is None else one.figures.ttft_ms.mean,
        band=lambda planned: planned.ttft_ms,
        is_better_low=True,
    ),
    Figure(
        name="TTFT p95 ms",
        value=lambda one: None if one.figures.ttft_ms is None else one.figures.ttft_ms.p95,
        band=_none,
        is_better_low=True,
        is_judged=False,
    ),
    Figure(
        name="TPOT ms",
        value=lambda one: None if one.figures.tpot_ms is None else one.figures.tpot_ms.mean,
        band=lambda planned: planned.tpot_ms,
        is_better_low=True,
    ),
    Figure(
        name="request p95 ms",
        value=lambda one: None if one.figures.request_ms is None else one.figures.request_ms.p95,
        band=_none,
        is_better_low=True,
        is_judged=False,
    ),
    Figure(
        name="output tokens/s",
        value=lambda one: one.figures.output_tok_s or None,
        band=lambda planned: planned.output_tok_s,
        is_better_low=False,
    ),
    Figure(name="goodput/s", value=lambda one: one.figures.goodput_s, band=_none, is_better_low=False),
    Figure(
        name="$/1M output tokens",
        value=lambda one: one.usd_per_million_output_tokens,
        band=_none,
        is_better_low=True,
        is_judged=False,
    ),
)


def steps_of(measurements: Sequence[Measurement]) -> dict[int, list[Measurement]]:
    """Return the repeats of each step, from the least load to the most."""
    steps: dict[int, list[Measurement]] = {}
    for one in sorted(measurements, key=lambda one: (one.step, one.repeat)):
        steps.setdefault(one.step, []).append(one)
    return steps


def label_of(one: Measurement) -> str:
    """Return the load of a measurement in words."""
    return f"{one.concurrency} in flight" if one.request_rate is None else f"{one.request_rate:g}/s"


def marked_label(repeats: Sequence[Measurement]) -> str:
    """Return the load of a step in words, with what is wrong about its repeats, such as "16 in flight (1 of 3 partial)"."""
    flaws = flaws_of(repeats)
    words = ", ".join(
        flaw if count == len(repeats) else f"{count} of {len(repeats)} {flaw}" for flaw, count in flaws.items()
    )
    return label_of(repeats[0]) + (f" ({words})" if words else "")


def values_of(figure: Figure, repeats: Sequence[Measurement]) -> list[float]:
    """Return a figure of every repeat that has one."""
    return [value for one in repeats if (value := figure.value(one)) is not None]


def interval_of(figure: Figure, repeats: Sequence[Measurement]) -> Interval | None:
    """Return a figure over the repeats of a step that count, over all if none does; None if no repeat has one."""
    values = values_of(figure, counted(repeats) or repeats)
    return interval(values) if values else None


@dataclass(frozen=True, kw_only=True)
class Held:
    """A measured figure with the plan's band.

    Args:
        figure: Name of the figure.
        measured: The figure over the repeats.
        band: The plan's band.
    """

    figure: str
    measured: Interval
    band: Band

    @property
    def is_inside(self) -> bool:
        """Whether the measured mean lies within the band."""
        return self.band.low <= self.measured.mean <= self.band.high

    @property
    def words(self) -> str:
        """Inside, above or below, with the distance to the planned value."""
        change = self.measured.mean / self.band.value - 1
        place = "inside" if self.is_inside else "above" if self.measured.mean > self.band.high else "below"
        return f"{place} ({change:+.0%})"


def held_against_plan(repeats: Sequence[Measurement]) -> list[Held]:
    """Return every figure of a step that the plan has a band for; nothing of a step whose figures do not count."""
    repeats = counted(repeats)
    planned = repeats[0].planned if repeats else None
    found = []
    for figure in FIGURES if planned is not None else ():
        assert planned is not None
        band, measured = figure.band(planned), interval_of(figure, repeats)
        if band is not None and measured is not None:
            found.append(Held(figure=figure.name, measured=measured, band=band))
    return found


def error_lines(measurements: Sequence[Measurement]) -> list[str]:
    """Return the kinds of errors at each load that has any, one line each.

    Args:
        measurements: A run.
    """
    found = []
    for repeats in steps_of(measurements).values():
        errors = Counter[str]()
        for one in repeats:
            errors.update(one.figures.errors)
        if errors:
            found.append(f"failed at {label_of(repeats[0])}: {error_words(errors)}")
    return found
