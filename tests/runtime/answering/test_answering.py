"""Answers to CloudFormation: always one, whatever becomes of the work."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from cdk_sglang._runtime.copies import answering

RUNTIME = Path(answering.__file__).parents[1]
URL = "https://cloudformation-custom-resource-response.s3.amazonaws.com/arn?X-Amz-Signature=secret"
BYTES_MAX = 4096


class Address:
    """CloudFormation's address for the answer."""

    def __init__(self) -> None:
        self.status = 200
        self.answers: list[dict[str, Any]] = []
        self.largest = 0

    def request(self, method: str, url: str, *, body: bytes, headers: dict[str, str]) -> Any:
        assert (method, url, headers) == ("PUT", URL, {"content-type": ""})
        self.answers.append(json.loads(body))
        self.largest = max(self.largest, len(body))
        return SimpleNamespace(status=self.status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Address:
    found = Address()
    monkeypatch.setattr(answering.urllib3, "PoolManager", lambda **_: found)
    return found


def context(*, seconds: float = 600) -> Any:
    return SimpleNamespace(log_group_name="group", get_remaining_time_in_millis=lambda: int(seconds * 1000))


def event(kind: str, **more: str) -> dict[str, Any]:
    same = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Copies"}
    return {"RequestType": kind, "ResponseURL": URL, **same, **more}


def answer(work: Callable[..., Any], kind: str = "Create", *, seconds: float = 600, **more: str) -> None:
    answering.answers(work)(event(kind, **more), context(seconds=seconds))


def failing(_event: object, _context: object) -> None:
    raise ValueError("no such model")


def unasked(_event: object, _context: object) -> None:
    raise AssertionError("there is nothing to do")


def test_what_the_work_returns_is_the_answer(address: Address) -> None:
    answer(lambda *_: {"PhysicalResourceId": "llama:2", "Data": {"Copies": 2}})
    (sent,) = address.answers
    assert sent == {
        "Status": "SUCCESS", "StackId": "stack", "RequestId": "request", "LogicalResourceId": "Copies",
        "PhysicalResourceId": "llama:2", "Data": {"Copies": 2},
    }  # fmt: skip


def test_an_error_of_the_work_is_the_reason_of_the_failure(address: Address) -> None:
    answer(failing)
    answer(failing, "Update", PhysicalResourceId="llama:2")
    created, updated = address.answers
    assert created["Status"] == updated["Status"] == "FAILED"
    assert created["Reason"] == "no such model\n\nLogs: group"
    # Another id would have CloudFormation delete the old one.
    assert (created["PhysicalResourceId"], updated["PhysicalResourceId"]) == (answering.NOT_CREATED, "llama:2")


def test_what_was_never_created_is_deleted_without_work(address: Address) -> None:
    answer(unasked, "Delete", PhysicalResourceId=answering.NOT_CREATED)
    assert [sent["Status"] for sent in address.answers] == ["SUCCESS"]


def test_work_that_does_not_end_is_answered_before_lambda_ends_it(address: Address) -> None:
    def endless(*_: object) -> None:
        while True:
            with contextlib.suppress(Exception):  # as libraries do
                time.sleep(1)

    answer(endless, seconds=15.05)
    (sent,) = address.answers
    assert sent["Status"] == "FAILED"
    assert "did not end within its time" in sent["Reason"]


def test_work_that_another_invocation_goes_on_with_is_not_answered(address: Address) -> None:
    answer(lambda *_: None)
    assert address.answers == []


def test_an_event_that_comes_twice_has_the_same_answer(address: Address) -> None:
    for _ in range(2):
        answer(lambda *_: {"PhysicalResourceId": "llama:2", "Data": {"Copies": 2}})
    first, second = address.answers
    assert first == second


def test_an_answer_that_is_not_taken_fails_the_invocation_so_that_lambda_repeats_it(address: Address) -> None:
    address.status = 403
    with pytest.raises(answering.AnswerError, match="403"):
        answer(lambda *_: {"PhysicalResourceId": "x"})
    assert len(address.answers) == 1  # a success is never followed by a failure


def test_a_reason_is_cut_to_what_cloudformation_takes(address: Address) -> None:
    def fails(*_: object) -> None:
        raise ValueError("ü€" * 5000)

    answer(fails)
    assert address.largest <= BYTES_MAX


def test_the_address_is_never_logged(address: Address, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer(failing)
        answer(lambda *_: {"PhysicalResourceId": "x"})
    assert address.answers
    assert "secret" not in caplog.text


def test_every_function_has_the_same_copy() -> None:
    texts = [path.read_text(encoding="utf-8") for path in RUNTIME.glob("*/answering.py")]
    assert len(texts) > 1
    for one, other in itertools.pairwise(texts):
        assert one == other
