"""SageMaker's OpenAI-compatible path as an `openai` client that waits for a copy.

This module imports openai; `cdk_sglang.client` imports the module only when it is used.
"""

from __future__ import annotations

import threading
from typing import Final, TypedDict

import boto3
import httpx2
import openai

from .boto import route_of
from .progress import OnProgress
from .route import Route
from .transports import AsyncWaitingTransport, TransportContext, WaitingTransport
from .wait import Clock, Wait

READ_TIMEOUT_SECONDS: Final = 120
"""Longest time between two parts of an answer; SageMaker gives a container 60 s for the first."""
_DEFAULT_WAIT: Final = Wait()
_TOKEN_IS_SET_BELOW: Final = "signed-for-each-attempt"  # noqa: S105  the transport replaces it by the real token
_LIMITS: Final = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
"""Limits of the openai client itself."""


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

    The retries of openai are off (`max_retries` 0): they repeat time-outs, broken connections and every 429 and 5xx, though a copy may be
    at work on the request. Bearer tokens are generated from AWS credentials and replaced after some minutes.

    Args:
        endpoint: SageMaker's name of the endpoint; needs `component`.
        component: SageMaker's name of the inference component or adapter.
        route: Several destinations behind one name, instead of endpoint and component.
        region: Region of the endpoint; that of the session by default.
        wait: Limits of a request's wait.
        on_progress: Called while a request waits; no progress is reported by default.
        cancel: Ends a wait with `OpenAIWaitCancelledError` when any thread sets it.
        session: Source of the credentials; boto3's default chain by default.
        endpoint_url: Address of SageMaker and its runtime; AWS's own, or AWS_ENDPOINT_URL, by default.
        read_timeout_seconds: Longest time between two parts of an answer; 120 by default.
        clock: Clock of the wait, for tests; the system's by default.

    Raises:
        ValueError: Neither endpoint and component nor a route are given, or both are.
    """
    context = TransportContext(
        route_of(endpoint, component, route),
        region=region,
        wait=wait,
        on_progress=on_progress,
        cancel=cancel,
        session=session,
        endpoint_url=endpoint_url,
        clock=clock,
    )
    transport = WaitingTransport(httpx2.HTTPTransport(limits=_LIMITS), context)
    http = httpx2.Client(transport=transport, timeout=_timeout(read_timeout_seconds))
    return openai.OpenAI(http_client=http, **_common(context))


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
    """Return an `openai.AsyncOpenAI` that waits like `openai_client`; cancelling the task ends a wait at once.

    Args:
        endpoint: SageMaker's name of the endpoint; needs `component`.
        component: SageMaker's name of the inference component or adapter.
        route: Several destinations behind one name, instead of endpoint and component.
        region: Region of the endpoint; that of the session by default.
        wait: Limits of a request's wait.
        on_progress: Called in the event loop while a request waits; must not block.
        session: Source of the credentials; boto3's default chain by default.
        endpoint_url: Address of SageMaker and its runtime; AWS's own, or AWS_ENDPOINT_URL, by default.
        read_timeout_seconds: Longest time between two parts of an answer; 120 by default.
        clock: Clock of the wait, for tests; the system's by default.

    Raises:
        ValueError: Neither endpoint and component nor a route are given, or both are.
    """
    context = TransportContext(
        route_of(endpoint, component, route),
        region=region,
        wait=wait,
        on_progress=on_progress,
        cancel=None,
        session=session,
        endpoint_url=endpoint_url,
        clock=clock,
    )
    transport = AsyncWaitingTransport(httpx2.AsyncHTTPTransport(limits=_LIMITS), context)
    http = httpx2.AsyncClient(transport=transport, timeout=_timeout(read_timeout_seconds))
    return openai.AsyncOpenAI(http_client=http, **_common(context))


class _Common(TypedDict):
    """Arguments that both openai clients share."""

    base_url: str
    api_key: str
    max_retries: int


def _common(context: TransportContext) -> _Common:
    return {"base_url": context.base_url, "api_key": _TOKEN_IS_SET_BELOW, "max_retries": 0}


def _timeout(read_seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(read_seconds, connect=5.0, pool=None)
