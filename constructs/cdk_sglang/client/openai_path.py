"""SageMaker's OpenAI-compatible path as an `openai` client that waits for a copy.

Imports openai, which `cdk_sglang.client` does only where this is used.
"""

from __future__ import annotations

import threading
from typing import Final, TypedDict

import boto3
import httpx2
import openai

from cdk_sglang.client.boto import route_of
from cdk_sglang.client.progress import OnProgress
from cdk_sglang.client.route import Route
from cdk_sglang.client.transports import AsyncWaitingTransport, Line, WaitingTransport
from cdk_sglang.client.wait import Clock, Wait

READ_TIMEOUT_SECONDS: Final = 120
"""Between two parts of an answer; SageMaker gives a container 60 s for the first."""
_DEFAULT_WAIT: Final = Wait()
_TOKEN_IS_SET_BELOW: Final = "signed-for-each-attempt"  # noqa: S105  the transport puts the real one in its place
_LIMITS: Final = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
"""Those of the openai client itself."""


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
        endpoint: As for `InferenceClient`, as is everything that is not said here.
        component: See there.
        route: See there.
        region: See there.
        wait: See there.
        on_progress: See there.
        cancel: Once set, by any thread, waiting ends with `OpenAIWaitCancelledError`.
        session: See there.
        endpoint_url: See there.
        read_timeout_seconds: See there; 120 by default.
        clock: See there.

    Raises:
        ValueError: Neither endpoint and component nor a route is given, or both are.
    """
    line = Line(
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
    http = httpx2.Client(transport=transport, timeout=_timeout(read_timeout_seconds))
    return openai.OpenAI(http_client=http, **_common(line))


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
    line = Line(
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
    http = httpx2.AsyncClient(transport=transport, timeout=_timeout(read_timeout_seconds))
    return openai.AsyncOpenAI(http_client=http, **_common(line))


class _Common(TypedDict):
    """What both clients are told beside how they send."""

    base_url: str
    api_key: str
    max_retries: int


def _common(line: Line) -> _Common:
    return {"base_url": line.base_url, "api_key": _TOKEN_IS_SET_BELOW, "max_retries": 0}


def _timeout(read_seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(read_seconds, connect=5.0, pool=None)
