"""A gate's figures as calibration of the planner: what is kept, what is learned, and how far it reaches."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.models import catalogue
from cdk_sglang.optimization.learning import gate_content
from cdk_sglang.optimization.report import read_report
from cdk_sglang.planning import ComponentRequest
from cdk_sglang.planning.gate_rows import gate_measured
from cdk_sglang.planning.measured import Measured, calibrated
from cdk_sglang.planning.outlook import outlook
from cdk_sglang.planning.predict import answer
from cdk_sglang.planning.rows import Question
from tests.support.eagle import RUN, report

MODEL = "meta-llama/Llama-3.1-8B-Instruct"


def content(**changes: Any) -> dict[str, Any]:
    request = ComponentRequest(name="llama", facts=catalogue(MODEL), tp_size=1)
    found = read_report(json.dumps(report(**changes)), place="report.json")
    return gate_content(found, request, sglang_version="0.5.23")


def learned(content: dict[str, Any]) -> list[Measured]:
    rows, notes = gate_measured(json.dumps(content), place="gate.json", facts=catalogue)
    assert notes == []
    return rows


def tpot(question: Question, using: list[Measured]) -> float:
    (found,) = answer([question], using=calibrated(using))
    assert found.tpot_ms is not None
    return found.tpot_ms.value


def test_both_sides_of_every_concurrency_are_kept() -> None:
    kept = content()
    assert (kept["gate"], kept["model"], kept["gpu"], kept["gpus"]) == (RUN, MODEL, "L40S-48GB", 1)
    rows = learned(kept)
    assert [(row.question.concurrency, row.question.accept_len) for row in rows] == [
        (1, None),
        (1, 2.61),
        (16, None),
        (16, 2.61),
    ]
    drafting = rows[1].question.speculation
    assert drafting is not None
    assert (drafting.steps, drafting.draft_tokens) == (3, 4)


def test_predictions_with_a_draft_follow_what_was_measured_with_it() -> None:
    rows = learned(content())
    for row in rows:
        assert row.tpot_ms is not None
        before, after = tpot(row.question, []), tpot(row.question, rows)
        assert abs(after / row.tpot_ms - 1) < max(0.12, 0.5 * abs(before / row.tpot_ms - 1))


@pytest.mark.parametrize(("position", "concurrency"), [(0, 1), (2, 16)])
def test_what_a_plan_says_of_drafting_follows_what_was_measured_with_it(position: int, concurrency: int) -> None:
    rows = learned(content())
    base, draft = rows[position], rows[position + 1]
    assert base.tpot_ms is not None
    assert draft.tpot_ms is not None
    measured = base.tpot_ms / draft.tpot_ms
    before = outlook(draft.question, concurrency=concurrency)
    after = outlook(draft.question, concurrency=concurrency, using=calibrated(rows))
    assert before is not None
    assert after is not None
    assert abs(after.speedup / measured - 1) < abs(before.speedup / measured - 1)
    assert (after.speedup > 1) == (after.breaks_even < after.accept_length)
    assert after.low < after.speedup < after.high


def test_another_model_is_predicted_as_before() -> None:
    rows = learned(content())
    other = dataclasses.replace(rows[1].question, facts=catalogue("Qwen/Qwen2.5-0.5B"))
    assert tpot(other, rows) == pytest.approx(tpot(other, []), rel=0.01)


def test_a_draft_whose_accept_length_nobody_measured_is_left_out_and_said_to_be() -> None:
    kept = content()
    for row in kept["rows"]:
        row["accept_length"] = None
    rows, notes = gate_measured(json.dumps(kept), place="gate.json", facts=catalogue)
    assert [row.question.accept_len for row in rows] == [None, None]
    assert notes == ["gate.json: 2 rows are not learned from: their accept length was not measured"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "cannot be read as the figures of a gate: JSONDecodeError"),
        ('{"schema": 9}', "schema 9, this version reads 1; write it again with cdk-sglang eagle report --calibration"),
        ('{"schema": 1, "model": "no/such"}', "no/such"),
    ],
)
def test_another_file_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        gate_measured(text, place="gate.json", facts=catalogue)
    assert error.value.problems[0].startswith("gate.json")
    assert says in str(error.value.problems[0])
