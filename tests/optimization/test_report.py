"""The evidence of a run: what is read of it, what is refused, and what a terminal shows."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from cdk_sglang._runtime.speculative import bench
from cdk_sglang.cli.eagle.report import print_report
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware.optimization import BENCHMARK_JOB_USD_PER_HOUR
from cdk_sglang.optimization.evidence import evidence_rows, level_row, verdict_line
from cdk_sglang.optimization.report import Report, read_report
from tests.support.eagle import RUN, report


def read(**changes: Any) -> Report:
    return read_report(json.dumps(report(**changes)), place="report.json")


def shown(found: Report, width: int) -> str:
    screen = io.StringIO()
    print_report(found, Console(file=screen, width=width))
    return screen.getvalue()


def test_levels_ascend_and_the_worst_one_counts() -> None:
    found = read()
    assert [level.concurrency for level in found.levels] == [1, 16]
    assert (found.speedup, found.accept_length, found.passed) == (1.21, pytest.approx(2.61), True)
    assert verdict_line(found) == (
        f"{RUN} passed the gate: 1.21 times the output tokens per second at its worst concurrency (at least 1.15 asked, TTFT at most +10%)"
    )


@pytest.mark.parametrize("width", [60, 140])
def test_a_terminal_shows_every_figure_and_what_it_rests_on(width: int) -> None:
    text = shown(read(), width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for part in (
        "1.42 (1.38 to 1.46)",
        "1.21 (1.17 to 1.25)",
        "9 → 7.44",
        "+2.0%",
        "2.61",
        "33.50 $",
        "openai_chat",
        "3 left out",
    ):
        assert part in words, part
    assert ("in flight: 1.42" in words) is (width == 60)


def test_a_slow_down_is_a_report_like_any_other() -> None:
    found = read(verdict="no")
    assert "did not pass the gate: 0.86 times" in verdict_line(found)
    assert "- concurrency 16: slower: 0.86 times the output tokens per second" in shown(found, 140)


def test_a_single_repeat_has_no_interval_and_no_accept_length_is_invented() -> None:
    content = report()
    (first, _) = content["gate"]["concurrency"]
    first["speedup"] = {"mean": 1.2, "low": None, "high": None}
    first["draft"]["accept_length"] = None
    found = read_report(json.dumps(content), place="report.json")
    row = level_row(found.levels[1])
    assert (row.speedup, row.accept) == ("1.20", "not measured")


@pytest.mark.parametrize(
    ("has_price", "says"),
    [(False, "at 13.12 $/h, assumed to be that of hosting: "), (True, "at 13.12 $/h, named in the")],
)
def test_the_report_says_whether_the_price_of_the_training_is_assumed(has_price: bool, says: str) -> None:
    job = {"name": "job", "instance": "ml.g6e.12xlarge", "seconds": 7200, "usd": 26.24, "usd_per_hour": 13.12}
    rows = list(evidence_rows(read(job=job | {"is_price_given": has_price})))
    assert rows[rows.index(("training job", "job, ml.g6e.12xlarge, 2.0 h, 26.24 $")) + 1][1].startswith(says)


def test_the_price_of_the_measurements_jobs_is_marked_as_assumed_wherever_it_is_counted() -> None:
    rows = [value for _, value in evidence_rows(read())]
    (line,) = [
        value
        for value in rows
        if value.startswith("benchmark jobs' own instances are counted at 1.00 $/h, which is assumed")
    ]
    assert rows.index(line) == next(number for number, value in enumerate(rows) if " $ in all, " in value) + 1
    assert bench._JOB_USD_PER_HOUR == BENCHMARK_JOB_USD_PER_HOUR


def test_a_draft_that_was_not_trained_has_neither_job_nor_dataset() -> None:
    found = read(job=None, dataset=None, kind="ngram", draft={"algorithm": "NGRAM", "draft_tokens": 12, "steps": None})
    names = [name for name, _ in evidence_rows(found)]
    assert "training job" not in names
    assert "trained on" not in names
    assert ("draft", "NGRAM, draft tokens 12") in list(evidence_rows(found))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        (json.dumps(report(schema=2)), "schema 2, this version reads 1; update cdk-sglang"),
        (json.dumps({"schema": 1}), "'gate'"),
        (json.dumps(report(gate={"concurrency": [], "rule": {"min_speedup": 1, "max_ttft_regression": 0}})), "gate.concurrency is empty"),
        (json.dumps(report(gate={"concurrency": [{"concurrency": 1, "base": {}, "draft": {}, "speedup": None, "ttft_change": None}]})), "speedup or ttft_change"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused_with_its_place_and_reason(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_report(text, place="s3://weights/report.json")
    (problem,) = error.value.problems
    assert problem.startswith("s3://weights/report.json: cannot be read as the report of a run: ")
    assert says in problem
