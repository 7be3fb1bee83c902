"""Custom resources: the function behind the service token is invoked, and answers with a PUT to a one-time address."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

from moto.awslambda.utils import get_backend

from localcloud.aws.clock import clock
from localcloud.aws.cloudformation.names import suffix
from localcloud.aws.cloudformation.resources.base import Resource
from localcloud.aws.settings import current

_SERVICE_TIMEOUT_S = 3600
"""CloudFormation's default of ServiceTimeout."""

_waiting: dict[str, Answer] = {}


class CustomResourceError(Exception):
    """A custom resource answered FAILED, or did not answer."""


class Answer:
    """Answer to one request, once it has arrived."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.body: dict[str, Any] = {}


def take(token: str, body: bytes) -> dict[str, Any]:
    """Accept the response that a function has PUT; raises ValueError if nothing waits for it."""
    answer = _waiting.pop(token, None)
    if answer is None:
        raise ValueError("this response URL has been used, or nothing waits for it any more")
    answer.body = json.loads(body)
    answer.arrived.set()
    return {}


class CustomResource(Resource):
    """AWS::CloudFormation::CustomResource and every Custom:: type, implemented by a Lambda function."""

    TYPE = "AWS::CloudFormation::CustomResource"

    @classmethod
    def check_update(cls, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Refuse a change of the function, for which CloudFormation neither updates nor replaces a resource (coverage roadmap, issue 802)."""
        if old["ServiceToken"] != new["ServiceToken"]:
            raise CustomResourceError("Modifying service token is not allowed.")

    def _create(self) -> None:
        answer = self._request("Create")
        self.physical_resource_id = str(answer.get("PhysicalResourceId") or f"{self.logical_resource_id}-{suffix()}")
        self.attributes = answer.get("Data") or {}

    def _update(self, old: dict[str, Any]) -> None:
        before = self.physical_resource_id
        answer = self._request("Update", OldResourceProperties=_strings(old))
        self.physical_resource_id = str(answer.get("PhysicalResourceId") or before)
        self.attributes = answer.get("Data") or {}
        if self.physical_resource_id != before:  # a new id means a replacement: the old resource must be deleted
            self._request("Delete", PhysicalResourceId=before, ResourceProperties=_strings(old))

    def _remove(self) -> None:
        self._request("Delete")

    def _request(self, kind: str, **more: Any) -> dict[str, Any]:
        if not current().base_url:
            raise CustomResourceError("custom resources need a running server: python -m localcloud")
        token, answer = uuid.uuid4().hex, Answer()
        event = {
            "RequestType": kind,
            "ServiceToken": self.properties["ServiceToken"],
            "ResponseURL": f"{current().base_url}/localcloud/cfn-response/{token}?X-Amz-Signature={token}",
            "StackId": self.stack_id,
            "RequestId": str(uuid.uuid4()),
            "LogicalResourceId": self.logical_resource_id,
            "ResourceType": getattr(self, "cf_resource_type", self.TYPE),
            "ResourceProperties": _strings(self.properties),
        }
        if kind != "Create":
            event["PhysicalResourceId"] = self.physical_resource_id
        _waiting[token] = answer
        try:
            function = get_backend(self.account, self.region).get_function(self.properties["ServiceToken"])
            result, failed, _ = function._invoke_lambda(event | more)
            if failed and not answer.arrived.is_set():
                # AWS would try twice more and then wait for the whole time-out.
                raise CustomResourceError(f"the function {function.function_name} failed: {result}")
            limit = float(self.properties.get("ServiceTimeout", _SERVICE_TIMEOUT_S))
            if not _arrives(answer, limit):
                raise CustomResourceError(f"CloudFormation did not receive a response within {limit:.0f} s")
        finally:
            _waiting.pop(token, None)
        if answer.body.get("Status") != "SUCCESS":
            reason = answer.body.get("Reason", "no reason given")
            raise CustomResourceError(
                f"Received response status [FAILED] from custom resource. Message returned: {reason}"
            )
        return answer.body


def _arrives(answer: Answer, limit: float) -> bool:
    """Wait for an answer; on a driven clock other work runs meanwhile, such as the state machine that sends it."""
    if not clock().in_worker():
        return answer.arrived.wait(limit)
    end = clock().now() + limit
    clock().wait_until(
        lambda: answer.arrived.is_set() or clock().now() >= end, timeout_s=limit, what="an answer of a custom resource"
    )
    return answer.arrived.is_set()


def _strings(node: Any) -> Any:
    """Convert every scalar to a string, as CloudFormation does."""
    if isinstance(node, dict):
        return {key: _strings(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_strings(value) for value in node]
    if isinstance(node, bool):
        return "true" if node else "false"
    return str(node)
