"""Refusals by a role's policies and by injected faults: any operation of any service is throttled or denied.

S3, which moto routes differently, has no injected faults; `permissions` judges its callers.
"""

from __future__ import annotations

from typing import Any

from moto.core import errors
from moto.core.exceptions import ServiceException
from moto.core.model import ServiceModel
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model

from localcloud.aws import faults
from localcloud.aws.door import permissions, targets
from localcloud.aws.hosting.operations import HANDLERS

_PREFIXES = {"monitoring": "cloudwatch"}
"""IAM's prefix of a service where it differs from the service's signing name."""
_CODES = {"throttling": "Throttling", "access-denied": "AccessDenied"}


class RefusedError(ServiceException):
    """The error of a service that refuses a request."""


def refusal(service: ServiceModel, action: str) -> RefusedError | None:
    """Error that an injected fault requires, None if there is none; targets are ``Operation`` and ``service:Operation`` as in IAM."""
    name = _PREFIXES.get(service.signing_name, service.signing_name)
    for fault, code in _CODES.items():
        if fault == "throttling" and name == "sagemaker" and action in HANDLERS:
            continue  # the operation itself refuses, so that CloudFormation's handlers are throttled too
        if faults.strikes(fault, action) or faults.strikes(fault, f"{name}:{action}"):
            known = code if service.metadata["protocol"] in ("query", "ec2") else f"{code}Exception"
            if fault == "throttling":
                return RefusedError(known, "Rate exceeded")
            return RefusedError(known, f"The caller is not authorized to perform: {name}:{action} (injected fault)")
    return None


def _denied(service: ServiceModel, action: str, response: BaseResponse) -> RefusedError | None:
    """Error of a caller whose role does not allow the action, None if it does."""
    name, key = _PREFIXES.get(service.signing_name, service.signing_name), response.get_access_key()
    needed = [(f"{name}:{action}", resource) for resource in targets.resources(name, action, response)]
    needed += [("iam:PassRole", role) for role in targets.passed_roles(name, response)]
    denials = (permissions.denial(key, *one) for one in needed)
    message = next((one for one in denials if one is not None), None)
    if message is None:
        return None
    is_xml = service.metadata["protocol"] in ("query", "ec2")
    return RefusedError("AccessDenied" if is_xml else "AccessDeniedException", message)


def _call_action(self: BaseResponse) -> Any:
    service, action = get_service_model(self.boto3_service_name), self._get_action() or ""
    refused = _denied(service, action, self)
    if refused is None and any(fault.name in _CODES for fault in faults.active()):
        refused = refusal(service, action)
    if refused is None:
        return _moto_call_action(self)
    status, headers, body = self.serialized(ActionResult(refused))
    headers, body = self._enrich_response(headers, body)
    return status, headers, body


_moto_call_action = BaseResponse.call_action


def install() -> None:
    """Let every service of moto check for a refusal before it answers."""
    BaseResponse.call_action = _call_action
    codes = {code for short in _CODES.values() for code in (short, f"{short}Exception")}
    errors.COMMON_ERROR_CODES = {*errors.COMMON_ERROR_CODES, *codes}
