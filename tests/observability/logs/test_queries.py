"""Saved queries against a real copy's log: what they filter and parse, and that they name only what they have parsed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdk_sglang.observability.logs.queries import SAVED_QUERIES, SavedQuery
from tests.support.log_queries import fields, rows, stages, used

LINES = (Path(__file__).parent / "copy.log").read_text(encoding="utf-8").splitlines()
QUERIES = {query.title: query for query in SAVED_QUERIES}
LOG = "111122223333:/aws/sagemaker/InferenceComponents/prod-chat-llama"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def found(title: str, *, lines: list[str] = LINES) -> list[dict[str, str]]:
    parsed = [dict(row) for row in rows(QUERIES[title].text, lines, log=LOG)]
    assert all(row.pop("component") == "prod-chat-llama" for row in parsed)
    return parsed


def test_errors_are_counted_by_their_kind() -> None:
    lines = [
        *LINES,
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "RuntimeError: NCCL error: unhandled cuda error",
        "[2026-11-30 12:16:11] engine makes no progress (asked for 8.0 s)",
        "cdk-sglang-container: SM_SGLANG_TP: must be a number, got 'four'",
        "[2026-11-30 12:16:10] Finish: obj=GenerateReqInput(text='an error'), out={}",
    ]
    assert [row["kind"] for row in found("errors by copy", lines=lines)] == [
        "crashed with exit code -9", "torch.OutOfMemoryError", "RuntimeError", "makes no progress", "cdk-sglang-container",
    ]  # fmt: skip


def test_slow_requests_are_those_of_the_container_and_of_sglangs_own_log() -> None:
    ours, theirs = (
        [row for row in found("slow requests") if ("trace" in row) == has_trace] for has_trace in (True, False)
    )
    assert ours == [
        {"first_part_s": "21.40", "total_s": "30.25", "status": "200", "path": "/invocations", "trace": TRACE}
    ]
    assert {tuple(row) for row in theirs} == {("engine_s", "prompt_tokens", "completion_tokens")}
    assert [row["completion_tokens"] for row in theirs] == ["8", "12", "12"]


def test_a_start_is_read_phase_by_phase() -> None:
    values: dict[str, list[str]] = {}
    for row in found("start-up by phase"):
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    assert values == {"weights": ["0.08"], "kv_cache": ["1.42"], "scheduler": ["2.50"], "graphs": ["8.31", "2.05"]}


def test_refused_requests_say_by_whom_and_for_which_field() -> None:
    assert found("who was refused, and why") == [
        {"status": "400", "by": "container", "field": "temperature", "path": "/invocations", "trace": TRACE},
        {"status": "503", "by": "engine", "field": "-", "path": "/v1/chat/completions", "trace": "-"},
    ]


def test_answers_are_counted_by_path_and_status_without_the_query_string() -> None:
    line = '[2026-11-30 12:16:10] INFO:     127.0.0.1:1 - "GET /v1/loads?include=zebra HTTP/1.1" 404 Not Found'
    answers = found("answers by status", lines=[*LINES, line])
    assert {"method": "POST", "path": "/invocations", "status": "400"} in answers
    assert answers[-1] == {"method": "GET", "path": "/v1/loads", "status": "404"}


def test_a_wake_up_is_a_copy_that_became_ready() -> None:
    assert len(found("wake-ups")) == 1


@pytest.mark.parametrize("query", SAVED_QUERIES, ids=list(QUERIES))
def test_a_query_names_only_fields_that_it_has_parsed(query: SavedQuery) -> None:
    assert used(query.text) <= fields(query.text)


@pytest.mark.parametrize("query", SAVED_QUERIES, ids=list(QUERIES))
def test_no_query_shows_a_whole_line(query: SavedQuery) -> None:
    """A line may hold a prompt where `log_requests_level` is 2 or 3."""
    shown = [stage for stage in stages(query.text) if stage.startswith(("stats ", "display ", "fields "))]
    assert shown
    assert not any("@message" in stage for stage in shown)
