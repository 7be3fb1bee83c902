"""Comparisons and reports: noise is no regression, a slower fleet is, and what changed is named."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cdk_sglang import ConfigurationError
from cdk_sglang.benchmarking.compare import Change, Verdict, compare
from cdk_sglang.benchmarking.figures import held_against_plan
from cdk_sglang.benchmarking.history.store import History
from cdk_sglang.benchmarking.report.page import report_html
from cdk_sglang.benchmarking.report.scatter import WIDTH, Point, Series, front, scatter
from cdk_sglang.benchmarking.result import Measurement, Outcome
from cdk_sglang.benchmarking.statistics import interval, noise_of, relative_change, t_quantile
from cdk_sglang.cli.main import app

Make = Callable[..., Measurement]


def run_of(
    measured: Make, name: str, *, scale: float = 1.0, seed: int = 0, repeats: int = 3, **more: object
) -> list[Measurement]:
    """A run of two steps whose figures have 2 % of noise."""
    noise = np.random.default_rng(seed)
    return [
        measured(
            run=name, step=step, concurrency=level, repeat=repeat, scale=scale * float(noise.normal(1, 0.02)), **more
        )
        for repeat in range(repeats)
        for step, level in enumerate((1, 16))
    ]


# --- statistics ---------------------------------------------------------------------------------------------------


def test_quantiles_are_those_of_students_t() -> None:
    # NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2 (read 2026-11)
    for confidence, freedom, quantile in (
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 4, 2.776),
        (0.99, 10, 3.169),
        (0.95, 100, 1.984),
    ):
        assert t_quantile(confidence, freedom) == pytest.approx(quantile, abs=2e-3)


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    noise = np.random.default_rng(1)
    found = [interval(list(noise.normal(5, 1, size=3))) for _ in range(2000)]
    held = sum(one.low <= 5 <= one.high for one in found if one.low is not None and one.high is not None)
    assert 0.94 < held / len(found) < 0.96


def test_the_interval_of_a_change_holds_no_change_as_often_as_it_says() -> None:
    noise = np.random.default_rng(2)
    samples = [relative_change(list(noise.lognormal(0, 0.2, 3)), list(noise.lognormal(0, 0.2, 3))) for _ in range(2000)]
    held = sum(one.low <= 0 <= one.high for one in samples if one.low is not None and one.high is not None)
    assert 0.94 < held / len(samples) < 0.96


def test_the_noise_of_all_loads_makes_intervals_narrow_enough_to_decide() -> None:
    noise = np.random.default_rng(3)
    samples = [list(noise.lognormal(0, 0.05, 2)) for _ in range(400)]
    pooled = noise_of(samples)
    assert pooled is not None
    assert (pooled.freedom, pooled.variance) == (400, pytest.approx(0.05**2, rel=0.2))
    alone, together = (relative_change(samples[0], samples[1], noise=one, confidence=0.994) for one in (None, pooled))
    widths = [one.high - one.low for one in (alone, together) if one.high is not None and one.low is not None]
    assert widths[1] < 0.6 * widths[0]
    assert noise_of([[1.0], [2.0]]) is None


def test_repeats_that_are_noisier_than_other_loads_keep_their_own_noise() -> None:
    quiet = noise_of([[1.0, 1.001], [1.0, 1.001]])
    wide = relative_change([1.0, 3.0], [1.0, 3.0], noise=quiet)
    assert wide.low is not None
    assert wide.low < -0.5


def test_a_single_repeat_has_no_interval() -> None:
    assert interval([3.0]).low is None
    assert relative_change([1.0], [2.0]).low is None


# --- comparison ---------------------------------------------------------------------------------------------------


def test_two_runs_of_the_same_fleet_show_no_regression(measured: Make) -> None:
    alarms = [
        compare(run_of(measured, "a", seed=seed), run_of(measured, "b", seed=seed + 1000)).regressions
        for seed in range(40)
    ]
    assert sum(map(bool, alarms)) <= 2


def test_a_slower_fleet_is_a_regression_at_every_load(measured: Make) -> None:
    found = compare(run_of(measured, "a"), run_of(measured, "b", scale=1.4, seed=9))
    assert {(one.load, one.figure.name) for one in found.regressions} == {
        (load, figure)
        for load in ("1 in flight", "16 in flight")
        for figure in ("TTFT ms", "TPOT ms", "output tokens/s", "goodput/s")
    }
    faster = compare(run_of(measured, "b", scale=1.4, seed=9), run_of(measured, "a"))
    assert {one.verdict for one in faster.differences} == {Verdict.BETTER}


def test_a_difference_within_the_tolerance_is_none(measured: Make) -> None:
    exact = [measured(run="a", repeat=repeat) for repeat in range(2)]
    slower = [measured(run="b", repeat=repeat, scale=1.04) for repeat in range(2)]
    assert compare(exact, slower).regressions == []
    assert len(compare(exact, slower, tolerance=0.01).regressions) == 4


def test_single_repeats_tell_nothing(measured: Make) -> None:
    found = compare([measured(run="a")], [measured(run="b", scale=3)])
    assert {one.verdict for one in found.differences} == {Verdict.UNKNOWN}


def test_goodput_that_vanishes_is_a_regression(measured: Make) -> None:
    before = [measured(repeat=repeat) for repeat in range(2)]
    after = [measured(run="b", repeat=repeat, goodput_s=0.0) for repeat in range(2)]
    assert [one.figure.name for one in compare(before, after).regressions] == ["goodput/s"]
    assert compare(after, before).regressions == []
    assert compare(after, after).regressions == []


def test_what_changed_between_two_runs_is_named(measured: Make) -> None:
    after = measured(
        image="repository@sha256:bb",
        options='{"SM_SGLANG_TP_SIZE": "2", "SM_SGLANG_KV_CACHE_DTYPE": "fp8_e5m2"}',
        instance="ml.p5.4xlarge",
    )
    assert compare([measured()], [after]).changes == (
        Change(what="image", before="repository@sha256:aa", after="repository@sha256:bb"),
        Change(what="instance", before="ml.g6e.2xlarge", after="ml.p5.4xlarge"),
        Change(what="SM_SGLANG_KV_CACHE_DTYPE", before="not set", after="fp8_e5m2"),
        Change(what="SM_SGLANG_TP_SIZE", before="1", after="2"),
    )


def test_partial_repeats_are_left_out_and_said(measured: Make) -> None:
    after = [measured(run="b"), measured(run="b", repeat=1, is_partial=True, scale=9, outcome=Outcome.INTERRUPTED)]
    found = compare([measured()], after)
    assert found.notes == ("run b: 1 partial repeats are left out (completed)",)
    assert {one.before == one.after for one in found.differences} == {True}
    with pytest.raises(ConfigurationError, match="no complete repeat of the same load"):
        compare([measured()], after[1:])


def test_runs_of_different_requests_are_not_compared(measured: Make) -> None:
    other = measured(workload_hash="0", workload_content='{"input_tokens": 5}')
    with pytest.raises(ConfigurationError, match="different requests: input_tokens of"):
        compare([measured()], [other])


def test_measured_figures_stand_beside_the_plans_bands(measured: Make) -> None:
    first, second = held_against_plan([measured()])
    assert (first.figure, first.is_inside, first.words) == ("TTFT ms", True, "inside (+11%)")
    assert (second.figure, second.is_inside, second.words) == ("TPOT ms", False, "below (-33%)")
    assert held_against_plan([measured(planned=None)]) == []


# --- page ---------------------------------------------------------------------------------------------------------


def test_the_pareto_front_is_what_nothing_beats() -> None:
    points = [Point(x=x, y=y, label="") for x, y in ((3, 9), (1, 2), (2, 1), (4, 9), (2, 5))]
    assert [(point.x, point.y) for point in front(points)] == [(1, 2), (2, 5), (3, 9)]


def test_points_are_drawn_inside_the_chart() -> None:
    chart = scatter("y", "x", [Series(name="a", points=(Point(x=1, y=0.3, label=""), Point(x=1000, y=0.3, label="")))])
    assert chart is not None
    positions = [tuple(map(float, pair.split(","))) for pair in chart.drawn[0].line.split()]
    assert all(56 <= x <= 406 and 10 <= y <= 200 for x, y in positions)
    assert positions[0][0] < positions[1][0]
    assert scatter("y", "x", [Series(name="a", points=())]) is None


def test_a_front_of_one_point_is_drawn() -> None:
    only = Series(name="a", points=(Point(x=1, y=5, label="only"),))
    chart = scatter("y", "x", [only], with_front=True)
    assert chart is not None
    assert len(chart.front.split()) == 2


def test_the_last_value_of_an_axis_has_room_and_a_job_has_no_version_to_show(measured: Make) -> None:
    chart = scatter("y", "x", [Series(name="a", points=(Point(x=40_000, y=1, label="far"),))])
    assert chart is not None
    last = chart.x_ticks[-1]
    assert last.label == "50,000"
    assert last.at + len(last.label) / 2 * 7 <= WIDTH  # 11 pixels high, at most 7 wide
    page = report_html("prod", {"a": run_of(measured, "a", runner="sagemaker", tool_version="")})
    assert "sagemaker;" in page
    assert "AIPerf ;" not in page


def test_the_page_names_the_workload_of_a_line_the_next_step_and_each_cell_of_a_narrow_table(measured: Make) -> None:
    page = report_html("prod", {"a": run_of(measured, "a")})
    assert "</i>a: steady, aiperf-openai</span>" in page
    assert "cdk-sglang bench compare --env prod" in page
    cells = re.findall(r"<td[^>]*>", page)
    assert cells
    assert all("data-label=" in cell for cell in cells)


def test_the_page_holds_everything_itself_and_escapes_names(measured: Make) -> None:
    runs = {name: run_of(measured, name) for name in ("a", "<script>")}
    page = report_html("prod", runs)
    assert page == report_html("prod", runs)
    assert "<script>" not in page
    assert re.findall(r"(?:src|href)=|url\(|@import", page) == []
    assert page.count("<svg") == 4
    for drawing in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ET.fromstring(drawing)
    assert "inside (+" in page
    assert "below (-" in page


# --- commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path: Path, measured: Make) -> str:
    store = History(location=str(tmp_path), s3=lambda: None)
    for name, scale in (("20261101-a", 1.0), ("20261102-b", 1.0), ("20261103-c", 1.5)):
        start = measured().started.replace(day=int(name[6:8]))
        store.write(run_of(measured, name, scale=scale, started=start, seed=int(name[6:8])))
    return str(tmp_path)


def invoked(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["bench", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit | ConfigurationError), done.exception
    return done.exit_code, done.output


def test_compare_is_a_gate(history: str) -> None:
    code, output = invoked("compare", "20261101", "20261102", "--env", "prod", "--history", history)
    assert (code, "within noise" in output) == (0, True)
    code, output = invoked("compare", "--env", "prod", "--history", history)
    assert code == 1
    assert "bench: TTFT ms at 1 in flight: " in output
    code, output = invoked(
        "compare", "20261101", "20261102", "--env", "prod", "--history", history, "--min-good", "0.99"
    )
    assert code == 1
    assert "16 in flight: 95.0% of requests are good, below 99.0%" in output


def test_the_gate_holds_a_run_against_the_last_release_and_never_against_a_failure(
    tmp_path: Path, measured: Make
) -> None:
    store = History(location=str(tmp_path), s3=lambda: None)

    def gated(day: int, scale: float, *words: str, **more: object) -> tuple[int, str]:
        start = measured().started.replace(day=day)
        store.write(run_of(measured, f"2026110{day}-a", scale=scale, started=start, seed=day, **more))
        return invoked("gate", "--env", "prod", "--history", str(tmp_path), *words)

    code, output = gated(1, 1.0, "--min-good", "0.9")
    assert (code, "no earlier run of this workload has passed" in output) == (0, True)
    code, output = gated(2, 1.5)
    assert (code, "20261102-a failed, against 20261101-a" in output) == (1, True)
    code, output = gated(3, 1.5)  # the second try of the same slow release
    assert (code, "20261103-a failed, against 20261101-a" in output) == (1, True)
    code, output = gated(4, 1.0)
    assert (code, "20261104-a passed, against 20261101-a" in output) == (0, True)
    assert "20261105-a failed, against 20261104-a" in gated(5, 1.0, "--min-good", "0.99")[1]
    code, output = gated(6, 1.0, outcome=Outcome.INTERRUPTED)
    assert (code, "run 20261106-a is not complete: interrupted" in output) == (1, True)
    code, output = gated(7, 3.0, workload_hash="other")  # other requests: a new baseline
    assert (code, "no earlier run of this workload has passed" in output) == (0, True)
    assert store.passed(environment="prod", component="prod-chat-qwen") == {"20261101-a", "20261104-a", "20261107-a"}


def test_report_prints_the_last_run_and_writes_a_page_of_all(history: str, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "bench.html"
    code, output = invoked("report", "--env", "prod", "--history", history, "--html", str(page))
    assert (code, "20261103-c: completed" in output) == (0, True)
    assert all(name in page.read_text() for name in ("20261101-a", "20261102-b", "20261103-c"))
    code, output = invoked("status", "--env", "prod", "--history", history)
    assert output.count("completed") == 3


def test_a_run_of_a_machine_whose_clock_is_ahead_is_named(tmp_path: Path, measured: Make) -> None:
    store = History(location=str(tmp_path), s3=lambda: None)
    now = dt.datetime.now(tz=dt.UTC)
    store.write(run_of(measured, "now", started=now))
    store.write(run_of(measured, "tomorrow", started=now + dt.timedelta(days=1)))
    _, output = invoked("compare", "--env", "prod", "--history", str(tmp_path))
    assert output.count("is dated in the future") == 1
    assert "bench: run tomorrow is dated in the future: the clock of the machine that measured it was ahead" in output


def test_an_empty_history_is_a_problem_with_a_next_step(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "report", "--env", "prod", "--history", str(tmp_path)])
    assert isinstance(done.exception, ConfigurationError)
    assert "has no results of prod; run `cdk-sglang bench run` first" in str(done.exception)


def test_a_measurement_without_a_success_is_reported(measured: Make) -> None:
    nothing = measured(requests=0, failed=3, ttft_ms=None, tpot_ms=None, request_ms=None, output_tok_s=0.0)
    nothing = dataclasses.replace(nothing, outcome=Outcome.NO_SUCCESSES)
    assert "no-successes" in report_html("prod", {"a": [nothing]})
