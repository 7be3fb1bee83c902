"""InvokeEndpoint and InvokeEndpointWithResponseStream through boto3, waiting for a copy."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import boto3
from botocore.config import Config
from botocore.eventstream import ParserError
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, EventStreamError
from urllib3.exceptions import HTTPError

from .answers import ChatReader, truncation_error, whole_answer
from .attempts import Attempts
from .errors import AnswerError
from .failures import Reason, Refusal, RefusedError, is_certificate_problem, service_refusal
from .progress import OnProgress
from .route import Lease, Route
from .tracing import with_traceparent
from .wait import Clock, SystemClock, Wait

if TYPE_CHECKING:
    from botocore.eventstream import EventStream
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

T = TypeVar("T")
_DEFAULT_WAIT: Final = Wait()
READ_TIMEOUT_SECONDS: Final = 75
"""SageMaker gives a container 60 s for an answer, or for the first part of a stream
(https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html, read 2026-11)."""
_NEVER_SENT: Final = (EndpointConnectionError, ConnectTimeoutError)
"""botocore 1.44.5, httpsession.py: a refused connection, a name that does not resolve, a connect timeout. ConnectionClosedError and
ReadTimeoutError come after the request was sent."""
_BROKEN: Final = (HTTPError, ParserError, OSError)
"""Errors of reading a stream, beside EventStreamError: botocore 1.44.5 passes urllib3's own errors on."""
_TIME_EXCEEDED: Final = "ModelInvocationTimeExceeded"
"""An ErrorCode of ModelStreamError: the answer took longer than SageMaker allows, and a retry would, too. botocore 1.44.5 drops the code, so it is
known only if the message names it."""


class StreamFailedError(AnswerError, EventStreamError):
    """A stream that SageMaker ended with ModelStreamError or InternalStreamFailure; an error both of botocore and of this client."""

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


class InferenceClient:
    """A component, or a route, as a boto3 client that waits until a copy can answer.

    boto3's own retries are off (`total_max_attempts` 1): its standard mode repeats a read timeout, a broken connection and every
    500, 502, 503 and 504, though a copy may be at work on the request (botocore 1.44.5, retries/standard.py).

    Safe to use from many threads. In a program that uses OpenTelemetry, a request carries the current span to the container
    (`traceparent` in CustomAttributes).

    Args:
        endpoint: SageMaker's name of the endpoint, for example prod-chat; needs `component`.
        component: SageMaker's name of the inference component or adapter, for example prod-chat-llama.
        route: Several destinations behind one name (`Route.load`), instead of endpoint and component.
        region: Region of the endpoint; that of the session by default.
        wait: Limits of a request's wait.
        on_progress: Called while a request waits, for example `ProgressLine()`; no progress is reported by default.
        cancel: Ends a wait with `WaitCancelledError` when any thread sets it. Ctrl-C ends a wait in any case.
        session: Source of the credentials; boto3's default chain by default.
        endpoint_url: Address of SageMaker and its runtime; AWS's own, or AWS_ENDPOINT_URL, by default.
        read_timeout_seconds: Longest time between two parts of an answer; 75 by default.
        max_connections: Requests at once; further ones wait for a connection.
        clock: Clock of the wait, for tests; the system's by default.

    Raises:
        ValueError: Neither endpoint and component nor a route are given, or both are.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        component: str | None = None,
        *,
        route: Route | None = None,
        region: str | None = None,
        wait: Wait = _DEFAULT_WAIT,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        session: boto3.Session | None = None,
        endpoint_url: str | None = None,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        max_connections: int = 50,
        clock: Clock | None = None,
    ) -> None:
        session = session if session is not None else boto3.Session()
        config = Config(
            connect_timeout=5,
            read_timeout=read_timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=max_connections,
        )
        chosen = route_of(endpoint, component, route)
        self._runtime: SageMakerRuntimeClient = session.client(
            "sagemaker-runtime", region_name=region, endpoint_url=endpoint_url, config=config
        )
        self._attempts = Attempts(
            route=chosen,
            wait=wait,
            on_progress=on_progress,
            cancel=cancel,
            session=session,
            region=region,
            endpoint_url=endpoint_url,
            clock=clock if clock is not None else SystemClock(),
        )

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        """Call InvokeEndpoint with boto3's parameters; endpoint and component are filled in.

        Args:
            request: boto3's parameters of InvokeEndpoint.

        Raises:
            WaitExceededError: No copy took the request in time.
            WaitCancelledError: `cancel` was set.
            botocore.exceptions.ClientError: Any other error of SageMaker or the model; never retried.
        """
        answer, lease = self._send(self._runtime.invoke_endpoint, request)
        lease.release()
        return answer

    def invoke_endpoint_with_response_stream(self, **request: Any) -> dict[str, Any]:
        """Call InvokeEndpointWithResponseStream with boto3's parameters; a stream that has begun is never restarted.

        Args:
            request: boto3's parameters of InvokeEndpointWithResponseStream.

        Raises:
            WaitExceededError: No copy took the request in time.
            WaitCancelledError: `cancel` was set.
            botocore.exceptions.ClientError: Any other error of SageMaker or the model, also from inside the stream as EventStreamError.
        """
        answer, lease = self._send(self._runtime.invoke_endpoint_with_response_stream, request)
        return {**answer, "Body": LeasedStream(answer["Body"], lease)}

    def chat(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """Ask a question in the OpenAI chat format; return the whole answer.

        Args:
            messages: Messages of the chat, for example [{"role": "user", "content": "…"}].
            options: Further members of the body, for example max_tokens.

        Raises:
            AnswerError: The response is an error, or not an answer.
        """
        body = json.dumps({"messages": list(messages), **options})
        answer, lease = self._send(self._runtime.invoke_endpoint, {"Body": body, "ContentType": "application/json"})
        lease.release()
        return whole_answer(str(lease.destination), answer["Body"].read())

    def stream_chat(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> Iterator[dict[str, Any]]:
        """Ask a question in the OpenAI chat format; yield the answer's chunks as they arrive.

        Args:
            messages: As for `chat`.
            options: As for `chat`.

        Raises:
            AnswerError: The answer ends with an error or before its end mark, or is not a stream; earlier chunks were yielded.
        """
        body = json.dumps({"messages": list(messages), **options, "stream": True})
        answer = self.invoke_endpoint_with_response_stream(Body=body, ContentType="application/json")
        stream: LeasedStream = answer["Body"]
        reader = ChatReader(stream.place)
        try:
            for part in _payload(stream, reader):
                for chunk, _ in reader.feed(part):
                    yield chunk
                if reader.is_done:
                    return
            reader.finish()
        finally:
            stream.close()

    def close(self) -> None:
        """Close the connections."""
        self._runtime.close()
        self._attempts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, operation: Callable[..., Any], request: Mapping[str, Any]) -> tuple[dict[str, Any], Lease]:
        attributes = with_traceparent(request.get("CustomAttributes"))
        if attributes is not None:
            request = {**request, "CustomAttributes": attributes}

        def attempt(lease: Lease) -> dict[str, Any]:
            destination = lease.destination
            try:
                return dict(
                    operation(
                        **{
                            **request,
                            "EndpointName": destination.endpoint,
                            "InferenceComponentName": destination.component,
                        }
                    )
                )
            except (ClientError, *_NEVER_SENT) as error:
                refusal = refusal_of(error)
                if refusal is None or (refusal.reason is Reason.MISSING and lease.is_last):
                    raise
                raise RefusedError(refusal) from error

        return self._attempts.run(attempt)


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


def _payload(stream: LeasedStream, reader: ChatReader) -> Iterator[bytes]:
    """Yield the bytes of a stream's parts; raise `AnswerError` if the stream ends too early."""
    try:
        for part in stream:
            if "PayloadPart" in part:
                yield part["PayloadPart"]["Bytes"]
    except EventStreamError as error:
        raise StreamFailedError(stream.place, error, chunks=reader.chunks) from error
    except _BROKEN as error:
        raise truncation_error(stream.place, str(error), chunks=reader.chunks) from error


def refusal_of(error: Exception) -> Refusal | None:
    """Return the refusal that an error of boto3 stands for; None if a copy may have seen the request."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return service_refusal(details.get("Code", ""), details.get("Message", ""))
    if isinstance(error, _NEVER_SENT) and not is_certificate_problem(error):
        return Refusal(reason=Reason.UNREACHABLE, message=str(error))
    return None


def route_of(endpoint: str | None, component: str | None, route: Route | None) -> Route:
    """Return the route, or a route with one destination for an endpoint and a component.

    Raises:
        ValueError: Neither endpoint and component nor a route are given, or both are.
    """
    if route is not None and endpoint is None and component is None:
        return route
    if route is None and endpoint and component:
        return Route.to(endpoint, component)
    raise ValueError(
        f"give endpoint and component, or a route; got endpoint={endpoint!r}, component={component!r}, route={route!r}"
    )
