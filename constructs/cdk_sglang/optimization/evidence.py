"""The evidence of a run as rows of text, shared by the terminal and the HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cdk_sglang.hardware.optimization import ASSUMED_JOB_PRICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdk_sglang.optimization.report import Figure, Level, Report

ASSUMED_PRICE: Final = (
    "assumed to be that of hosting: compare the bill, and set speculative.eagle.usd_per_hour if it differs"
)
"""Origin of a training's price if the settings name none (hardware/data/prices.csv has only hosting prices)."""
_WHOLE_FROM = 100
_HOUR = 3600
_DIGITS_OF_A_HASH = 12


class LevelRow(NamedTuple):
    """Both sides at one concurrency, as text: the model alone, then with the draft.

    Args:
        concurrency: Requests in flight.
        tokens: Output tokens per second.
        speedup: Their ratio, with its interval.
        tpot: Time per further token, milliseconds.
        ttft: Time to the first token, milliseconds.
        ttft_change: Its change.
        accept: Accept length of the draft.
    """

    concurrency: str
    tokens: str
    speedup: str
    tpot: str
    ttft: str
    ttft_change: str
    accept: str


def level_row(level: Level) -> LevelRow:
    """Return one row of the table of figures."""
    base, draft = level.base, level.draft
    return LevelRow(
        concurrency=str(level.concurrency),
        tokens=f"{mean(base.output_tok_s)} → {mean(draft.output_tok_s)}",
        speedup=interval(level.speedup),
        tpot=f"{mean(base.tpot_ms)} → {mean(draft.tpot_ms)}",
        ttft=f"{mean(base.ttft_ms)} → {mean(draft.ttft_ms)}",
        ttft_change=percent(level.ttft_change),
        accept="not measured" if draft.accept_length is None else f"{draft.accept_length.mean:.2f}",
    )


def verdict_line(report: Report) -> str:
    """Return the verdict in one line."""
    condition = f"at least {report.min_speedup:g} asked, TTFT at most {report.max_ttft_regression:+.0%}"
    word = "passed the gate" if report.passed else "did not pass the gate"
    return f"{report.run} {word}: {report.speedup:.2f} times the output tokens per second at its worst concurrency ({condition})"


def evidence_rows(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the basis of the figures, as names and values."""
    draft, workload = report.draft, report.workload
    yield "component", f"{report.component} of {report.environment}"
    yield "model", _joined(report.base.get("prefix"), _short(report.base.get("hash")))
    shape = [f"{name} {draft[key]}" for key, name in _DRAFT_OPTIONS if draft.get(key) is not None]
    yield "draft", _joined(draft.get("algorithm"), *shape, _size(draft.get("bytes")))
    for note in draft.get("notes") or ():
        yield "", str(note)
    if copied := draft.get("tensors_copied"):
        yield "copied tensors", ", ".join(map(str, copied))
    if report.dataset:
        data = report.dataset
        lines = None if data.get("lines") is None else f"{data['lines']:,} conversations"
        bad = f"{data['bad']:,} left out" if data.get("bad") else None
        yield (
            "trained on",
            _joined(data.get("uri") or "built-in sets", data.get("format"), lines, bad, _short(data.get("sha256"))),
        )
    if report.job:
        job = report.job
        hours = None if job.get("seconds") is None else f"{float(job['seconds']) / _HOUR:.1f} h"
        usd = None if job.get("usd") is None else f"{float(job['usd']):,.2f} $"
        yield "training job", _joined(job.get("name"), job.get("instance"), hours, usd)
        if job.get("usd_per_hour") is not None:
            source = "named in the settings" if job.get("is_price_given") else ASSUMED_PRICE
            yield "", f"at {float(job['usd_per_hour']):,.2f} $/h, {source}"
    tokens = f"{workload.get('input_tokens', '?')} tokens in, {workload.get('output_tokens', '?')} out"
    where = _joined(
        workload.get("instance"), "second endpoint" if workload.get("second_endpoint") else "spare capacity"
    )
    yield "measured", _joined(tokens, f"{workload.get('repeats', '?')} repeats", f"{len(report.jobs)} jobs", where)
    yield (
        "cost",
        f"{report.spent_usd:,.2f} $ in all, {report.gate_usd:,.2f} $ of them for the measurement; about, on demand",
    )
    if report.jobs:
        yield "", ASSUMED_JOB_PRICE
    yield "written", report.created


_DRAFT_OPTIONS = (("steps", "steps"), ("topk", "top-k"), ("draft_tokens", "draft tokens"))


def mean(figure: Figure | None) -> str:
    """Return the mean of a figure; a hyphen if it was not measured."""
    if figure is None:
        return "-"
    return f"{figure.mean:,.0f}" if abs(figure.mean) >= _WHOLE_FROM else f"{figure.mean:.3g}"


def interval(figure: Figure) -> str:
    """Return a ratio with its interval."""
    ends = "" if figure.low is None or figure.high is None else f" ({figure.low:.2f} to {figure.high:.2f})"
    return f"{figure.mean:.2f}{ends}"


def percent(figure: Figure) -> str:
    """Return a share as a signed percentage."""
    return f"{figure.mean:+.1%}"


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part not in {None, ""})


def _short(text: object) -> str | None:
    return None if not text else f"hash {str(text)[:_DIGITS_OF_A_HASH]}"


def _size(count: object) -> str | None:
    return f"{float(str(count)) / 1e9:.2f} GB" if count else None
