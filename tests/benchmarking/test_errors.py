"""Runs in which requests fail: marked, told with the commonest error, kept, never compared as valid, and never exit code 0."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cdk_sglang import ConfigurationError, Load, Workload
from cdk_sglang.benchmarking.aiperf.configuration import Address, configuration
from cdk_sglang.benchmarking.aiperf.process import Ended
from cdk_sglang.benchmarking.aiperf.records import RECORDS, error_kind
from cdk_sglang.benchmarking.compare import compare
from cdk_sglang.benchmarking.copies import CopiesSeen
from cdk_sglang.benchmarking.figures import error_lines, held_against_plan, interval_of, marked_label
from cdk_sglang.benchmarking.history.store import History
from cdk_sglang.benchmarking.outcomes import counted, error_words, flaw_of
from cdk_sglang.benchmarking.report.page import report_html
from cdk_sglang.benchmarking.resolved import ResolvedWorkload, resolve_workload
from cdk_sglang.benchmarking.result import Measurement, Outcome
from cdk_sglang.benchmarking.runner import Run, Setup, run_workload
from cdk_sglang.benchmarking.senders import AiperfSender
from cdk_sglang.cli.main import app
from tests.support.benchmarks import DEPLOYED, TARGET

Make = Callable[..., Measurement]
DATA = Path(__file__).parent / "data"
PROMPT = "the secret recipe"
REFUSALS = {
    "500": {"code": 500, "type": "Internal Server Error", "message": json.dumps({"__type": "ModelError", "message": PROMPT})},
    "timeout": {"code": None, "type": "TimeoutError", "message": PROMPT},
}  # fmt: skip


def failing(*kinds: str) -> str:
    """Records of a real run of AIPerf in which the last requests have failed, one for each kind."""
    lines = (DATA / "good" / "profile_export.jsonl").read_text().splitlines()
    changed = zip(lines[-len(kinds) :] if kinds else [], kinds, strict=True)
    kept = lines[: len(lines) - len(kinds)]
    return "\n".join(
        [*kept, *(json.dumps({**json.loads(line), "metrics": {}, "error": REFUSALS[kind]}) for line, kind in changed)]
    )


def resolved(**values: Any) -> ResolvedWorkload:
    return resolve_workload("ladder", Workload(**values), load=Load(), slo=None)


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., Run]:
    """Run a ladder of 1, 2 and 4 in flight, three times; requests fail as it is said for each load."""

    def run(
        errors: Mapping[int, tuple[str, ...]],
        *,
        concurrency: tuple[int, ...] = (1, 2, 4),
        recording: str | None = None,
        cancelled: int = 0,
        **workload: Any,
    ) -> Run:
        ladder = resolved(concurrency=concurrency, repeats=3, **workload)

        def aiperf(_: Path, file: Path, **__: Any) -> Ended:
            level = json.loads(file.read_text())["benchmark"]["phases"][-1]["concurrency"]
            text = failing(*errors.get(level, ())) if recording is None else (DATA / recording / RECORDS).read_text()
            given_up = [json.loads(line) for line in text.splitlines()[-cancelled:]] if cancelled else []
            for record in given_up:
                record["metadata"]["was_cancelled"] = True
            (file.parent / RECORDS).write_text("\n".join([text, *map(json.dumps, given_up)]))
            return Ended(code=0, reason=None, log="")

        sender = AiperfSender(
            executable=Path("aiperf"), workload=ladder, model="m", tokenizer="t", dataset=None, run=aiperf,
            address=lambda _: contextlib.nullcontext((Address(url="http://127.0.0.1:1", path="/", needs_token=False), {})),
        )  # fmt: skip
        setup = Setup(
            send=sender, tool_version="0.13.0", folder=tmp_path, runner="aiperf-openai", has_ended=lambda: None,
            deployed=DEPLOYED, wake_seconds=0.0, say=lambda _: None,
        )  # fmt: skip
        return run_workload(TARGET, ladder, setup, identifier="a")

    return run


def test_a_few_errors_leave_a_run_complete_and_are_counted(measure: Callable[..., Run]) -> None:
    run = measure({4: ("500",)})  # 1 of 12
    assert (run.outcome, run.reason) == (Outcome.COMPLETED, "")
    assert len(run.measurements) == len(counted(run.measurements)) == 9
    assert error_lines(run.measurements) == ["failed at 4 in flight: 3 x 500 ModelError"]


def test_a_load_at_which_too_many_requests_fail_is_marked_and_not_measured_again_and_lower_ones_are(
    measure: Callable[..., Run],
) -> None:
    run = measure({2: ("500", "500", "timeout")})
    assert run.outcome is Outcome.TOO_MANY_ERRORS
    assert run.reason == (
        "3 of 12 requests failed at 2 in flight (25.0%; max_error_rate is 10.0%): 2 x 500 ModelError, 1 x TimeoutError; "
        "its figures do not count, and neither it nor higher loads are measured again"
    )
    assert [(one.repeat, one.concurrency, flaw_of(one)) for one in run.measurements] == [
        *((0, 1, None), (0, 2, "failing"), (1, 1, None), (2, 1, None)),
    ]
    assert {one.outcome for one in run.measurements} == {Outcome.TOO_MANY_ERRORS}
    assert {one.max_error_rate for one in run.measurements} == {0.1}


def test_a_recorded_run_of_which_aiperf_makes_no_failure_is_one(measure: Callable[..., Run]) -> None:
    """AIPerf 0.13.0 against a server that refused every third request: it ended with exit code 0."""
    run = measure({}, recording="failing", concurrency=(4,))
    (one,) = run.measurements
    assert (one.figures.requests, one.figures.failed, one.figures.errors) == (8, 4, {"424 ModelError": 4})
    assert (run.outcome, flaw_of(one)) == (Outcome.TOO_MANY_ERRORS, "failing")
    assert run.reason.startswith(
        "4 of 12 requests failed at 4 in flight (33.3%; max_error_rate is 10.0%): 4 x 424 ModelError; "
    )
    assert PROMPT not in run.reason
    assert measure({}, recording="failing", concurrency=(4,), max_error_rate=0.34).outcome is Outcome.COMPLETED


@pytest.mark.parametrize(("bound", "given_up"), [(0.1, 0.5), (0.8, 0.8), (1, 1)])
def test_aiperf_gives_a_step_up_at_which_most_requests_fail(tmp_path: Path, bound: float, given_up: float) -> None:
    workload = resolved(concurrency=(4,), max_error_rate=bound)
    address = Address(url="http://127.0.0.1:1", path="/", needs_token=False)
    content = configuration(workload, workload.steps[0], address, model="m", tokenizer="t", folder=tmp_path)
    warmup, profiling = content["benchmark"]["phases"]
    assert profiling["failed_request_threshold"] == given_up
    assert "failed_request_threshold" not in warmup


def test_requests_that_aiperf_gives_up_with_a_failing_step_make_it_failing_and_not_partial(
    measure: Callable[..., Run],
) -> None:
    run = measure({1: ("500",) * 8}, cancelled=2)
    assert [(one.is_partial, flaw_of(one)) for one in run.measurements] == [(False, "failing")]
    assert measure({1: ()}, cancelled=2, concurrency=(1,)).measurements[0].is_partial


def test_errors_at_the_lowest_load_end_the_run(measure: Callable[..., Run]) -> None:
    run = measure({1: ("500",) * 6})
    assert [(one.concurrency, one.figures.failed) for one in run.measurements] == [(1, 6)]
    assert run.reason.startswith("6 of 12 requests failed at 1 in flight (50.0%")


def test_no_answer_at_a_higher_load_leaves_the_lower_ones_to_be_measured(measure: Callable[..., Run]) -> None:
    run = measure({4: ("timeout",) * 12})
    assert run.outcome is Outcome.NO_SUCCESSES
    assert "no request of 12 was answered: 12 x TimeoutError" in run.reason
    assert [one.concurrency for one in run.measurements] == [1, 2, 4, 1, 2, 1, 2]


@pytest.mark.parametrize(
    ("bound", "errors", "is_complete"), [(0.5, 6, True), (0.5, 7, False), (0, 1, False), (1, 11, True)]
)
def test_the_bound_is_a_setting_of_the_workload(
    measure: Callable[..., Run], bound: float, errors: int, is_complete: bool
) -> None:
    run = measure({1: ("500",) * errors}, concurrency=(1,), max_error_rate=bound)
    assert (run.outcome is Outcome.COMPLETED) is is_complete


def test_the_bound_changes_no_request_so_that_runs_stay_comparable() -> None:
    assert resolved(max_error_rate=0.5).content_hash == resolved().content_hash
    with pytest.raises(ConfigurationError, match="max_error_rate"):
        Workload(max_error_rate=1.1)


def test_no_word_of_a_prompt_is_in_a_kind(measure: Callable[..., Run]) -> None:
    run = measure({1: ("500",) * 3 + ("timeout",) * 3})
    assert PROMPT not in run.reason + "".join(error_lines(run.measurements))
    assert (
        error_kind({"code": 400, "type": "BAD", "message": json.dumps({"type": PROMPT, "code": PROMPT})}) == "400 BAD"
    )


def test_the_commonest_kinds_come_first_and_the_rest_is_counted() -> None:
    assert error_words({"a": 1, "b": 9, "c": 2, "d": 1, "e": 1}) == "9 x b, 2 x c, 1 x a, and 2 more kinds"


def test_figures_of_failing_repeats_are_in_no_mean_no_band_and_no_chart(measured: Make) -> None:
    fine, bad = measured(), measured(repeat=1, scale=9, requests=50, failed=50)
    mean = interval_of(next(iter(compare([fine], [fine]).differences)).figure, [fine, bad])
    assert mean is not None
    assert mean.mean == 200
    assert marked_label([fine, bad]) == "16 in flight (1 of 2 failing)"
    assert held_against_plan([bad]) == []
    assert report_html("prod", {"a": [bad]}).count("<svg") == 0
    assert "16 in flight (failing)" in report_html("prod", {"a": [bad]})


def test_rows_of_earlier_versions_have_the_bound_of_today(measured: Make) -> None:
    assert flaw_of(measured(failed=20)) == "failing"
    assert flaw_of(measured(failed=5)) is None
    assert flaw_of(measured(failed=5, errors={"429 ThrottlingException": 5})) == "throttled"
    assert flaw_of(measured(failed=20, is_partial=True)) == "partial"


def two_loads(measured: Make, name: str, *, failed: int = 0, scale: float = 1.0) -> list[Measurement]:
    """A run of two loads in which requests fail at the higher one."""
    return [
        measured(run=name, repeat=repeat, step=step, concurrency=level, scale=scale + repeat / 100, failed=failed * step, errors={"500 ModelError": failed} if failed * step else {})
        for repeat in range(3)
        for step, level in enumerate((1, 16))
    ]  # fmt: skip


def test_a_load_that_fails_now_and_did_not_before_is_a_failure_and_no_comparison(measured: Make) -> None:
    found = compare(two_loads(measured, "a"), two_loads(measured, "b", failed=60))
    assert {one.load for one in found.differences} == {"1 in flight"}
    assert found.failing == ("at 16 in flight 60 of 160 requests failed (60 x 500 ModelError); 0.0% did before",)
    assert found.notes == ("run b: 3 failing repeats are left out (completed)",)
    back = compare(two_loads(measured, "b", failed=60), two_loads(measured, "a"))
    assert back.failing == ()


def test_a_few_errors_are_said_beside_the_figures_of_the_others(measured: Make) -> None:
    found = compare(two_loads(measured, "a"), two_loads(measured, "b", failed=5))
    assert found.failing == ()
    assert found.notes == (
        "at 16 in flight 0.0% of requests failed before and 4.8% after; the figures are of the others",
    )


def test_runs_without_a_load_that_counts_in_both_are_not_compared_and_the_reason_is_said(measured: Make) -> None:
    bad = [measured(run="b", requests=1, failed=99)]
    with pytest.raises(
        ConfigurationError, match=r"no complete repeat of the same load; .*; run b: 1 failing repeats are left out"
    ):
        compare([measured()], bad)


def test_compare_and_gate_end_with_1_and_name_the_load(tmp_path: Path, measured: Make) -> None:
    store = History(location=str(tmp_path), s3=lambda: None)
    start = measured().started
    for day, name, failed in ((1, "20261101-a", 0), (2, "20261102-b", 60)):
        when = {"started": start.replace(day=day)}
        outcome = {"outcome": Outcome.TOO_MANY_ERRORS} if failed else {}
        store.write([dataclasses.replace(one, **when, **outcome) for one in two_loads(measured, name, failed=failed)])
    place = ["--env", "prod", "--history", str(tmp_path)]

    compared = CliRunner().invoke(app, ["bench", "compare", *place])
    assert compared.exit_code == 1
    assert "bench: at 16 in flight 60 of 160 requests failed (60 x 500 ModelError); 0.0% did before" in compared.output
    gated = CliRunner().invoke(app, ["bench", "gate", *place])
    assert gated.exit_code == 1
    assert "run 20261102-b is not complete: too-many-errors" in gated.output
    reported = CliRunner().invoke(app, ["bench", "report", *place], env={"COLUMNS": "240"})
    assert reported.exit_code == 0
    assert "16 in flight (failing)" in reported.output
    assert "failed at 16 in flight: 180 x 500 ModelError" in reported.output


def test_ctrl_c_between_two_repeats_keeps_what_was_measured(
    measure: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([None, None, KeyboardInterrupt])

    class Seen(CopiesSeen):
        def look(self, *, now: bool = False) -> None:
            super().look(now=now)
            interruption = next(looks)
            if interruption is not None:
                raise interruption

    monkeypatch.setattr("cdk_sglang.benchmarking.runner.CopiesSeen", Seen)
    run = measure({})
    assert run.outcome is Outcome.INTERRUPTED
    assert run.reason == "interrupted; what was measured until then is kept"
    assert [(one.figures.requests, one.is_partial, one.outcome) for one in run.measurements] == [
        (12, False, Outcome.INTERRUPTED)
    ]
    looks = iter([KeyboardInterrupt])
    with pytest.raises(KeyboardInterrupt):
        measure({})
