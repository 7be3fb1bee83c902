"""Answer CloudFormation's requests for a custom resource whether the work succeeds or not: an unanswered request blocks its stack.

The functions of custom resources hold equal copies of this file, since each is deployed alone; a test compares them. What CloudFormation sends and
accepts: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html and crpg-ref-responses.html (read 2026-12).
"""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, Final, Protocol

import urllib3

NOT_CREATED: Final = "cdk-sglang-not-created"
"""Physical id of a resource whose creation failed: CloudFormation asks to delete it, and there is nothing to delete."""

_RESERVE_SECONDS: Final = 15
"""Part of Lambda's time-out that is reserved for the answer."""
_REASON_BYTES: Final = 3000
"""CloudFormation accepts a response of at most 4,096 bytes."""
_ATTEMPTS: Final = urllib3.Retry(total=4, backoff_factor=1, status_forcelist=(500, 502, 503, 504), allowed_methods=None)

_log = logging.getLogger()


class LambdaContext(Protocol):
    """The part of Lambda's context that the answer uses."""

    log_group_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function's time-out."""


Work = Callable[[dict[str, Any], Any], dict[str, Any] | None]
"""Handles an event; returns PhysicalResourceId and Data, or None if another invocation answers. An exception fails the deployment with its text."""


class AnswerError(Exception):
    """CloudFormation's URL did not accept the answer; Lambda invokes the function again."""


class _OvertimeError(BaseException):
    """The invocation is out of time; no error handler of the work may catch this."""


def answers(work: Work) -> Callable[[dict[str, Any], Any], None]:
    """Make the entry point of a custom resource's function.

    The same event may come twice, from CloudFormation or from Lambda after a crash; the work is done twice, and the first answer counts.

    Args:
        work: What the function does.
    """

    def handle(event: dict[str, Any], context: LambdaContext) -> None:
        physical_id = event.get("PhysicalResourceId", NOT_CREATED)
        if event["RequestType"] == "Delete" and physical_id == NOT_CREATED:
            _send(event, "SUCCESS", PhysicalResourceId=physical_id)
            return
        try:
            with _watched(event, context, physical_id):
                answer = work(event, context)
        except _OvertimeError:
            return
        except Exception as error:  # noqa: BLE001  whatever it is, CloudFormation waits for an answer
            _log.exception("failed")
            reason = _cut(str(error) or type(error).__name__, context)
            _send(event, "FAILED", PhysicalResourceId=physical_id, Reason=reason)
            return
        if answer is not None:
            _send(event, "SUCCESS", **answer)

    return handle


@contextlib.contextmanager
def _watched(event: dict[str, Any], context: LambdaContext, physical_id: str) -> Iterator[None]:
    """Answer before Lambda terminates an invocation whose work has not finished."""

    def end(*_: object) -> None:
        reason = _cut("the function did not end within its time", context)
        _send(event, "FAILED", PhysicalResourceId=physical_id, Reason=reason)
        raise _OvertimeError

    seconds = context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS
    if (
        threading.current_thread() is not threading.main_thread() or seconds <= 0
    ):  # Lambda runs handlers in the main thread
        yield
        return
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _cut(text: str, context: LambdaContext) -> str:
    short = text.encode()[:_REASON_BYTES].decode(errors="ignore")
    return f"{short}\n\nLogs: {context.log_group_name}"


def _send(event: dict[str, Any], status: str, **answer: Any) -> None:
    """PUT an answer to CloudFormation's URL, which is a secret: anyone who has it can answer."""
    _log.info(json.dumps({"request": event["RequestType"], "resource": event["LogicalResourceId"], "answer": status}))
    same = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body = json.dumps({"Status": status, **same, **answer}, ensure_ascii=False).encode()
    # The URL is signed for a request without a content type.
    with urllib3.PoolManager(timeout=10, retries=_ATTEMPTS) as pool:
        taken = pool.request("PUT", event["ResponseURL"], body=body, headers={"content-type": ""})
    if taken.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise AnswerError(f"CloudFormation's address answered {taken.status}")
