"""ARNs of the resources that a request is about, where the request names them, and the roles that it passes to a service."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from moto.core.responses import BaseResponse

_KINDS: Final = {
    "Endpoint": "endpoint",
    "EndpointConfig": "endpoint-config",
    "InferenceComponent": "inference-component",
    "Model": "model",
    "OptimizationJob": "optimization-job",
    "AIBenchmarkJob": "ai-benchmark-job",
    "AIWorkloadConfig": "ai-workload-config",
    "TrainingPlan": "training-plan",
}
"""Resource types of SageMaker's ARNs by the noun in operations (Service Authorization Reference, read 2026-12)."""
_INVOCATION: Final = re.compile(r"/endpoints/(?P<endpoint>[^/]+)/invocations(?:-response-stream)?$")
_COMPONENT_HEADER: Final = "X-Amzn-SageMaker-Inference-Component"
_VERBS: Final = ("Create", "Describe", "Update", "Delete", "Stop")
_REST: Final = ("RuntimeConfig", "WeightsAndCapacities")
"""What follows the noun in the names of some operations."""
_PASSED: Final = {"sagemaker": ("RoleArn", "ExecutionRoleArn"), "states": ("roleArn",), "codebuild": ("serviceRole",)}
"""Members of requests that hand a role to a service, which takes iam:PassRole."""


def resources(service: str, action: str, response: BaseResponse) -> list[str]:
    """ARNs of the resources of a request to SageMaker or Lambda, on each of which the caller needs the right; an empty one where none is known here.

    Args:
        service: IAM's prefix of the service.
        action: Name of the operation.
        response: The request, as moto has it.
    """
    invocation = _INVOCATION.search(response.path) if service == "sagemaker" else None
    if invocation is None:
        return [_resource(service, action, response)]
    return invoked(
        f"arn:aws:sagemaker:{response.region}:{response.get_current_account()}:",
        invocation["endpoint"],
        response.headers.get(_COMPONENT_HEADER),
    )


def invoked(prefix: str, endpoint: str, component: str | None) -> list[str]:
    """ARNs on which an invocation needs its action: the endpoint, and the inference component that it names.

    Both are resource types of InvokeEndpoint (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html,
    read 2026-12), and a caller needs the right on each resource of a request.

    Args:
        prefix: ARN up to the resource.
        endpoint: Name of the endpoint.
        component: Name of the inference component. Default: the request names none.
    """
    return [
        f"{prefix}endpoint/{endpoint.lower()}",
        *([f"{prefix}inference-component/{component.lower()}"] if component else []),
    ]


def _resource(service: str, action: str, response: BaseResponse) -> str:
    """ARN of the resource of a request to SageMaker or Lambda; empty where the request names none that is known here.

    Args:
        service: IAM's prefix of the service.
        action: Name of the operation.
        response: The request, as moto has it.
    """
    account, region = response.get_current_account(), response.region
    if service == "lambda" and action in ("Invoke", "GetFunction"):
        name = response.path.partition("/functions/")[2].partition("/")[0].replace("%3A", ":")
        name = name.rpartition(":function:")[2]
        return f"arn:aws:lambda:{region}:{account}:function:{name}" if name else ""
    if service != "sagemaker":
        return ""
    verb = next((verb for verb in _VERBS if action.startswith(verb)), "")
    noun = action.removeprefix(verb)
    for rest in _REST:
        noun = noun.removesuffix(rest)
    name = _body(response).get(f"{noun}Name")
    if not verb or noun not in _KINDS or not isinstance(name, str):
        return ""
    return f"arn:aws:sagemaker:{region}:{account}:{_KINDS[noun]}/{name.rpartition('/')[2].lower()}"


def passed_roles(service: str, response: BaseResponse) -> list[str]:
    """ARNs of the roles that a request hands to a service.

    Args:
        service: IAM's prefix of the service.
        response: The request, as moto has it.
    """
    names = _PASSED.get(service, ())
    if not names:
        return []
    body = _body(response)
    return [body[name] for name in names if isinstance(body.get(name), str)]


def _body(response: BaseResponse) -> dict[str, Any]:
    try:
        body = json.loads(response.body or "{}")
    except (TypeError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}
