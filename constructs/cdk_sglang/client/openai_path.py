"""SageMaker's OpenAI-compatible path as an `openai` client that waits for a copy.

Imports openai, which `cdk_sglang.client` does only where this is used.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Final, cast

import boto3
import httpx2
import openai
from anyio import to_thread

from cdk_sglang.client.attempts import Attempts
from cdk_sglang.client.boto import route_of
from cdk_sglang.client.errors import WaitCancelledError, WaitExceededError
from cdk_sglang.client.failures import Reason, Refusal, RefusedError, is_certificate_problem, response_refusal
from cdk_sglang.client.progress import OnProgress
from cdk_sglang.client.route import Destination, Lease, Route
from cdk_sglang.client.tokens import BearerTokens
from cdk_sglang.client.wait import Clock, SystemClock, Wait

READ_TIMEOUT_SECONDS: Final = 120
"""Between two parts of an answer; SageMaker gives a container 60 s for the first."""
_DEFAULT_WAIT: Final = Wait()
_NEVER_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout)
_TOKEN_IS_SET_BELOW: Final = "signed-for-each-attempt"  # noqa: S105  the transport puts the real one in its place


class OpenAIWaitExceededError(WaitExceededError, openai.OpenAIError):
    """`WaitExceededError` out of an openai client, which passes on its own kind of errors alone."""


class OpenAIWaitCancelledError(WaitCancelledError, openai.OpenAIError):
    """`WaitCancelledError` out of an openai client."""


def openai_client(
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
    clock: Clock | None = None,
) -> openai.OpenAI:
    """Return an `openai.OpenAI` for a component or a route, which waits until a copy can answer.

    Its own retries are off (`max_retries` 0): they repeat time-outs, broken connections and every 429 and 5xx, though a copy may be
    at work on the request. Bearer tokens are made from AWS credentials, one for some minutes each.

    Args:
        endpoint: SageMaker's name of the endpoint, such as prod-chat; goes with `component`.
        component: SageMaker's name of the inference component or adapter.
        route: Instead of both, several destinations behind one name.
        region: Region of the endpoint; that of the session by default.
        wait: How long a request waits.
        on_progress: Called while a request waits; nobody by default.
        cancel: Once set, by any thread, waiting ends with `OpenAIWaitCancelledError`.
        session: Where credentials come from; boto3's default chain by default.
        endpoint_url: Of SageMaker and its runtime; AWS's own, or AWS_ENDPOINT_URL, by default.
        read_timeout_seconds: Between two parts of an answer.
        clock: What waiting is measured by; for tests.

    Raises:
        ValueError: Neither endpoint and component nor a route is given, or both are.
    """
    line = _Line(
        route_of(endpoint, component, route),
        region=region,
        wait=wait,
        on_progress=on_progress,
        cancel=cancel,
        session=session,
        endpoint_url=endpoint_url,
        clock=clock,
    )
    transport = WaitingTransport(httpx2.HTTPTransport(limits=_LIMITS), line)
    return openai.OpenAI(
        base_url=line.base_url,
        api_key=_TOKEN_IS_SET_BELOW,
        max_retries=0,
        http_client=httpx2.Client(transport=transport, timeout=_timeout(read_timeout_seconds)),
    )


def async_openai_client(
    endpoint: str | None = None,
    component: str | None = None,
    *,
    route: Route | None = None,
    region: str | None = None,
    wait: Wait = _DEFAULT_WAIT,
    on_progress: OnProgress | None = None,
    session: boto3.Session | None = None,
    endpoint_url: str | None = None,
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    clock: Clock | None = None,
) -> openai.AsyncOpenAI:
    """Return the same as `openai.AsyncOpenAI`; cancelling the task ends waiting at once.

    Args:
        endpoint: As for `openai_client`, as is everything else.
        component: See there.
        route: See there.
        region: See there.
        wait: See there.
        on_progress: Called in the event loop; it must not block.
        session: See there.
        endpoint_url: See there.
        read_timeout_seconds: See there.
        clock: See there.

    Raises:
        ValueError: Neither endpoint and component nor a route is given, or both are.
    """
    line = _Line(
        route_of(endpoint, component, route),
        region=region,
        wait=wait,
        on_progress=on_progress,
        cancel=None,
        session=session,
        endpoint_url=endpoint_url,
        clock=clock,
    )
    transport = AsyncWaitingTransport(httpx2.AsyncHTTPTransport(limits=_LIMITS), line)
    return openai.AsyncOpenAI(
        base_url=line.base_url,
        api_key=_TOKEN_IS_SET_BELOW,
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport, timeout=_timeout(read_timeout_seconds)),
    )


_LIMITS: Final = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
"""Those of the openai client itself."""


def _timeout(read_seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(read_seconds, connect=5.0, pool=None)


class _Line:
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


def _never_sent(error: Exception) -> RefusedError | None:
    if is_certificate_problem(error):
        return None
    return RefusedError(Refusal(reason=Reason.UNREACHABLE, message=str(error)))


def _refused(response: httpx2.Response, lease: Lease) -> RefusedError | None:
    """Return what an error answer, read to its end, says of who saw the request."""
    refusal = response_refusal(response.headers.get("x-amzn-ErrorType", ""), response.content)
    if refusal is None or (refusal.reason is Reason.MISSING and lease.is_last):
        return None
    return RefusedError(refusal)


class WaitingTransport(httpx2.BaseTransport):
    """Sends a request until a copy takes it."""

    def __init__(self, inner: httpx2.BaseTransport, line: _Line) -> None:
        self._inner, self._line = inner, line

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the answer, once it has begun, is never begun again."""
        content = request.read()

        def attempt(lease: Lease) -> httpx2.Response:
            sent = self._line.addressed(request, content, lease.destination, self._line.tokens.token())
            try:
                response = self._inner.handle_request(sent)
            except _NEVER_SENT as error:
                raise _never_sent(error) or error from error
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
            response.stream = _Held(cast("httpx2.SyncByteStream", response.stream), lease)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
        self._line.attempts.close()


class AsyncWaitingTransport(httpx2.AsyncBaseTransport):
    """Sends a request until a copy takes it, in an event loop."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, line: _Line) -> None:
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
                raise _never_sent(error) or error from error
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
            response.stream = _AsyncHeld(cast("httpx2.AsyncByteStream", response.stream), lease)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
        self._line.attempts.close()


def _exceeded(error: WaitExceededError) -> OpenAIWaitExceededError:
    return OpenAIWaitExceededError(str(error), reason=error.reason, waited_seconds=error.waited_seconds)


class _Held(httpx2.SyncByteStream):
    """A response's stream, which keeps its place at the destination until it is closed."""

    def __init__(self, stream: httpx2.SyncByteStream, lease: Lease) -> None:
        self._stream, self._lease = stream, lease

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        self._stream.close()
        self._lease.release()


class _AsyncHeld(httpx2.AsyncByteStream):
    """The same in an event loop."""

    def __init__(self, stream: httpx2.AsyncByteStream, lease: Lease) -> None:
        self._stream, self._lease = stream, lease

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._lease.release()
