"""httpx transports that send a request until a copy takes it: what the openai clients stand on."""

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

from cdk_sglang.client.answers import ChatReader
from cdk_sglang.client.attempts import Attempts
from cdk_sglang.client.errors import AnswerError, WaitCancelledError, WaitExceededError
from cdk_sglang.client.failures import Reason, Refusal, RefusedError, is_certificate_problem, response_refusal
from cdk_sglang.client.progress import OnProgress
from cdk_sglang.client.route import Destination, Lease, Route
from cdk_sglang.client.tokens import BearerTokens
from cdk_sglang.client.wait import Clock, SystemClock, Wait

_NEVER_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout)


class OpenAIWaitExceededError(WaitExceededError, openai.OpenAIError):
    """`WaitExceededError` out of an openai client, which passes on its own kind of errors alone."""


class OpenAIWaitCancelledError(WaitCancelledError, openai.OpenAIError):
    """`WaitCancelledError` out of an openai client."""


class OpenAIAnswerError(AnswerError, openai.APIError):
    """`AnswerError` out of an openai client, which passes on its own kind of errors alone.

    Args:
        error: The error that the answer held.
        request: The HTTP request that was answered.
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


class Line:
    """What both transports share: attempts, tokens, and where each destination is."""

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
        # boto3 knows the runtime's address in every Region and partition, and what AWS_ENDPOINT_URL says.
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

    def addressed(self, request: httpx2.Request, content: bytes, at: Destination, token: str) -> httpx2.Request:
        """Return the request for one destination, with a token of its own: a wait may outlive the last one."""
        headers = request.headers.copy()
        headers["Authorization"] = f"Bearer {token}"
        path = request.url.path.replace(self._first, _path(at), 1)
        url = request.url.copy_with(path=path)
        return httpx2.Request(request.method, url, headers=headers, content=content, extensions=request.extensions)


def _path(at: Destination) -> str:
    return f"/endpoints/{at.endpoint}/inference-components/{at.component}/openai/v1"


def _refused(response: httpx2.Response, lease: Lease) -> RefusedError | None:
    """Return what an error answer, read to its end, says of who saw the request."""
    refusal = response_refusal(response.headers.get("x-amzn-ErrorType", ""), response.content)
    if refusal is None or (refusal.reason is Reason.MISSING and lease.is_last):
        return None
    return RefusedError(refusal)


class WaitingTransport(httpx2.BaseTransport):
    """Sends a request until a copy takes it."""

    def __init__(self, inner: httpx2.BaseTransport, line: Line) -> None:
        self._inner, self._line = inner, line

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the answer, once it has begun, is never begun again."""
        content = request.read()

        def attempt(lease: Lease) -> httpx2.Response:
            sent = self._line.addressed(request, content, lease.destination, self._line.tokens.token())
            try:
                response = self._inner.handle_request(sent)
            except _NEVER_SENT as error:
                if is_certificate_problem(error):
                    raise
                raise RefusedError(Refusal(reason=Reason.UNREACHABLE, message=str(error))) from error
            if not response.is_error:
                return response
            response.read()
            if refused := _refused(response, lease):
                raise refused
            return response

        try:
            response, lease = self._line.attempts.run(attempt)
        except WaitExceededError as error:
            raise _exceeded(error) from error
        except WaitCancelledError as error:
            raise OpenAIWaitCancelledError(str(error)) from error
        if response.is_closed:
            lease.release()
        else:
            stream = cast("httpx2.SyncByteStream", response.stream)
            response.stream = _Held(stream, lease, _reads(request, content, response, lease))
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
        self._line.attempts.close()


class AsyncWaitingTransport(httpx2.AsyncBaseTransport):
    """Sends a request until a copy takes it, in an event loop."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, line: Line) -> None:
        self._inner, self._line = inner, line

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the answer, once it has begun, is never begun again."""
        content = await request.aread()

        async def attempt(lease: Lease) -> httpx2.Response:
            token = await to_thread.run_sync(self._line.tokens.token)  # credentials may have to be fetched
            sent = self._line.addressed(request, content, lease.destination, token)
            try:
                response = await self._inner.handle_async_request(sent)
            except _NEVER_SENT as error:
                if is_certificate_problem(error):
                    raise
                raise RefusedError(Refusal(reason=Reason.UNREACHABLE, message=str(error))) from error
            if not response.is_error:
                return response
            await response.aread()
            if refused := _refused(response, lease):
                raise refused
            return response

        try:
            response, lease = await self._line.attempts.arun(attempt)
        except WaitExceededError as error:
            raise _exceeded(error) from error
        if response.is_closed:
            lease.release()
        else:
            stream = cast("httpx2.AsyncByteStream", response.stream)
            response.stream = _AsyncHeld(stream, lease, _reads(request, content, response, lease))
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
        self._line.attempts.close()


def _exceeded(error: WaitExceededError) -> OpenAIWaitExceededError:
    return OpenAIWaitExceededError(str(error), reason=error.reason, waited_seconds=error.waited_seconds)


class _Reads:
    """Follows the stream of a chat answer on its way to the openai client, and stops it where it is none."""

    def __init__(self, request: httpx2.Request, lease: Lease) -> None:
        self._request, self._reader = request, ChatReader(str(lease.destination))

    def passed(self, part: bytes) -> Iterator[bytes]:
        """Yield the part, up to an error in it."""
        with self._own_kind():
            yield from self._reader.passed(part)

    def finish(self) -> None:
        """Say that nothing more comes."""
        with self._own_kind():
            self._reader.finish()

    @contextmanager
    def _own_kind(self) -> Iterator[None]:
        try:
            yield
        except AnswerError as error:
            raise OpenAIAnswerError(error, self._request) from None


def _reads(request: httpx2.Request, content: bytes, response: httpx2.Response, lease: Lease) -> _Reads | None:
    """Return what follows an answer where a stream was asked for that ends with `[DONE]`; a packed one cannot be followed."""
    packed = response.headers.get("content-encoding", "identity") != "identity"
    if packed or not request.url.path.endswith("/completions") or b'"stream"' not in content:
        return None
    try:
        asked = json.loads(content)
    except ValueError:
        return None
    return _Reads(request, lease) if isinstance(asked, dict) and asked.get("stream") is True else None


class _Held(httpx2.SyncByteStream):
    """A response's stream, which keeps its place at the destination until it is closed."""

    def __init__(self, stream: httpx2.SyncByteStream, lease: Lease, reads: _Reads | None) -> None:
        self._stream, self._lease, self._reads = stream, lease, reads

    def __iter__(self) -> Iterator[bytes]:
        if self._reads is None:
            yield from self._stream
            return
        for part in self._stream:
            yield from self._reads.passed(part)
        self._reads.finish()

    def close(self) -> None:
        self._stream.close()
        self._lease.release()


class _AsyncHeld(httpx2.AsyncByteStream):
    """The same in an event loop."""

    def __init__(self, stream: httpx2.AsyncByteStream, lease: Lease, reads: _Reads | None) -> None:
        self._stream, self._lease, self._reads = stream, lease, reads

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            for passed in (part,) if self._reads is None else self._reads.passed(part):
                yield passed
        if self._reads is not None:
            self._reads.finish()

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._lease.release()
