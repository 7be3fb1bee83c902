"""httpx transports of the openai clients, which send a request until a copy takes it."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final, cast

import boto3
import httpx2
import openai
from anyio import to_thread

from .answers import ChatReader, whole_answer
from .attempts import Attempts
from .errors import AnswerError, WaitCancelledError, WaitExceededError
from .failures import Reason, Refusal, RefusedError, is_certificate_problem, response_refusal
from .progress import OnProgress
from .route import Destination, Lease, Route
from .tokens import BearerTokens
from .tracing import ATTRIBUTES_HEADER, with_traceparent
from .wait import Clock, SystemClock, Wait

_NEVER_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout)


class OpenAIWaitExceededError(WaitExceededError, openai.OpenAIError):
    """`WaitExceededError` of an openai client; openai passes only its own kind of errors on."""


class OpenAIWaitCancelledError(WaitCancelledError, openai.OpenAIError):
    """`WaitCancelledError` of an openai client."""


class OpenAIAnswerError(AnswerError, openai.APIError):
    """`AnswerError` of an openai client; openai passes only its own kind of errors on.

    Args:
        error: The error in the answer.
        request: The HTTP request of the answer.
    """

    def __init__(self, error: AnswerError, request: httpx2.Request) -> None:
        openai.APIError.__init__(self, error.message, request, body=error.body)
        AnswerError.__init__(
            self,
            error.message,
            status=error.status,
            code=error.code,
            worth_retry=error.worth_retry,
            chunks=error.chunks,
            body=error.body,
        )


class TransportContext:
    """State that both transports share: attempts, tokens, and the address of each destination."""

    def __init__(
        self,
        route: Route,
        *,
        region: str | None,
        wait: Wait,
        on_progress: OnProgress | None,
        cancel: threading.Event | None,
        session: boto3.Session | None,
        endpoint_url: str | None,
        clock: Clock | None,
    ) -> None:
        session = session if session is not None else boto3.Session()
        clock = clock if clock is not None else SystemClock()
        # boto3 knows the runtime's address in every Region and partition, and reads AWS_ENDPOINT_URL.
        runtime = session.client("sagemaker-runtime", region_name=region, endpoint_url=endpoint_url).meta
        self._first = _path(route.destinations[0])
        self.base_url = runtime.endpoint_url.rstrip("/") + self._first
        self.tokens = BearerTokens(session=session, region=runtime.region_name, clock=clock)
        self.attempts = Attempts(
            route=route,
            wait=wait,
            on_progress=on_progress,
            cancel=cancel,
            session=session,
            region=region,
            endpoint_url=endpoint_url,
            clock=clock,
        )

    def request_for(
        self, request: httpx2.Request, content: bytes, destination: Destination, token: str
    ) -> httpx2.Request:
        """Return the request for one destination, with a fresh token: a wait may outlast the previous one."""
        headers = request.headers.copy()
        headers["Authorization"] = f"Bearer {token}"
        headers["Accept-Encoding"] = "identity"  # an error inside a compressed stream would not be seen
        # Whether SageMaker's OpenAI path hands this header on is not documented; on InvokeEndpoint it is the one that reaches the container.
        attributes = with_traceparent(headers.get(ATTRIBUTES_HEADER))
        if attributes is not None:
            headers[ATTRIBUTES_HEADER] = attributes
        path = request.url.path.replace(self._first, _path(destination), 1)
        url = request.url.copy_with(path=path)
        return httpx2.Request(request.method, url, headers=headers, content=content, extensions=request.extensions)


def _path(destination: Destination) -> str:
    return f"/endpoints/{destination.endpoint}/inference-components/{destination.component}/openai/v1"


def _refused_error(response: httpx2.Response, lease: Lease) -> RefusedError | None:
    """Return the refusal in an error response that was read to its end; None if a copy may have seen the request."""
    refusal = response_refusal(response.headers.get("x-amzn-ErrorType", ""), response.content)
    if refusal is None or (refusal.reason is Reason.MISSING and lease.is_last):
        return None
    return RefusedError(refusal)


class WaitingTransport(httpx2.BaseTransport):
    """Sends a request until a copy takes it."""

    def __init__(self, inner: httpx2.BaseTransport, context: TransportContext) -> None:
        self._inner, self._context = inner, context

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the answer, once it has begun, is never begun again."""
        content = request.read()

        def attempt(lease: Lease) -> httpx2.Response:
            outgoing = self._context.request_for(request, content, lease.destination, self._context.tokens.token())
            try:
                response = self._inner.handle_request(outgoing)
            except _NEVER_SENT as error:
                if is_certificate_problem(error):
                    raise
                raise RefusedError(Refusal(reason=Reason.UNREACHABLE, message=str(error))) from error
            if not response.is_error:
                return response
            response.read()
            if refusal := _refused_error(response, lease):
                raise refusal
            return response

        try:
            response, lease = self._context.attempts.run(attempt)
        except WaitExceededError as error:
            raise _exceeded(error) from error
        except WaitCancelledError as error:
            raise OpenAIWaitCancelledError(str(error)) from error
        if response.is_closed:
            lease.release()
            return response
        check = _stream_check(request, content, response, lease)
        stream = cast("httpx2.SyncByteStream", response.stream)
        response.stream = _LeasedStream(stream, lease, check)
        if check is None and _is_answer(request, response):
            try:
                _check_whole(request, response.read(), lease)
            finally:
                response.close()
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
        self._context.attempts.close()


class AsyncWaitingTransport(httpx2.AsyncBaseTransport):
    """Sends a request until a copy takes it, in an event loop."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, context: TransportContext) -> None:
        self._inner, self._context = inner, context

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the answer, once it has begun, is never begun again."""
        content = await request.aread()

        async def attempt(lease: Lease) -> httpx2.Response:
            token = await to_thread.run_sync(self._context.tokens.token)  # credentials may have to be fetched
            outgoing = self._context.request_for(request, content, lease.destination, token)
            try:
                response = await self._inner.handle_async_request(outgoing)
            except _NEVER_SENT as error:
                if is_certificate_problem(error):
                    raise
                raise RefusedError(Refusal(reason=Reason.UNREACHABLE, message=str(error))) from error
            if not response.is_error:
                return response
            await response.aread()
            if refusal := _refused_error(response, lease):
                raise refusal
            return response

        try:
            response, lease = await self._context.attempts.arun(attempt)
        except WaitExceededError as error:
            raise _exceeded(error) from error
        if response.is_closed:
            lease.release()
            return response
        check = _stream_check(request, content, response, lease)
        stream = cast("httpx2.AsyncByteStream", response.stream)
        response.stream = _AsyncLeasedStream(stream, lease, check)
        if check is None and _is_answer(request, response):
            try:
                _check_whole(request, await response.aread(), lease)
            finally:
                await response.aclose()
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
        self._context.attempts.close()


def _exceeded(error: WaitExceededError) -> OpenAIWaitExceededError:
    return OpenAIWaitExceededError(str(error), reason=error.reason, waited_seconds=error.waited_seconds)


class _StreamCheck:
    """Checks the stream of a chat answer on its way to the openai client, and raises at an error in it."""

    def __init__(self, request: httpx2.Request, lease: Lease) -> None:
        self._request, self._reader = request, ChatReader(str(lease.destination))

    def forward(self, part: bytes) -> Iterator[bytes]:
        """Yield the part, up to an error in it."""
        with self._own_kind():
            yield from self._reader.forward(part)

    def finish(self) -> None:
        """Note the end of the stream."""
        with self._own_kind():
            self._reader.finish()

    @contextmanager
    def _own_kind(self) -> Iterator[None]:
        try:
            yield
        except AnswerError as error:
            raise OpenAIAnswerError(error, self._request) from None


def _stream_check(
    request: httpx2.Request, content: bytes, response: httpx2.Response, lease: Lease
) -> _StreamCheck | None:
    """Return a check if the request asks for a stream that ends with `[DONE]`; a compressed response cannot be checked."""
    if not _is_answer(request, response) or b'"stream"' not in content:
        return None
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return _StreamCheck(request, lease) if isinstance(body, dict) and body.get("stream") is True else None


def _is_answer(request: httpx2.Request, response: httpx2.Response) -> bool:
    """Whether a response has an answer of the formats of completions, as it can be read."""
    is_compressed = response.headers.get("content-encoding", "identity") != "identity"
    return not is_compressed and request.url.path.endswith("/completions") and not response.is_error


def _check_whole(request: httpx2.Request, body: bytes, lease: Lease) -> None:
    """Raise for a response that is not an answer, although it has HTTP status 200.

    Raises:
        OpenAIAnswerError: The answer is an error, or missing.
    """
    try:
        whole_answer(str(lease.destination), body)
    except AnswerError as error:
        raise OpenAIAnswerError(error, request) from None


class _LeasedStream(httpx2.SyncByteStream):
    """A response's stream; it keeps its place at the destination until it is closed."""

    def __init__(self, stream: httpx2.SyncByteStream, lease: Lease, check: _StreamCheck | None) -> None:
        self._stream, self._lease, self._check = stream, lease, check

    def __iter__(self) -> Iterator[bytes]:
        if self._check is None:
            yield from self._stream
            return
        for part in self._stream:
            yield from self._check.forward(part)
        self._check.finish()

    def close(self) -> None:
        self._stream.close()
        self._lease.release()


class _AsyncLeasedStream(httpx2.AsyncByteStream):
    """`_LeasedStream` in an event loop."""

    def __init__(self, stream: httpx2.AsyncByteStream, lease: Lease, check: _StreamCheck | None) -> None:
        self._stream, self._lease, self._check = stream, lease, check

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            for piece in (part,) if self._check is None else self._check.forward(part):
                yield piece
        if self._check is not None:
            self._check.finish()

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._lease.release()
