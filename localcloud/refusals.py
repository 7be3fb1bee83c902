"""Refusals of any service's operations on demand: throttled, or not permitted. S3 has a front of its own and is not covered."""

from __future__ import annotations

from typing import Any

from moto.core import errors
from moto.core.exceptions import ServiceException
from moto.core.model import ServiceModel
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model

from localcloud import faults
from localcloud.operations import HANDLERS

_PREFIXES = {"monitoring": "cloudwatch"}
"""IAM's name of a service where it is not the one that requests are signed for."""
_CODES = {"throttling": "Throttling", "access-denied": "AccessDenied"}


class RefusedError(ServiceException):  # type: ignore[misc]
    """What a service answers instead of doing what it was asked."""


def refusal(service: ServiceModel, action: str) -> RefusedError | None:
    """The error an injected fault asks for; targets are ``Operation`` and ``service:Operation`` as IAM writes them."""
    name = _PREFIXES.get(service.signing_name, service.signing_name)
    for fault, code in _CODES.items():
        if fault == "throttling" and name == "sagemaker" and action in HANDLERS:
            continue  # told from inside, so that CloudFormation's handlers are throttled too
        if faults.strikes(fault, action) or faults.strikes(fault, f"{name}:{action}"):
            known = code if service.metadata["protocol"] in ("query", "ec2") else f"{code}Exception"
            if fault == "throttling":
                return RefusedError(known, "Rate exceeded")
            return RefusedError(known, f"The caller is not authorized to perform: {name}:{action} (injected fault)")
    return None


def _call_action(self: BaseResponse) -> Any:
    refused = None
    if any(fault.name in _CODES for fault in faults.active()):
        refused = refusal(get_service_model(self.boto3_service_name), self._get_action() or "")
    if refused is None:
        return _moto_call_action(self)
    status, headers, body = self.serialized(ActionResult(refused))
    headers, body = self._enrich_response(headers, body)
    return status, headers, body


_moto_call_action = BaseResponse.call_action


def install() -> None:
    """Put it before every service of moto."""
    BaseResponse.call_action = _call_action
    codes = {code for short in _CODES.values() for code in (short, f"{short}Exception")}
    errors.COMMON_ERROR_CODES = {*errors.COMMON_ERROR_CODES, *codes}
