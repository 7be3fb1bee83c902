"""Copies that answered: what SageMaker reports during a repeat, and unknown where it reports none although requests are answered."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from typer.testing import CliRunner

from cdk_sglang import Load, Workload
from cdk_sglang.benchmarking.aiperf.configuration import Address
from cdk_sglang.benchmarking.aiperf.process import Ended
from cdk_sglang.benchmarking.columns import measurement_of, row_of
from cdk_sglang.benchmarking.compare import Change, compare
from cdk_sglang.benchmarking.copies import LOOK_SECONDS, CopiesSeen, copies_of, copies_words
from cdk_sglang.benchmarking.deployed import copies_now
from cdk_sglang.benchmarking.history.store import History
from cdk_sglang.benchmarking.learning import measured_rows
from cdk_sglang.benchmarking.report.page import report_html
from cdk_sglang.benchmarking.resolved import resolve_workload
from cdk_sglang.benchmarking.result import Measurement
from cdk_sglang.benchmarking.runner import Run, Setup, run_workload
from cdk_sglang.benchmarking.senders import AiperfSender
from cdk_sglang.cli.main import app
from cdk_sglang.models.known_models import catalogue
from tests.support.benchmarks import DEPLOYED, TARGET

Make = Callable[..., Measurement]
GOOD = Path(__file__).parent / "data" / "good" / "profile_export.jsonl"


def measured_with(tmp_path: Path, copies: Callable[[], int | None], *, looks: int = 1, before: int = 1) -> Run:
    """Measure one repeat, during which what stops it is asked some times."""
    workload = resolve_workload("one", Workload(concurrency=(1,), repeats=1), load=Load(), slo=None)

    def aiperf(_: Path, file: Path, *, stop: Callable[[], str | None], **__: Any) -> Ended:
        for _ in range(looks):
            assert stop() is None
        (file.parent / GOOD.name).write_bytes(GOOD.read_bytes())
        return Ended(code=0, reason=None, log="")

    sender = AiperfSender(
        executable=Path("aiperf"), workload=workload, model="m", tokenizer="t", dataset=None, run=aiperf,
        address=lambda _: contextlib.nullcontext((Address(url="http://127.0.0.1:1", path="/", needs_token=False), {})),
    )  # fmt: skip
    deployed = type(DEPLOYED)(**{**vars(DEPLOYED), "copies": before})
    setup = Setup(
        send=sender, tool_version="0.13.0", folder=tmp_path, runner="aiperf-openai", has_ended=lambda: None,
        deployed=deployed, wake_seconds=0.0, say=lambda _: None, copies=copies,
    )  # fmt: skip
    return run_workload(TARGET, workload, setup, identifier="a")


def test_a_repeat_keeps_the_fewest_and_the_most_copies_that_were_reported(tmp_path: Path) -> None:
    reported = iter([1, 3])
    (one,) = measured_with(tmp_path, lambda: next(reported)).measurements
    assert (one.copies_min, one.copies_max) == (1, 3)
    assert copies_words([one]) == "1 to 3"
    assert measurement_of(row_of(one)) == one


def test_an_engine_that_answers_while_no_copy_is_reported_has_an_unknown_number_of_copies(tmp_path: Path) -> None:
    (one,) = measured_with(tmp_path, lambda: None, before=0).measurements
    assert one.figures.requests == 12
    assert (copies_of(one), copies_words([one])) == (None, "unknown")
    assert "copies: unknown, GPUs" in report_html("prod", {"a": [one]})


def test_a_look_is_repeated_no_sooner_than_a_copy_can_start() -> None:
    seconds, looks = [0.0], []
    copies = CopiesSeen(lambda: looks.append(1) or len(looks), clock=lambda: seconds[0])
    for second in (1, LOOK_SECONDS - 1, LOOK_SECONDS, LOOK_SECONDS + 1):
        seconds[0] = second
        copies.look()
    assert len(looks) == 2
    copies.look(now=True)
    assert (copies.fewest, copies.most) == (1, 3)


@pytest.mark.parametrize(
    ("reported", "before", "planned_for"),
    [([2, 2], 1, 2), ([1, 2], 1, 0), ([None, None], 2, 2), ([None, None], 0, 0), ([None, 2], 0, 2)],
)
def test_the_plan_is_that_of_the_copies_of_the_whole_repeat(
    reported: list[int | None], before: int, planned_for: int
) -> None:
    answers: Iterator[int | None] = iter(reported)
    copies = CopiesSeen(lambda: next(answers))
    copies.look(now=True)
    assert copies.constant(before) == planned_for


@pytest.mark.parametrize(
    ("described", "copies"),
    [
        ({"RuntimeConfig": {"CurrentCopyCount": 2, "DesiredCopyCount": 3}}, 2),
        ({"RuntimeConfig": {"CurrentCopyCount": 0, "DesiredCopyCount": 1}, "InferenceComponentStatus": "Creating"}, None),
        ({"InferenceComponentStatus": "Creating"}, None),
        (EndpointConnectionError(endpoint_url="https://sagemaker"), None),
    ],
)  # fmt: skip
def test_no_reported_copy_is_an_unknown_number(described: Any, copies: int | None) -> None:
    def describe(**_: str) -> Any:
        if isinstance(described, Exception):
            raise described
        return described

    sagemaker = SimpleNamespace(
        exceptions=SimpleNamespace(ClientError=ClientError), describe_inference_component=describe
    )
    assert copies_now(sagemaker, TARGET) == copies


def test_a_difference_in_copies_is_named(measured: Make) -> None:
    one, more, unknown = measured(), measured(copies_min=1, copies_max=3), measured(copies=0)
    assert compare([one], [more]).changes == (Change(what="copies", before="1", after="1 to 3"),)
    assert compare([unknown], [one]).changes == (Change(what="copies", before="unknown", after="1"),)
    assert compare([unknown], [unknown]).changes == ()
    assert copies_words([one, unknown]) == "1, unknown in 1 of 2 repeats"


def test_compare_and_report_say_it_on_the_command_line(tmp_path: Path, measured: Make) -> None:
    store = History(location=str(tmp_path), s3=lambda: None)
    start = measured().started
    store.write([measured(run="20261101-a", copies_min=2, copies_max=2, started=start.replace(day=1))])
    store.write([measured(run="20261102-b", copies=0, started=start.replace(day=2))])
    place = ["--env", "prod", "--history", str(tmp_path)]
    assert "changed: copies: 2 became unknown" in CliRunner().invoke(app, ["bench", "compare", *place]).output
    reported = CliRunner().invoke(app, ["bench", "report", *place], env={"COLUMNS": "240"})
    assert "copies: unknown, GPUs a copy: 1" in reported.output


def test_nothing_is_learned_where_the_number_of_copies_changed_or_is_unknown(measured: Make) -> None:
    rows = [
        measured(copies=0),
        measured(copies_min=1, copies_max=2),
        measured(concurrency=8, copies_min=2, copies_max=2),
    ]
    found, left_out = measured_rows(rows, facts=catalogue)
    assert [one.question.concurrency for one in found] == [4]
    assert left_out == [
        "2 rows are not learned from: several instance types, or a number of copies that changed or is unknown"
    ]
