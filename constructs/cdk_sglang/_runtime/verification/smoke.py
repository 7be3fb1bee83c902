"""The smoke request to a component. Neither the request nor the answer is logged or becomes part of a message."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from .findings import Finding, UnseenError, waiting, wrong
from .specification import Component, Specification

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

_BUSY = (408, 429)
_UNKNOWN = 404
_SERVER_ERROR = 500
_STARTING = {"ServiceUnavailable", "InternalFailure", "InternalDependencyException", "ModelNotReadyException"}
_GRACE_SECONDS = 300
"""Time after a deployment in which a model may answer with errors: for the first requests of a fresh copy, and those
during a hand-over."""
_INSTANCE_SECONDS = 1800
"""Time that a component at zero copies may need besides its start-up time, since an instance has to be found and started."""


def smoke_finding(
    runtime: Callable[[int], SageMakerRuntimeClient],
    specification: Specification,
    component: Component,
    *,
    copies: int,
    elapsed: float,
    adapter: str | None = None,
) -> Finding | None:
    """Send the smoke request; return the problem of its answer, None if the answer is as expected.

    Args:
        runtime: Returns a client of sagemaker-runtime with this read time-out in seconds.
        specification: Specification of the endpoint.
        component: The component.
        copies: Desired number of copies; at 0 the request wakes the component.
        elapsed: Seconds since the first check.
        adapter: Adapter of the component that is asked. Default: the component itself.
    """
    name, smoke = f"component {component.name}" if adapter is None else f"adapter {adapter}", component.smoke
    try:
        answer = runtime(smoke.timeout_seconds).invoke_endpoint(
            EndpointName=specification.endpoint,
            InferenceComponentName=adapter or component.name,
            ContentType="application/json",
            Accept="application/json",
            Body=smoke.body.encode(),
        )
        body = answer["Body"].read()
    except ClientError as error:
        return _refused(name, component, error, copies=copies, elapsed=elapsed, loads=adapter is not None)
    except (ReadTimeoutError, ConnectTimeoutError):
        return _patient(f"{name}: gave no answer to the smoke request within {smoke.timeout_seconds} s", elapsed)
    except BotoCoreError as error:
        return UnseenError(f"InvokeEndpoint on {adapter or component.name}: {type(error).__name__}").finding
    if _holds(body, smoke.expect):
        return None
    return wrong(
        f"{name}: answered the smoke request without {' or '.join(smoke.expect)}; "
        "see its logs, and whether the model can chat: a smoke request of your own can be stated"
    )


def _refused(
    name: str, component: Component, error: ClientError, *, copies: int, elapsed: float, loads: bool
) -> Finding:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code == "ModelError":
        status = int(str(error.response.get("OriginalStatusCode") or _SERVER_ERROR))
        text = f"{name}: answered the smoke request with status {status}; see /aws/sagemaker/InferenceComponents/{component.name}"
        # A copy that has not loaded an adapter yet answers that it does not know it.
        final = status < _SERVER_ERROR and status not in _BUSY and not (loads and status == _UNKNOWN)
        return wrong(text) if final else _patient(text, elapsed)
    if code in {"ValidationError", "ValidationException"} and "no capacity" in message.lower():
        limit = component.startup_seconds + _INSTANCE_SECONDS
        if copies == 0 and not component.scaling:
            return wrong(f"{name}: has no copies, and no scaling that could add one; set copies to 1 or more")
        if elapsed > limit:
            return wrong(
                f"{name}: no copy started within {limit} s of the first request; "
                "see its scaling activities, the alarm on NoCapacityInvocationFailures, and whether instances are available"
            )
        return waiting(f"{name}: has no copy to answer yet" + ("; the request wakes it" if copies == 0 else ""))
    if code in _STARTING:
        return waiting(f"{name}: is not ready to answer ({code})")
    return UnseenError(f"InvokeEndpoint on {name}: {code}: {message[:200]}").finding


def _patient(text: str, elapsed: float) -> Finding:
    return wrong(text) if elapsed > _GRACE_SECONDS else waiting(text)


def _holds(body: bytes, paths: tuple[str, ...]) -> bool:
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return any(_at(answer, path) not in (None, "", [], {}) for path in paths)


def _at(value: object, path: str) -> object:
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
