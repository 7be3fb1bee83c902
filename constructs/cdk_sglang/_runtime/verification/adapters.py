"""Whether an adapter answers: SageMaker reports InService for an adapter that a copy cannot load, or has not loaded yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .findings import Finding, MissingError, UnseenError, call, waiting, wrong
from .live import ON_ITS_WAY
from .smoke import smoke_finding
from .specification import Component, Specification

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient


def adapter_finding(
    sagemaker: SageMakerClient,
    runtime: Callable[[int], SageMakerRuntimeClient],
    specification: Specification,
    component: Component,
    name: str,
    *,
    copies: int,
    elapsed: float,
) -> Finding | None:
    """Check an adapter and send it the component's smoke request; return its problem, None if it answers.

    Args:
        sagemaker: Client of SageMaker.
        runtime: Returns a client of sagemaker-runtime with this read time-out in seconds.
        specification: Specification of the endpoint.
        component: Component whose model the adapter changes.
        name: Name of the adapter's inference component.
        copies: Desired number of copies of the component.
        elapsed: Seconds since the first check.
    """
    try:
        description = call(sagemaker.describe_inference_component, InferenceComponentName=name)
    except MissingError:
        return wrong(f"adapter {name}: does not exist; somebody deleted it outside of CloudFormation: deploy it again")
    except UnseenError as error:
        return error.finding
    status = description["InferenceComponentStatus"]
    if status in ON_ITS_WAY:
        return waiting(f"adapter {name}: is {status}")
    if status != "InService":
        reason = " ".join(str(description.get("FailureReason", "")).split())[:300]
        return wrong(f"adapter {name}: is {status}" + (f" ({reason})" if reason else ""))
    return smoke_finding(runtime, specification, component, copies=copies, elapsed=elapsed, adapter=name)
