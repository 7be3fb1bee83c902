"""Streams of InvokeEndpointWithResponseStream: their place at the destination, and their errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from botocore.eventstream import ParserError
from botocore.exceptions import EventStreamError
from urllib3.exceptions import HTTPError

from .answers import ChatReader, truncation_error
from .errors import AnswerError
from .route import Lease

if TYPE_CHECKING:
    from botocore.eventstream import EventStream

_BROKEN: Final = (HTTPError, ParserError, OSError)
"""Errors of reading a stream, in addition to EventStreamError: botocore 1.44.5 passes urllib3's own errors on."""
_TIME_EXCEEDED: Final = "ModelInvocationTimeExceeded"
"""An ErrorCode of ModelStreamError: the answer took longer than SageMaker allows, and a retry would, too. botocore 1.44.5 drops the code, so it is
known only if the message names it."""


class StreamFailedError(AnswerError, EventStreamError):
    """A stream that SageMaker ended with ModelStreamError or InternalStreamFailure; an error of both botocore and this client."""

    def __init__(self, place: str, error: EventStreamError, *, chunks: int) -> None:
        details = error.response.get("Error", {})
        code, text = details.get("Code", ""), details.get("Message", "")
        worth_retry = _TIME_EXCEEDED not in text
        truncation = truncation_error(
            place, f"{code or 'an error of SageMaker'}: {text or 'no message'}", chunks=chunks
        )
        message = (
            truncation.message if worth_retry else f"{truncation.message.rpartition(';')[0]}; ask for fewer tokens"
        )
        AnswerError.__init__(self, message, code=code or None, worth_retry=worth_retry, chunks=chunks, body=details)
        self.response, self.operation_name = error.response, error.operation_name


class LeasedStream:
    """boto3's event stream; it keeps its place at the destination until it ends or is closed."""

    def __init__(self, stream: EventStream[Any], lease: Lease) -> None:
        self._stream, self._lease = stream, lease

    @property
    def place(self) -> str:
        """The component and endpoint of the stream, in words."""
        return str(self._lease.destination)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            yield from self._stream
        finally:
            self._lease.release()

    def close(self) -> None:
        """Close the stream's connection."""
        self._stream.close()
        self._lease.release()


def payload(stream: LeasedStream, reader: ChatReader) -> Iterator[bytes]:
    """Yield the bytes of a stream's parts; raise `AnswerError` if the stream ends too early."""
    try:
        for part in stream:
            if "PayloadPart" in part:
                yield part["PayloadPart"]["Bytes"]
    except EventStreamError as error:
        raise StreamFailedError(stream.place, error, chunks=reader.chunks) from error
    except _BROKEN as error:
        raise truncation_error(stream.place, str(error), chunks=reader.chunks) from error
