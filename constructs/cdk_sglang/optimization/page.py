"""The report of a run as one self-contained HTML page: it loads no script, font or image, and follows the reader's light or dark scheme."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cdk_sglang.optimization import chart
from cdk_sglang.optimization.chart import Series, Value
from cdk_sglang.optimization.evidence import evidence_rows, interval, level_row, mean, percent, verdict_line
from cdk_sglang.planning.page_template import page_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Template

    from cdk_sglang.optimization.chart import Chart
    from cdk_sglang.optimization.report import Figure, Level, Report

_SHADES = {"the model alone": "var(--c0)", "with the draft": "var(--c1)"}
_HOUR_SECONDS = 3600
_MILLION = 1_000_000


def report_html(report: Report, *, usd_per_hour: float | None = None) -> str:
    """Return the page of a run; the same report gives the same bytes.

    Args:
        report: The report.
        usd_per_hour: US dollars per hour of one copy, for the cost of tokens; no such chart by default.
    """
    return _template().render(
        report=report,
        verdict=verdict_line(report),
        rows=[level_row(level) for level in report.levels],
        evidence=list(evidence_rows(report)),
        charts=[one for one in _charts(report, usd_per_hour) if one is not None],
        shades=_SHADES,
        frame=chart,
    )


def _charts(report: Report, usd_per_hour: float | None) -> list[Chart | None]:
    levels = report.levels
    across, x_title = [str(level.concurrency) for level in levels], "requests in flight"
    speedups = tuple(
        _value(level.speedup, f"{level.concurrency} in flight: {interval(level.speedup)}") for level in levels
    )
    limits = (
        [(1.0, "as fast as the model alone"), (report.min_speedup, "asked")]
        if report.min_speedup > 1
        else [(1.0, "asked")]
    )

    def both(title: str, name: str) -> Chart | None:
        return chart.chart(title, x_title, across, [_side(levels, side, name) for side in _SHADES])

    charts = [
        chart.chart(
            "speed-up: output tokens per second over those of the model alone",
            x_title,
            across,
            [Series(name="speed-up", shade="var(--c1)", values=speedups)],
            limits=limits,
        ),
        both("output tokens per second", "output_tok_s"),
        both("time per output token, ms", "tpot_ms"),
        both("time to first token, ms", "ttft_ms"),
        chart.chart(
            "accept length, tokens per verification step",
            x_title,
            across,
            [_side(levels, "with the draft", "accept_length")],
            limits=[(1.0, "nothing accepted")] if report.accept_length is not None else [],
        )
        if report.accept_length is not None
        else None,
    ]
    if usd_per_hour is not None:
        charts.append(
            chart.chart(
                "$ per million output tokens of a copy",
                x_title,
                across,
                [_cost(levels, side, usd_per_hour) for side in _SHADES],
            )
        )
    return charts


def _figure(level: Level, side: str, name: str) -> Figure | None:
    found: Figure | None = getattr(level.base if side == "the model alone" else level.draft, name)
    return found


def _side(levels: Sequence[Level], side: str, name: str) -> Series:
    values = []
    for level in levels:
        figure = _figure(level, side, name)
        label = f"{side}, {level.concurrency} in flight: {mean(figure)}"
        values.append(None if figure is None else _value(figure, label))
    return Series(name=side, shade=_SHADES[side], values=tuple(values))


def _cost(levels: Sequence[Level], side: str, usd_per_hour: float) -> Series:
    values: list[Value | None] = []
    for level in levels:
        figure = _figure(level, side, "output_tok_s")
        if figure is None or figure.mean <= 0:
            values.append(None)
            continue
        usd = usd_per_hour / (figure.mean * _HOUR_SECONDS) * _MILLION
        values.append(Value(mean=usd, low=None, high=None, label=f"{side}, {level.concurrency} in flight: {usd:.3g} $"))
    return Series(name=side, shade=_SHADES[side], values=tuple(values))


def _value(figure: Figure, label: str) -> Value:
    return Value(mean=figure.mean, low=figure.low, high=figure.high, label=label)


@cache
def _template() -> Template:
    return page_template("eagle.html", package="cdk_sglang.optimization", filters={"percent": percent})
