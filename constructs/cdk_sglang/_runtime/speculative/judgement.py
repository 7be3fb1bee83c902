"""The rule of the gate: significantly faster at every concurrency, by enough, and without too large a rise of the time to first token."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .statistics import Interval, interval, paired_ratio

YES, NO = "yes", "no"
_FIGURES = ("output_tok_s", "tpot_ms", "ttft_ms", "accept_length")
_IDLE_ACCEPT = 1.1
"""Accept length below which a draft has no effect: 1 is the token that the model generates anyway."""


def judged(
    measured: Mapping[int, Mapping[str, Sequence[Mapping[str, float | None]]]],
    *,
    min_speedup: float,
    max_ttft_regression: float,
) -> dict[str, Any]:
    """Return verdict, reasons and figures with their 95 % intervals.

    Args:
        measured: Figures of the repeats by concurrency, and by `base` and `draft`; repeats with the same number form a pair.
        min_speedup: Minimum mean ratio of output tokens per second, candidate over base.
        max_ttft_regression: Maximum mean increase in the time to first token, as a fraction.

    Returns:
        `verdict`, `reasons`, `speedup` (the minimum over all concurrencies), `accept_length` (mean; None if unknown) and `concurrency`.
    """
    against: list[str] = []
    rows: list[dict[str, Any]] = []
    speedups: list[float] = []
    for number, sides in sorted(measured.items()):
        base, draft = sides["base"], sides["draft"]
        speedup = paired_ratio(_values(base, "output_tok_s"), _values(draft, "output_tok_s"))
        ratio = paired_ratio(_values(base, "ttft_ms"), _values(draft, "ttft_ms"))
        change = Interval(
            mean=ratio.mean - 1,
            low=None if ratio.low is None else ratio.low - 1,
            high=None if ratio.high is None else ratio.high - 1,
        )
        speedups.append(speedup.mean)
        against += _against(number, speedup, change, min_speedup, max_ttft_regression)
        rows.append(
            {
                "concurrency": number,
                "base": _side(base),
                "draft": _side(draft),
                "speedup": speedup.rounded(),
                "ttft_change": change.rounded(),
            }
        )
    lengths = [value for sides in measured.values() for value in _values(sides["draft"], "accept_length")]
    length = math.fsum(lengths) / len(lengths) if lengths else None
    if length is not None and length < _IDLE_ACCEPT and against:
        against.append(
            f"accept length {length:.2f}: next to no draft token was accepted; the draft does not fit this model or this traffic"
        )
    least = min(speedups)
    reasons = against or [
        f"{least:.2f} times the output tokens per second or more at every concurrency, at least {min_speedup:g} asked"
    ]
    return {
        "verdict": NO if against else YES,
        "reasons": reasons,
        "speedup": round(least, 4),
        "accept_length": None if length is None else round(length, 4),
        "concurrency": rows,
    }


def _against(
    number: int, speedup: Interval, change: Interval, min_speedup: float, max_ttft_regression: float
) -> list[str]:
    found = []
    where = f"concurrency {number}"
    if speedup.low is None:
        found.append(f"{where}: one repeat says nothing about noise; set repeats to 2 or more")
    elif speedup.low < 1:
        what = "slower" if speedup.high is not None and speedup.high < 1 else "not faster beyond doubt"
        found.append(
            f"{where}: {what}: {speedup.mean:.2f} times the output tokens per second, 95 % interval {speedup.low:.2f} to {speedup.high:.2f}"
        )
    if speedup.mean < min_speedup:
        found.append(f"{where}: {speedup.mean:.2f} times the output tokens per second, min_speedup is {min_speedup:g}")
    if change.mean > max_ttft_regression:
        found.append(
            f"{where}: the first token takes {change.mean:+.0%}, max_ttft_regression is {max_ttft_regression:.0%}"
        )
    return found


def _side(repeats: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _FIGURES:
        values = _values(repeats, name)
        found[name] = interval(values).rounded() if values else None
    return found


def _values(repeats: Sequence[Mapping[str, float | None]], name: str) -> list[float]:
    return [value for one in repeats if (value := one.get(name)) is not None]
