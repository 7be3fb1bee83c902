"""Data plane: the operations of sagemaker-runtime and the OpenAI path, answered by the copies of a component."""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.eventstream import EventStreamEncoder
from werkzeug.wrappers import Request, Response

from localcloud.aws import faults
from localcloud.aws.hosting import capture, stand_ins
from localcloud.aws.hosting.copies import Copy
from localcloud.aws.hosting.records import Component
from localcloud.aws.hosting.store import LOCK, Store, store
from localcloud.aws.settings import current

_PATH = re.compile(
    r"/endpoints/(?P<endpoint>[^/]+)"
    r"(?:/(?P<verb>invocations|invocations-response-stream)|(?:/inference-components/(?P<component>[^/]+))?(?P<openai>/openai/v1/.+))$"
)
_BODY_MAX_BYTES = 6291456
"""Maximum of BodyBlob in sagemaker-runtime's service model (botocore 1.44.5)."""
_STREAM_MAX_S = 480
"""Seconds after which SageMaker ends a response stream (runtime_InvokeEndpointWithResponseStream, read 2026-11-21)."""
_STATUS = {"ValidationError": 400, "ModelError": 424, "ServiceUnavailable": 503, "ThrottlingException": 400}
_STATUS |= {"InternalFailure": 500, "ModelNotReadyException": 429, "AccessDeniedException": 403}
_PASSED = (
    "Content-Type",
    "X-Amzn-SageMaker-Custom-Attributes",
    "X-Amzn-SageMaker-Session-Id",
    "X-Amzn-SageMaker-Inference-Id",
)
_RETURNED = (
    "X-Amzn-SageMaker-Custom-Attributes",
    "X-Amzn-SageMaker-New-Session-Id",
    "X-Amzn-SageMaker-Closed-Session-Id",
)
_NO_COPY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress "
    "(if configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
_encoder = EventStreamEncoder()


class RuntimeFailureError(Exception):
    """Error response of sagemaker-runtime."""

    def __init__(self, code: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.members = {"Message": message} | members


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One invocation of a copy."""

    state: Store
    component: Component
    copy: Copy
    began: float
    path: str
    streams: bool


def serves(path: str) -> bool:
    """Whether a path belongs to the data plane."""
    return _PATH.match(path) is not None


def answer(request: Request, *, denial: Callable[[str, str], str | None] = lambda *_: None) -> Response:
    """Answer one invocation.

    Args:
        request: The request.
        denial: Returns the message if the caller may not perform an action on a resource. Default: every caller may.
    """
    match = _PATH.match(request.path)
    assert match is not None
    try:
        return _answer(request, match, denial)
    except RuntimeFailureError as failure:
        body = json.dumps(failure.members)
        response = Response(body, status=_STATUS[failure.code], content_type="application/json")
        response.headers["x-amzn-ErrorType"] = failure.code
        return response


def _answer(request: Request, match: re.Match[str], denial: Callable[[str, str], str | None]) -> Response:
    streams = match["verb"] == "invocations-response-stream"
    operation = "InvokeEndpointWithResponseStream" if streams else "InvokeEndpoint"
    state = store(DEFAULT_ACCOUNT_ID, _region(request))
    if faults.strikes("throttling", operation):
        raise RuntimeFailureError("ThrottlingException", "Rate exceeded")
    if faults.strikes("access-denied", operation) or faults.strikes("access-denied", f"sagemaker:{operation}"):
        message = f"The caller is not authorized to perform: sagemaker:{operation} (injected fault)"
        raise RuntimeFailureError("AccessDeniedException", message)
    name = match["component"] or request.headers.get("X-Amzn-SageMaker-Inference-Component")
    for kind, of in (("endpoint", match["endpoint"]), ("inference-component", name)):
        if of and (denied := denial(f"sagemaker:{operation}", state.arn(kind, of))) is not None:
            raise RuntimeFailureError("AccessDeniedException", denied)
    if match["openai"] and match["openai"] != "/openai/v1/chat/completions":
        raise RuntimeFailureError("ValidationError", f"Path {match['openai']} is not supported")
    if (request.content_length or 0) > _BODY_MAX_BYTES:
        raise RuntimeFailureError(
            "ValidationError",
            f"1 validation error detected: Value at 'body' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_BODY_MAX_BYTES}",
        )
    component, copy = _route(state, match["endpoint"], name, request)
    path = "/v1/chat/completions" if match["openai"] else "/invocations"
    call = _Call(state=state, component=component, copy=copy, began=time.monotonic(), path=path, streams=streams)
    try:
        return _forward(call, request, raw=bool(match["openai"]))
    except RuntimeFailureError:
        _done(call, status=http.client.INTERNAL_SERVER_ERROR)
        raise


def _region(request: Request) -> str:
    """Region of a request: from its SigV4 header, or from its bearer token, a presigned CallWithBearerToken request."""
    authorization = request.headers.get("Authorization", "")
    if authorization.startswith("AWS4-HMAC-SHA256"):
        return str(authorization.split(",")[0].split("/")[2])
    token = authorization.removeprefix("Bearer ").removeprefix("sagemaker-api-key-")
    if authorization.startswith("Bearer "):
        with contextlib.suppress(binascii.Error, UnicodeDecodeError, ValueError, LookupError):
            url = base64.b64decode(token, validate=True).decode()
            query = parse_qs(urlsplit(f"https://{url.removeprefix('https://')}").query)
            if query["Action"] == ["CallWithBearerToken"]:
                return query["X-Amz-Credential"][0].split("/")[2]
    raise RuntimeFailureError("AccessDeniedException", "The request must be signed, or carry a SageMaker bearer token")


def _route(state: Store, endpoint: str, name: str | None, request: Request) -> tuple[Component, Copy]:
    with LOCK:
        if endpoint not in state.endpoints:
            raise RuntimeFailureError("ValidationError", f"Endpoint {endpoint} of account {state.account} not found.")
        if not name:
            raise RuntimeFailureError(
                "ValidationError",
                "Inference Component Name header is required for endpoints to which you plan to deploy inference "
                "components. Please include Inference Component Name header or consider using SageMaker models.",
            )
        component = state.components.get(name)
        if component is None or component.data["EndpointName"] != endpoint:
            raise RuntimeFailureError(
                "ValidationError", f"Inference Component {name} not found on endpoint {endpoint}."
            )
        base = state.components[component.base] if component.base else component
        copies = [copy for copy in base.copies if copy.state == "healthy"]
        if component.base:
            copies = [copy for copy in copies if copy.adapters.get(name) == "loaded"]
        if not copies:
            _count(component, "NoCapacityInvocationFailures")
            raise RuntimeFailureError("ValidationError", _NO_COPY)
        session = request.headers.get("X-Amzn-SageMaker-Session-Id")
        chosen = base.sessions.get(session or "")
        if chosen not in copies:
            least = min(copy.outstanding for copy in copies)
            chosen = secrets.choice([copy for copy in copies if copy.outstanding == least])
        assert chosen is not None
        chosen.outstanding += 1
        chosen.peak = max(chosen.peak, chosen.outstanding)
        return component, chosen


def _forward(call: _Call, request: Request, *, raw: bool) -> Response:
    headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
    accept = request.headers.get("X-Amzn-SageMaker-Accept") or request.headers.get("Accept")
    headers |= {"Accept": accept} if accept else {}
    if call.component.base:
        headers["X-Amzn-SageMaker-Adapter-Identifier"] = call.component.name
    port = stand_ins.ports().get(call.component.name, call.copy.port)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=current().invocation_timeout_s)
    try:
        connection.request("POST", call.path, body=request.get_data(), headers=headers)
        upstream = connection.getresponse()
        failed = upstream.status >= http.client.BAD_REQUEST and not raw
        streams = call.streams or "event-stream" in (upstream.headers.get("Content-Type") or "")
        body = None if streams and not failed else upstream.read()
    except TimeoutError as error:
        connection.close()
        message = (
            "Your invocation timed out while waiting for a response from container primary. Review the latency metrics "
            "for each container in Amazon CloudWatch, resolve the issue, and try again."
        )
        raise _model_error(call, 0, message) from error
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise _model_error(call, 0, None) from error
    if failed:
        connection.close()
        raise _model_error(call, upstream.status, (body or b"").decode(errors="replace"))
    return capture.kept(call.state, call.component, request, _respond(call, connection, upstream, body))


def _respond(
    call: _Call, connection: http.client.HTTPConnection, upstream: http.client.HTTPResponse, body: bytes | None
) -> Response:
    kind = upstream.headers.get("Content-Type") or "application/octet-stream"
    headers = {name: upstream.headers[name] for name in _RETURNED if name in upstream.headers}
    headers["x-Amzn-Invoked-Production-Variant"] = call.component.data["VariantName"]
    base = call.component.base  # the copies of its base keep an adapter's sessions
    sessions = (call.state.components[base] if base else call.component).sessions
    if opened := headers.get("X-Amzn-SageMaker-New-Session-Id"):
        sessions[opened.split(";")[0]] = call.copy
    sessions.pop(headers.get("X-Amzn-SageMaker-Closed-Session-Id", ""), None)
    if body is not None:
        connection.close()
        _done(call, status=upstream.status)
        return Response(body, status=upstream.status, headers=headers, content_type=kind)
    if call.streams:
        headers["X-Amzn-SageMaker-Content-Type"], kind = kind, "application/vnd.amazon.eventstream"
    outcome = {"status": upstream.status}
    response = Response(_chunks(call, upstream, outcome), status=upstream.status, headers=headers, content_type=kind)

    def closed() -> None:  # even if the caller disconnected before the first part
        upstream.close()
        connection.close()
        _done(call, status=outcome["status"])

    response.call_on_close(closed)
    return response


def _chunks(call: _Call, upstream: http.client.HTTPResponse, outcome: dict[str, int]) -> Iterator[bytes]:
    """Parts of the container's response as they arrive; as with SageMaker, parts are not aligned to events."""
    try:
        while chunk := upstream.read1(65536):
            half = len(chunk) // 2
            for piece in (chunk[:half], chunk[half:]):
                if piece:
                    yield _event("PayloadPart", piece) if call.streams else piece
            _check_duration(call)
    except (OSError, http.client.HTTPException) as error:
        outcome["status"] = http.client.INTERNAL_SERVER_ERROR
        _count_call(call, "MidStreamErrors")
        if not call.streams:
            raise
        code = "ModelInvocationTimeExceeded" if isinstance(error, TimeoutError) else "StreamBroken"
        yield _exception("ModelStreamError", {"Message": "The model stopped answering", "ErrorCode": code})
    except Exception as error:  # noqa: BLE001 -- any other error is a failure of the service, which the stream reports
        outcome["status"] = http.client.INTERNAL_SERVER_ERROR
        yield _exception("InternalStreamFailure", {"Message": str(error)})


def _check_duration(call: _Call) -> None:
    if time.monotonic() - call.began > _STREAM_MAX_S:
        raise TimeoutError


def _event(name: str, payload: bytes) -> bytes:
    headers = {":event-type": name, ":content-type": "application/octet-stream", ":message-type": "event"}
    return bytes(_encoder.encode_message(headers, payload))


def _exception(name: str, members: dict[str, str]) -> bytes:
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return bytes(_encoder.encode_message(headers, json.dumps(members).encode()))


def _model_error(call: _Call, status: int, text: str | None) -> RuntimeFailureError:
    group = f"/aws/sagemaker/InferenceComponents/{call.component.name}"
    arn = f"arn:aws:logs:{call.state.region}:{call.state.account}:log-group:{group}"
    side = "client" if http.client.BAD_REQUEST <= status < http.client.INTERNAL_SERVER_ERROR else "server"
    detail = f'with message "{text}"' if text is not None else "and could not load the entire response body"
    message = f"Received {side} error ({status}) from primary {detail}. See {group} in account {call.state.account} for more information."
    _count_call(call, "InvocationModelErrors")
    return RuntimeFailureError(
        "ModelError", message, OriginalStatusCode=status or 500, OriginalMessage=text or "", LogStreamArn=arn
    )


def _count(counted: Component | Copy, metric: str) -> None:
    """Add one to a metric of a component or copy."""
    with LOCK:
        counted.counts[metric] = counted.counts.get(metric, 0) + 1


def _count_call(call: _Call, metric: str) -> None:
    for counted in (call.component, call.copy):
        _count(counted, metric)


def _done(call: _Call, *, status: int) -> None:
    with LOCK:
        call.copy.outstanding -= 1
        _count_call(call, "Invocations")
        if status >= http.client.INTERNAL_SERVER_ERROR:
            _count_call(call, "Invocation5XXErrors")
        elif status >= http.client.BAD_REQUEST:
            _count_call(call, "Invocation4XXErrors")
        for counted in (call.component, call.copy):
            counted.latencies_us.append((time.monotonic() - call.began) * 1e6)
