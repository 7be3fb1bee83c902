"""Permissions that were given a moment ago: what is denied is asked again, in every function of a custom resource."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import endpoint
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from cdk_sglang._runtime.copies import propagation

RUNTIME = Path(propagation.__file__).parents[1]
WAITING = ("build_jobs", "copies", "emptying", "reservation", "weights")
"""Functions that CloudFormation waits for, but for the verification: it asks until its time is over, whatever fails."""


class Denied:
    """An S3 that denies the first calls."""

    def __init__(self, times: int, code: str = "AccessDenied") -> None:
        self.calls, self._times, self._code = 0, times, code

    def __call__(self, **_: Any) -> AWSResponse:
        self.calls += 1
        if self.calls > self._times:
            return Answer(200, b"<ListBucketResult/>")
        return Answer(403, f"<Error><Code>{self._code}</Code><Message>no</Message></Error>".encode())


class Answer(AWSResponse):
    """A whole answer."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__("https://s3.amazonaws.com/", status, {}, None)
        self._content = body


def client(answers: Denied) -> Any:
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"mode": "standard", "max_attempts": 8}),
    )
    s3.meta.events.register("before-send", answers)
    return propagation.wait_for_permissions(s3)


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(endpoint.time, "sleep", found.append)
    return found


def test_what_is_denied_is_asked_again_until_it_is_allowed(paused: list[float]) -> None:
    answers = Denied(times=5)
    client(answers).list_objects_v2(Bucket="models")
    assert (answers.calls, sum(paused)) == (6, 25.0)


def test_what_is_denied_for_two_minutes_is_an_error(paused: list[float]) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        client(Denied(times=1000)).list_objects_v2(Bucket="models")
    assert sum(paused) == propagation.LIMIT_SECONDS


def test_other_mistakes_are_errors_at_once(paused: list[float]) -> None:
    answers = Denied(times=1000, code="NoSuchBucket")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        client(answers).list_objects_v2(Bucket="models")
    assert (answers.calls, paused) == (1, [])


def test_every_function_has_the_same_copy() -> None:
    texts = {name: (RUNTIME / name / "propagation.py").read_text(encoding="utf-8") for name in WAITING}
    for one, other in itertools.pairwise(texts.values()):
        assert one == other
    assert {path.parent.name for path in RUNTIME.glob("*/propagation.py")} == set(WAITING)


def test_the_functions_that_ask_cloudwatch_have_the_same_copy() -> None:
    one, other = (path.read_text(encoding="utf-8") for path in RUNTIME.glob("*/promql.py"))
    assert one == other


@pytest.mark.parametrize("name", WAITING)
def test_the_clients_of_a_deployment_wait(name: str) -> None:
    tree = ast.parse((RUNTIME / name / "handler.py").read_text(encoding="utf-8"))
    calls = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    every = {text for text in calls if text.startswith("boto3.client(")}
    waiting = {
        text.removeprefix("wait_for_permissions(")[:-1] for text in calls if text.startswith("wait_for_permissions(")
    }
    # The end of a log is no more than a help, and the hourly look at a plan is no deployment.
    assert every - waiting <= {"boto3.client('logs', config=_retries)", "boto3.client('cloudwatch', config=_config)"}
    assert waiting
