"""The page of a run: what is on it, how a browser draws it, and its charts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdk_sglang.optimization.chart import FLOOR, TOP, Series, Value, chart
from cdk_sglang.optimization.page import report_html
from cdk_sglang.optimization.report import Report, read_report
from tests.support.browser import Page
from tests.support.eagle import report


def read(**changes: object) -> Report:
    return read_report(json.dumps(report(**changes)), place="report.json")


def test_the_page_is_self_contained_escapes_names_and_is_the_same_twice() -> None:
    found = read(reasons=["<script>alert(1)</script>"])
    page = report_html(found, usd_per_hour=3.8)
    assert page == report_html(found, usd_per_hour=3.8)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "src=" not in page
    assert "http" not in page
    assert len(page) < 60_000


def test_the_page_has_a_chart_of_each_figure_and_the_lines_that_were_asked() -> None:
    page = report_html(read(), usd_per_hour=3.8)
    for title in (
        "speed-up",
        "output tokens per second",
        "time per output token",
        "time to first token",
        "accept length",
        "$ per million",
    ):
        assert f"<figcaption>{title}" in page
    assert page.count("<svg") == 6
    assert "as fast as the model alone" in page
    assert ">asked<" in page
    assert "1 in flight: 1.42 (1.38 to 1.46)" in page


def test_without_a_price_or_an_accept_length_there_is_no_such_chart() -> None:
    content = report()
    for level in content["gate"]["concurrency"]:
        level["draft"]["accept_length"] = None
    page = report_html(read_report(json.dumps(content), place="report.json"))
    assert page.count("<svg") == 4
    assert "$ per million" not in page


def test_a_verdict_of_no_is_marked() -> None:
    assert '<p class="bad"><strong>' in report_html(read(verdict="no"))
    assert '<p class="bad"><strong>' not in report_html(read())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_draws_the_page_without_scrolling_sideways(
    tmp_path: Path, browser: str, scheme: str, width: int
) -> None:
    file = tmp_path / "report.html"
    file.write_text(report_html(read(), usd_per_hour=3.8), encoding="utf-8")
    with Page(browser, tmp_path / "profile") as page:
        page.open(file.as_uri(), width=width, scheme=scheme)
        page.until("document.querySelectorAll('svg circle').length === 20")
        assert page.value("document.documentElement.scrollWidth <= window.innerWidth")
        background = {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
        assert page.value("getComputedStyle(document.body).backgroundColor") == background
        assert page.problems == []


def test_intervals_and_limits_stay_inside_the_chart() -> None:
    values = (Value(mean=1.2, low=0.4, high=2.9, label="a"), None, Value(mean=0.0, low=-1.0, high=0.1, label="b"))
    found = chart("x", "y", ["1", "8", "64"], [Series(name="s", shade="red", values=values)], limits=[(1.0, "asked")])
    assert found is not None
    (drawn,) = found.drawn
    assert len(drawn.marks) == 2
    for mark in drawn.marks:
        assert TOP <= mark.top <= mark.y <= mark.bottom <= FLOOR
    assert all(TOP <= tick.at <= FLOOR for tick in (*found.y_ticks, *found.limits))
    assert chart("x", "y", ["1"], [Series(name="s", shade="red", values=(None,))]) is None
