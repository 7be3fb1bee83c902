"""The owner's filter of captured conversations: a Lambda function that is called with batches of them; any failure ends the run (fail closed).

It takes `{"conversations": [...]}`, where each is a line of training data, and returns `{"conversations": [...]}` as they may be trained on, without
those that may not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from .dataset import Counts, Record
from .ends import INPUTS_REFUSED, EndError, Throttled, code_of, is_throttle, message_of
from .formats import RecordError, converted, line

_RECORDS, _BYTES = 100, 4 * 2**20
"""Maximum records and bytes of a call; Lambda accepts 6 MB (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, read 2026-11)."""


def scrubbed(lambda_: Any, function: str, found: Iterable[Record], counts: Counts) -> Iterator[dict[str, Any]]:
    """Yield records as the filter returns them.

    Args:
        lambda_: Client of Lambda.
        function: ARN of the filter.
        found: Records.
        counts: Counts; what the filter removes is counted there.

    Raises:
        EndError: The filter fails, or returns something else: nothing may be trained on unfiltered.
        Throttled: Lambda throttles requests.
    """
    for batch in _batches(found):
        reply = _call(lambda_, function, batch)
        counts.dropped += len(batch) - len(reply)
        for record in reply:
            try:
                yield converted(record)[1]
            except RecordError as error:
                raise _refused(function, f"returned a conversation that {error}") from error


def _batches(found: Iterable[Record]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for record in found:
        length = len(line(record.content))
        if batch and (len(batch) == _RECORDS or size + length > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record.content)
        size += length
    if batch:
        yield batch


def _call(lambda_: Any, function: str, batch: list[dict[str, Any]]) -> list[Any]:
    payload = json.dumps({"conversations": batch}, ensure_ascii=False)
    try:
        reply = lambda_.invoke(FunctionName=function, InvocationType="RequestResponse", Payload=payload.encode())
    except ClientError as error:
        if is_throttle(error):
            raise Throttled(f"the filter {function}: {code_of(error)}") from error
        raise _refused(function, f"cannot be called: {code_of(error)}: {message_of(error)}") from error
    body = reply["Payload"].read()
    if reply.get("FunctionError"):
        raise _refused(function, "failed; see its log")  # its text may contain what it was meant to remove
    try:
        found = json.loads(body)["conversations"]
    except (ValueError, KeyError, TypeError) as error:
        raise _refused(function, 'returned no {"conversations": [...]}') from error
    if not isinstance(found, list) or len(found) > len(batch):
        count = len(found) if isinstance(found, list) else "no list of"
        raise _refused(function, f"returned {count} conversations for {len(batch)}")
    return [one for one in found if one is not None]


def _refused(function: str, why: str) -> EndError:
    return EndError(
        INPUTS_REFUSED,
        f"speculative.eagle.scrub: {function} {why}; nothing is trained on unfiltered",
        "fix the function, and start again: cdk-sglang eagle start",
    )
