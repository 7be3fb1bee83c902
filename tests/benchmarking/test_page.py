"""The page of results: what of each run is on it, and how a browser draws it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from cdk_sglang.benchmarking.report.page import CHARTED, report_html
from cdk_sglang.benchmarking.result import Measurement, Outcome
from tests.support.browser import Page

Make = Callable[..., Measurement]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/cdk-hnb659fds-container-assets@sha256:" + "ab" * 32


def run_of(measured: Make, name: str, **changes: object) -> list[Measurement]:
    return [
        measured(run=name, step=step, concurrency=level, repeat=repeat, image=IMAGE, output_tok_s=400.0 * level, **changes)
        for repeat in range(2)
        for step, level in enumerate((1, 16))
    ]  # fmt: skip


@pytest.fixture
def page(measured: Make) -> str:
    """Ten complete runs, one in which too many requests failed, and one without an answer."""
    runs = {f"202611{day:02d}T120000-aaaa": run_of(measured, f"202611{day:02d}T120000-aaaa") for day in range(1, 11)}
    runs["20261111T120000-bbbb"] = run_of(
        measured, "20261111T120000-bbbb", failed=90, errors={"424 ModelError": 90}, outcome=Outcome.TOO_MANY_ERRORS
    )
    runs["20261112T120000-cccc"] = [
        measured(
            run="20261112T120000-cccc", requests=0, failed=20, errors={"TimeoutError": 20}, outcome=Outcome.NO_SUCCESSES,
            ttft_ms=None, tpot_ms=None, request_ms=None, output_tok_s=0.0, input_tokens=None, output_tokens=None,
        )
    ]  # fmt: skip
    return report_html("prod", runs)


def test_a_run_says_when_it_was_what_was_sent_its_percentiles_and_its_errors(measured: Make, page: str) -> None:
    ended = measured().started + dt.timedelta(minutes=12)
    whole = report_html("prod", {"a": run_of(measured, "a", ended=ended)})
    assert "2026-11-30 12:00 UTC, 12 minutes; workload steady, prompts of 1,024 tokens and answers of 256" in whole
    assert "$2.80 an hour" in whole
    for part, value in (("p50", "200"), ("p90", "300"), ("p95", "340"), ("p99", "400")):
        assert f'<td data-label="{part}">{value}</td>' in whole
    assert "failed at 16 in flight: 180 x 424 ModelError" in page
    assert "failed at 16 in flight: 20 x TimeoutError" in page


def test_runs_of_which_nothing_counts_are_in_tables_alone(page: str) -> None:
    legend = page.partition('<p class="legend">')[2].partition("</p>")[0]
    assert legend.count("<span>") == CHARTED
    assert "bbbb" not in legend
    assert "cccc" not in legend
    assert "6 other runs are in the tables and not in the charts" in page
    assert page.count("16 in flight (failing)") == 2


def test_all_but_the_newest_runs_are_folded(page: str) -> None:
    shown, _, folded = page.partition("<summary>6 earlier runs</summary>")
    assert "20261107T120000-aaaa" in shown
    assert "<h3>20261106T120000-aaaa" in folded
    assert page.count("<details>") == page.count("</details>")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_no_wider_than_a_phone_or_a_screen(page: str, browser: str, tmp_path: Path, scheme: str) -> None:
    file = tmp_path / "bench.html"
    file.write_text(page, encoding="utf-8")
    with Page(browser, tmp_path / "profile") as opened:
        for width in (400, 1280):
            opened.open(file.as_uri(), width=width, scheme=scheme)
            opened.until("document.readyState === 'complete' && document.querySelector('h1')")
            opened.value("document.querySelectorAll('details').forEach(one => one.open = true)")
            assert opened.value("document.documentElement.scrollWidth") == width
            assert opened.value(
                "[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth).length"
            ) == 0  # fmt: skip
        assert opened.problems == []
