"""Compares two runs of the same workload: what changed between them, and which figures differ by more than noise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cdk_sglang.benchmarking.copies import copies_words
from cdk_sglang.benchmarking.figures import FIGURES, Figure, label_of, steps_of, values_of
from cdk_sglang.benchmarking.outcomes import FAILING, counted, error_rate, error_words, flaw_of, flaws_of
from cdk_sglang.benchmarking.result import Measurement
from cdk_sglang.benchmarking.statistics import CONFIDENCE, Interval, Noise, interval, noise_of, relative_change
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem

TOLERANCE: Final = 0.05
"""Relative difference that is no regression whatever the noise: runs on the same machine minutes apart differ by a few per cent."""


class Verdict(StrEnum):
    """Result of the comparison of a figure."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "within noise"
    UNKNOWN = "one repeat"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A difference in the setup of two runs.

    Args:
        what: Its name.
        before: Its earlier value.
        after: Its later value.
    """

    what: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A figure at one load in both runs.

    Args:
        load: The load in words.
        figure: The figure.
        before: Mean of the earlier repeats.
        after: Mean of the later repeats.
        change: Relative change and its interval; None where a mean is zero.
        verdict: Result of the comparison.
    """

    load: str
    figure: Figure
    before: float
    after: float
    change: Interval | None
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Comparison of two runs.

    Args:
        changes: What differs in what was measured.
        differences: Judged figures of each load that both runs have.
        notes: What was left out.
        failing: Loads at which too many requests fail in the later run and not in the earlier one, in words.
    """

    changes: tuple[Change, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    failing: tuple[str, ...] = ()

    @property
    def regressions(self) -> list[Difference]:
        """Figures that are worse by more than noise and tolerance."""
        return [one for one in self.differences if one.verdict is Verdict.WORSE]


def compare(before: Sequence[Measurement], after: Sequence[Measurement], *, tolerance: float = TOLERANCE) -> Comparison:
    """Compare two runs.

    The interval of a change is Student's over the repeats' logarithms, with the noise of the figure at all loads of both runs, at 95 %
    for all judged figures together (Bonferroni): of twenty comparisons of equal fleets at most about one gives a false alarm.

    Args:
        before: The earlier run.
        after: The later run.
        tolerance: Relative difference that is no regression whatever the noise.

    Raises:
        ConfigurationError: The runs sent different requests, or have no complete repeat of the same load.
    """
    problems = []
    if before[0].workload_hash != after[0].workload_hash:
        problems.append(
            Problem("compare", f"the runs sent different requests: {_requests_differ(before[0], after[0])}")
        )
    raise_if_any(problems)
    notes = [note for run in (before, after) for note in _left_out(run)]
    kept = [steps_of(counted(run)) for run in (before, after)]
    shared = [step for step in kept[0] if step in kept[1]]
    if not shared:
        text = "the runs have no complete repeat of the same load; run both to their end"
        raise_if_any([Problem("compare", "; ".join([text, *notes]))])
    pairs = [(kept[0][step], kept[1][step], figure) for step in shared for figure in FIGURES if figure.is_judged]
    pairs = [pair for pair in pairs if values_of(pair[2], pair[0]) and values_of(pair[2], pair[1])]
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(pairs))
    noise = {figure.name: _noise(pairs, figure) for figure in FIGURES}
    return Comparison(
        changes=tuple(changes_between(before, after)),
        differences=tuple(
            _difference(*pair, noise=noise[pair[2].name], confidence=confidence, tolerance=tolerance) for pair in pairs
        ),
        notes=(*notes, *_errors(kept[0], kept[1], shared)),
        failing=tuple(_failing(kept[0], kept[1], steps_of(after))),
    )


def _left_out(run: Sequence[Measurement]) -> list[str]:
    return [
        f"run {run[0].run}: {count} {flaw} repeats are left out ({run[0].outcome})"
        for flaw, count in flaws_of(run).items()
    ]


def _failing(
    before: Mapping[int, list[Measurement]],
    after: Mapping[int, list[Measurement]],
    measured: Mapping[int, list[Measurement]],
) -> list[str]:
    """Return the loads at which the later run has too many errors while the figures of the earlier one count."""
    found = []
    for step, repeats in measured.items():
        flawed = [one.figures for one in repeats if flaw_of(one) == FAILING]
        if step in before and step not in after and flawed:
            worst = max(flawed, key=error_rate)
            found.append(
                f"at {label_of(repeats[0])} {worst.failed} of {worst.failed + worst.requests} requests failed ({error_words(worst.errors)}); "
                f"{_rate(before[step]):.1%} did before"
            )
    return found


def _errors(
    before: Mapping[int, list[Measurement]], after: Mapping[int, list[Measurement]], shared: Sequence[int]
) -> list[str]:
    """Return the loads at which some requests failed: latencies are those of the others, which may be easier ones."""
    rates = [(label_of(before[step][0]), _rate(before[step]), _rate(after[step])) for step in shared]
    return [
        f"at {load} {first:.1%} of requests failed before and {second:.1%} after; the figures are of the others"
        for load, first, second in rates
        if first or second
    ]


def _rate(repeats: Sequence[Measurement]) -> float:
    failed, answered = (sum(getattr(one.figures, name) for one in repeats) for name in ("failed", "requests"))
    return failed / (failed + answered) if failed else 0.0


def _noise(pairs: Sequence[tuple[list[Measurement], list[Measurement], Figure]], figure: Figure) -> Noise | None:
    samples = [values_of(figure, run) for before, after, one in pairs if one is figure for run in (before, after)]
    return noise_of([values for values in samples if min(values) > 0])


def _difference(
    before: Sequence[Measurement],
    after: Sequence[Measurement],
    figure: Figure,
    *,
    noise: Noise | None,
    confidence: float,
    tolerance: float,
) -> Difference:
    first, second = values_of(figure, before), values_of(figure, after)
    means = interval(first).mean, interval(second).mean
    change = None if min(*first, *second) <= 0 else relative_change(first, second, noise=noise, confidence=confidence)
    return Difference(
        load=label_of(before[0]),
        figure=figure,
        before=means[0],
        after=means[1],
        change=change,
        verdict=_verdict(figure, means, change, tolerance),
    )


def _verdict(figure: Figure, means: tuple[float, float], change: Interval | None, tolerance: float) -> Verdict:
    if change is None:  # a figure of zero has no relative change: goodput that vanished or appeared
        if means[0] == means[1]:
            return Verdict.SAME
        return Verdict.UNKNOWN if min(means) > 0 else _direction(figure, is_more=means[1] > 0)
    if change.low is None or change.high is None:
        return Verdict.UNKNOWN
    if change.low > tolerance or change.high < -tolerance:
        return _direction(figure, is_more=change.low > 0)
    return Verdict.SAME


def _direction(figure: Figure, *, is_more: bool) -> Verdict:
    return Verdict.WORSE if is_more is figure.is_better_low else Verdict.BETTER


_COMPARED: Final = ("image", "sglang_version", "model", "model_revision", "instance", "instances", "gpus")


def changes_between(earlier: Sequence[Measurement], later: Sequence[Measurement]) -> list[Change]:
    """Return the differences between the deployments of two runs, with each SGLang option separately, and in the copies that answered."""
    before, after = earlier[-1], later[-1]
    pairs = [("copies", copies_words(earlier), copies_words(later))]
    pairs += [(name, getattr(before.deployed, name), getattr(after.deployed, name)) for name in _COMPARED]
    pairs += [(name, getattr(before, name), getattr(after, name)) for name in ("runner", "tool_version", "region")]
    first, second = json.loads(before.deployed.options), json.loads(after.deployed.options)
    pairs += [(name, first.get(name, "not set"), second.get(name, "not set")) for name in sorted({*first, *second})]
    return [Change(what=what, before=str(old), after=str(new)) for what, old, new in pairs if old != new]


def _requests_differ(before: Measurement, after: Measurement) -> str:
    first, second = json.loads(before.workload_content), json.loads(after.workload_content)
    names = [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]
    return f"{', '.join(names) or 'workload'} of {before.run} and {after.run}; compare runs of one workload"
