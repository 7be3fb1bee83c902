"""AgentCore's data plane: InvokeAgentRuntime, whose answer is passed on as it arrives, and StopRuntimeSession."""

from __future__ import annotations

import http.client
import re
import uuid
from collections.abc import Iterator
from typing import Final

from werkzeug.wrappers import Request, Response

from localcloud.aws import faults
from localcloud.aws.agents import sessions
from localcloud.aws.agents.errors import AgentCoreError
from localcloud.aws.agents.measures import Turn
from localcloud.aws.agents.records import DEFAULT, Runtime, Session
from localcloud.aws.agents.scope import state_of
from localcloud.aws.agents.store import LOCK, Store

_PATH: Final = re.compile(r"/runtimes/(?P<runtime>(?:arn:[^/]+/)?[^/]+)/(?P<verb>invocations|stopruntimesession)$")
_SESSION: Final = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
_SESSION_LENGTH: Final = range(33, 257)
"""Lengths of a session id; payloads below: both from bedrock-agentcore's service model (botocore 1.44.5)."""
_BODY_MAX_BYTES: Final = 100_000_000
_ANSWERS_WITHIN_S: Final = 900
"""Seconds that an agent may be silent (AgentCore's quota of synchronous requests: 15 minutes, read 2026-11)."""
_PASSED: Final = (
    "Content-Type", "Accept", "Mcp-Session-Id", "Mcp-Protocol-Version", "X-Amzn-Trace-Id", "traceparent", "tracestate", "baggage",
    _SESSION, "X-Amzn-Bedrock-AgentCore-Runtime-User-Id",
)  # fmt: skip
_RETURNED: Final = ("Mcp-Session-Id", "X-Amzn-Trace-Id")


def serves(path: str) -> bool:
    """Whether a path belongs to the data plane."""
    return _PATH.match(path) is not None


def answer(request: Request) -> Response:
    """Answer one request to the data plane."""
    match = _PATH.match(str(request.environ["PATH_INFO"]))
    assert match is not None
    try:
        state = state_of(request)
        if match["verb"] == "stopruntimesession":
            return _stop(state, request, match["runtime"])
        return _measured(state, request, match["runtime"])
    except AgentCoreError as error:
        return error.response()


def _measured(state: Store, request: Request, name: str) -> Response:
    """Invoke a runtime, and publish the request as its metrics: when it is refused, or when its answer ends."""
    turn = Turn(state, state.runtime(name), request.args.get("qualifier", DEFAULT))
    try:
        response = _invoke(state, request, name, turn)
    except AgentCoreError as error:
        turn.ended(error.code)
        raise
    response.call_on_close(turn.ended)
    return response


def _invoke(state: Store, request: Request, name: str, turn: Turn) -> Response:
    _refuse("InvokeAgentRuntime")
    session_id = request.headers.get(_SESSION) or str(uuid.uuid4())
    if len(session_id) not in _SESSION_LENGTH:
        low, high = _SESSION_LENGTH.start, _SESSION_LENGTH.stop - 1
        message = f"1 validation error detected: Value at 'runtimeSessionId' failed to satisfy constraint: Member must have length between {low} and {high}"
        raise AgentCoreError("ValidationException", message)
    if (request.content_length or 0) > _BODY_MAX_BYTES:
        raise AgentCoreError("ValidationException", f"payload: at most {_BODY_MAX_BYTES} bytes")
    runtime = state.runtime(name)
    if "CustomJWTAuthorizer" in runtime.properties.get("AuthorizerConfiguration", {}):
        message = (
            "Authorization method mismatch. The agent is configured for a different authorization method than what was "
            "used in your request. Check the agent's authorization configuration and ensure your request uses the matching method (OAuth or SigV4)"
        )
        raise AgentCoreError("AccessDeniedException", message)
    session = sessions.session(state, runtime, session_id, qualifier=request.args.get("qualifier", DEFAULT))
    turn.begins_session = not session.port
    try:
        session.ensure()
        return _forward(session, request, _headers(request, runtime, session_id))
    except BaseException as error:
        _done(session)
        if isinstance(error, AgentCoreError) and not session.pid:
            sessions.forget(state, session)  # the next request tries again
        raise


def _stop(state: Store, request: Request, name: str) -> Response:
    _refuse("StopRuntimeSession")
    runtime = state.runtime(name)
    session_id = request.headers.get(_SESSION, "")
    with LOCK:
        found = state.sessions.get((runtime.id, session_id))
    if found is None:
        raise AgentCoreError("ResourceNotFoundException", f"Session '{session_id}' was not found")
    sessions.forget(state, found)
    return Response("{}", content_type="application/json", headers={_SESSION: session_id})


def _refuse(operation: str) -> None:
    if faults.strikes("throttling", operation):
        raise AgentCoreError("ThrottlingException", "Rate exceeded")
    if faults.strikes("access-denied", operation) or faults.strikes("access-denied", f"bedrock-agentcore:{operation}"):
        message = f"The caller is not authorized to perform: bedrock-agentcore:{operation} (injected fault)"
        raise AgentCoreError("AccessDeniedException", message)


def _headers(request: Request, runtime: Runtime, session_id: str) -> dict[str, str]:
    """Headers that the agent gets: AgentCore's own, and those on the runtime's list."""
    listed = runtime.properties.get("RequestHeaderConfiguration", {}).get("RequestHeaderAllowlist", [])
    passed = {name: request.headers[name] for name in (*_PASSED, *listed) if name in request.headers}
    return passed | {_SESSION: session_id}


def _forward(session: Session, request: Request, headers: dict[str, str]) -> Response:
    connection = http.client.HTTPConnection("127.0.0.1", session.port, timeout=_ANSWERS_WITHIN_S)
    try:
        connection.request("POST", "/invocations", body=request.get_data(), headers=headers)
        upstream = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        session.settle()
        raise _broken(502) from error
    if upstream.status >= http.client.BAD_REQUEST:
        upstream.read()
        connection.close()
        raise _broken(upstream.status)
    returned = {name: upstream.headers[name] for name in _RETURNED if name in upstream.headers}
    response = Response(
        _chunks(upstream),
        status=upstream.status,
        headers=returned | {_SESSION: headers[_SESSION]},
        content_type=upstream.headers.get("Content-Type") or "application/octet-stream",
    )

    def closed() -> None:  # even if the caller disconnected before the first part: the agent sees its connection end
        upstream.close()
        connection.close()
        _done(session)

    response.call_on_close(closed)
    return response


def _chunks(upstream: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := upstream.read1(65536):
        yield chunk


def _broken(status: int) -> AgentCoreError:
    message = f"Received error ({status}) from runtime. Please check your CloudWatch logs for more information."
    return AgentCoreError("RuntimeClientError", message)


def _done(session: Session) -> None:
    with LOCK:
        session.outstanding -= 1
        session.touch()
