"""Results as one self-contained HTML page in the style of the plan's: it loads no script, font or image, and follows light or dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from cdk_sglang.benchmarking.copies import copies_words
from cdk_sglang.benchmarking.figures import (
    FIGURES,
    error_lines,
    held_against_plan,
    interval_of,
    label_of,
    marked_label,
    steps_of,
)
from cdk_sglang.benchmarking.outcomes import counted
from cdk_sglang.benchmarking.report import scatter
from cdk_sglang.benchmarking.report.scatter import Point, Scatter, Series
from cdk_sglang.planning.page_template import page_template

if TYPE_CHECKING:
    from jinja2 import Template

    from cdk_sglang.benchmarking.result import Measurement
    from cdk_sglang.benchmarking.statistics import Interval

COLOURS: Final = 6
"""Colours that the plan's style sheet has."""
CHARTED: Final = 6
"""Newest runs of a component that are drawn; a table lists them all."""
TIMES: Final = {"TTFT ms": "ttft_ms", "TPOT ms": "tpot_ms", "request ms": "request_ms"}
"""Times of a request, by heading."""
PARTS: Final = ("mean", "p50", "p90", "p95", "p99")
"""Parts of a distribution."""
_TENTHS_BELOW: Final = 100


def report_html(environment: str, runs: Mapping[str, Sequence[Measurement]]) -> str:
    """Return the page of some runs; the same runs give the same bytes.

    Args:
        environment: The environment.
        runs: Runs by identifier, in the order of their start.
    """
    components: dict[str, dict[str, Sequence[Measurement]]] = {}
    for identifier, repeats in runs.items():
        components.setdefault(repeats[0].component, {})[identifier] = repeats
    return _template().render(
        environment=environment,
        components={name: _component(found) for name, found in components.items()},
        headings=[figure.name for figure in FIGURES],
        parts=PARTS,
        colours=COLOURS,
        frame=scatter,
    )


def _component(runs: Mapping[str, Sequence[Measurement]]) -> dict[str, object]:
    newest = dict([(identifier, repeats) for identifier, repeats in runs.items() if counted(repeats)][-CHARTED:])
    return {
        "charts": [chart for chart in _charts(newest) if chart is not None],
        "legend": [
            f"{identifier}: {repeats[0].workload}, {repeats[0].runner}" for identifier, repeats in newest.items()
        ],
        "runs": [_run(identifier, repeats) for identifier, repeats in reversed(list(runs.items()))],
        "open": CHARTED,
        "left_out": len(runs) - len(newest),
    }


def _run(identifier: str, repeats: Sequence[Measurement]) -> dict[str, object]:
    seconds = (max(one.ended for one in repeats) - repeats[0].started).total_seconds()
    return {
        "name": identifier,
        "first": repeats[0],
        "copies": copies_words(repeats),
        "began": f"{repeats[0].started:%Y-%m-%d %H:%M} UTC",
        "minutes": seconds / 60,
        "lengths": _lengths(repeats),
        "errors": error_lines(repeats),
        "percentiles": [row for step in steps_of(repeats).values() for row in _percentiles(step)],
        "steps": [
            {
                "load": label_of(step[0]),
                "marked": marked_label(step),
                "counts": bool(counted(step)),
                "requests": sum(one.figures.requests for one in step),
                "failed": sum(one.figures.failed for one in step),
                "cells": [_shown(interval_of(figure, step)) for figure in FIGURES],
                "held": held_against_plan(step),
            }
            for step in steps_of(repeats).values()
        ],
    }


def _lengths(repeats: Sequence[Measurement]) -> str:
    """Return the mean lengths of prompts and answers in words; an empty text without a success."""
    known = [one.figures for one in repeats if one.figures.input_tokens is not None]
    if not known:
        return ""
    prompt, answer = (
        sum(getattr(one, name) or 0 for one in known) / len(known) for name in ("input_tokens", "output_tokens")
    )
    return f"prompts of {_number(prompt)} tokens and answers of {_number(answer)}"


def _percentiles(step: Sequence[Measurement]) -> list[dict[str, object]]:
    """Return the distribution of each time over the requests of a step, as the mean over its repeats."""
    found: list[dict[str, object]] = []
    for heading, name in TIMES.items():
        spread = [one for repeat in counted(step) or step if (one := getattr(repeat.figures, name)) is not None]
        if spread:
            cells = [_number(sum(getattr(one, part) for one in spread) / len(spread)) for part in PARTS]
            found.append({"load": label_of(step[0]), "figure": heading, "cells": cells})
    return found


def _charts(runs: Mapping[str, Sequence[Measurement]]) -> list[Scatter | None]:
    ttft, tpot, tokens, usd = (_mean(name) for name in ("TTFT ms", "TPOT ms", "output tokens/s", "$/1M output tokens"))
    x_load = "requests in flight (or per second)"
    return [
        scatter.scatter("time to first token, ms", x_load, _series(runs, _load, ttft)),
        scatter.scatter("time per output token, ms", x_load, _series(runs, _load, tpot)),
        scatter.scatter(
            "output tokens per second, and the Pareto front of all runs",
            "time to first token, ms",
            _series(runs, ttft, tokens),
            with_front=True,
        ),
        scatter.scatter("$ per million output tokens", x_load, _series(runs, _load, usd)),
    ]


def _load(step: Sequence[Measurement]) -> float | None:
    return step[0].load or None


def _mean(name: str) -> Callable[[Sequence[Measurement]], float | None]:
    (figure,) = (one for one in FIGURES if one.name == name)

    def mean(step: Sequence[Measurement]) -> float | None:
        found = interval_of(figure, step)
        return None if found is None else found.mean

    return mean


def _series(
    runs: Mapping[str, Sequence[Measurement]],
    across: Callable[[Sequence[Measurement]], float | None],
    up: Callable[[Sequence[Measurement]], float | None],
) -> list[Series]:
    found = []
    for identifier, repeats in runs.items():
        points = []
        for step in steps_of(counted(repeats)).values():
            x, y = across(step), up(step)
            if x and y:
                label = f"{identifier}, {label_of(step[0])}: {_number(x)}, {_number(y)}"
                points.append(Point(x=x, y=y, label=label))
        found.append(Series(name=identifier, points=tuple(points)))
    return found


def _shown(figure: Interval | None) -> str:
    if figure is None:
        return "-"
    return _number(figure.mean) + ("" if figure.low is None else f" ±{_number(figure.mean - figure.low)}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _TENTHS_BELOW else f"{value:.3g}"


@cache
def _template() -> Template:
    return page_template("bench.html", package="cdk_sglang.benchmarking", filters={"number": _number})
