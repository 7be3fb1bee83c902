"""Functions that run while an environment is deployed: Python handlers in this process with a session of their role, on the driven clock.

Components answer twenty minutes after the first request, so that a verification goes on in another invocation.

CDK's provider framework, whose programs are for Node, is stood in for here, with the same calls in the name of the same roles.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
from moto.core.exceptions import ServiceException
from moto.sagemakerruntime.models import SageMakerRuntimeBackend

from localcloud.aws.clock import Clock
from localcloud.aws.cloudformation.resources import custom
from localcloud.aws.compute import functions
from localcloud.aws.door import permissions
from localcloud.aws.hosting import fleet, instances, logs
from localcloud.aws.hosting.store import stores
from tools.check.deployment.in_process import InProcess
from tools.check.deployment.stacks import Part
from tools.check.deployment.world import World

_ANSWER: Final = json.dumps({"choices": [{"message": {"role": "assistant", "content": "OK."}}]})
"""Answer of every component: nothing is started."""
_WAKES_S: Final = 1200.0
"""Time after the first request until components answer: more than one invocation of the verification has."""
_BEGIN: Final = "START RequestId\n"
"""What Lambda itself writes to a function's log, whatever the function says."""


PREFIXES: Final[set[str]] = set()
"""Prefixes of models, below which every bucket of an environment gets a small one."""


def _shard(tensor: str) -> bytes:
    header = json.dumps({tensor: {"dtype": "BF16", "shape": [4, 4], "data_offsets": [0, 32]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(32)


_MODEL: Final[dict[str, bytes]] = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": json.dumps(
        {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}
    ).encode(),
    "model.safetensors": _shard("a"),
}
"""Files of a whole model, as the check of weights looks at them."""


class _AsleepError(ServiceException):
    """The error of a component without a copy, which the verification waits for."""

    code, message = "ValidationError", "Inference Component has no capacity to process this request."


class Running(InProcess):
    """Runs functions with what their roles may do."""

    def __init__(self, clock: Clock, folder: Path) -> None:
        super().__init__(clock, folder)
        self.groups: set[str] = set()
        for name in [name for name in sys.modules if name.startswith("asset_")]:
            del sys.modules[name]  # their clients have the sessions of another world's roles
        self._first_request_s: float | None = None
        SageMakerRuntimeBackend.invoke_endpoint = lambda *_, **__: self._answer()

    def __call__(self, function: Any, event: str) -> functions.Outcome:
        """Run one invocation."""
        self.groups.add(str(function.logs_group_name))
        done = super().__call__(function, event)
        return functions.Outcome(done.result, failed=done.failed, output=_BEGIN + done.output)

    def _answer(self) -> tuple[str, str, str, str]:
        """Answer a request to a component as one that has to wake first."""
        now = self._clock.now()
        self._first_request_s = now if self._first_request_s is None else self._first_request_s
        if now < self._first_request_s + _WAKES_S:
            raise _AsleepError
        return _ANSWER, "application/json", "main", ""

    @contextlib.contextmanager
    def _environment(self, function: Any) -> Iterator[None]:
        before, session = dict(os.environ), boto3.DEFAULT_SESSION
        boto3.DEFAULT_SESSION = None  # it keeps the credentials of the function that asked first
        os.environ.update(permissions.session_of(str(function.role), str(function.region)) or {})
        try:
            with super()._environment(function):
                yield
        finally:
            boto3.DEFAULT_SESSION = session
            os.environ.clear()
            os.environ.update(before)

    def _provide(self, function: Any, event: dict[str, Any]) -> functions.Outcome:
        """Do what CDK's provider framework does (aws-cdk-lib 2.275.0, custom-resources/lib/provider-framework)."""
        entry = str(function.handler).rpartition(".")[2]
        if entry == "onTimeout":
            event = json.loads(json.loads(event["Cause"])["errorMessage"])
            return _respond(event, {"Status": "FAILED", "Reason": "Operation timed out"})
        try:
            if entry == "isComplete":
                done = self._ask(function, "USER_IS_COMPLETE_FUNCTION_ARN", event)
                if not done["IsComplete"]:
                    return functions.Outcome(
                        json.dumps({"errorMessage": json.dumps(event), "errorType": "Retry"}), failed=True
                    )
                return _respond(event, {"Status": "SUCCESS", "Data": event.get("Data", {}) | done.get("Data", {})})
            begun = self._ask(function, "USER_ON_EVENT_FUNCTION_ARN", event)
            physical = begun.get("PhysicalResourceId") or event.get("PhysicalResourceId") or event["RequestId"]
            event |= {"PhysicalResourceId": physical, "Data": begun.get("Data", {})}
            if machine := function.environment_vars.get("WAITER_STATE_MACHINE_ARN"):
                client = _client("stepfunctions", function)
                client.start_execution(stateMachineArn=machine, name=event["RequestId"], input=json.dumps(event))
                return functions.Outcome("null")
            return _respond(event, {"Status": "SUCCESS", "Data": event["Data"]})
        except Exception as error:  # noqa: BLE001 -- as the framework does
            return _respond(event, {"Status": "FAILED", "Reason": f"{type(error).__name__}: {error}"})

    @staticmethod
    def _ask(function: Any, variable: str, event: dict[str, Any]) -> dict[str, Any]:
        arn = function.environment_vars[variable]
        answer = _client("lambda", function).invoke(FunctionName=arn, Payload=json.dumps(event))
        result: Any = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise RuntimeError(result["errorMessage"])
        return dict(result)

    def after(self, here: World, part: Part) -> Iterator[str]:
        """Fill the buckets of a stack, let its copies write a line, and say which logs of functions and copies are empty.

        Args:
            here: The world.
            part: The stack that was created.
        """
        resources = here.client("cloudformation").list_stack_resources(StackName=part.name)["StackResourceSummaries"]
        for one in resources:
            if one["ResourceType"] == "AWS::S3::Bucket":
                _fill(here.client("s3"), str(one["PhysicalResourceId"]), PREFIXES)
        groups = {str(one["PhysicalResourceId"]) for one in resources if one["ResourceType"] == "AWS::Logs::LogGroup"}
        for state in stores():
            for component in state.components.values():
                role = fleet.role_of(state, component, instances.spec_for(component.specs, ""))
                with logs.stream(state.account, state.region, component.name, "copy", role=role) as write:
                    write("started")
                self.groups.add(f"/aws/sagemaker/InferenceComponents/{component.name}")
        for group in sorted(groups & self.groups):
            if not here.client("logs").filter_log_events(logGroupName=group)["events"]:
                yield f"the log group {group} is empty"


def _fill(s3: Any, bucket: str, prefixes: set[str]) -> None:
    """Put a small model below each prefix, twice, and begin an upload that nobody ends."""
    for prefix in sorted(prefixes):
        for name, content in _MODEL.items():
            for _ in range(2):
                s3.put_object(Bucket=bucket, Key=f"{prefix}{name}", Body=content)
    s3.create_multipart_upload(Bucket=bucket, Key="never-ended")


def _client(service: str, function: Any) -> Any:
    keys = permissions.session_of(str(function.role), str(function.region)) or {}
    of_any_service: Any = boto3.client
    return of_any_service(
        service,
        region_name=str(function.region),
        aws_access_key_id=keys.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=keys.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=keys.get("AWS_SESSION_TOKEN"),
    )


def _respond(event: dict[str, Any], answer: dict[str, Any]) -> functions.Outcome:
    response = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")} | answer
    response["PhysicalResourceId"] = event.get("PhysicalResourceId") or event["RequestId"]
    custom.take(event["ResponseURL"].partition("?")[0].rpartition("/")[2], json.dumps(response).encode())
    return functions.Outcome("null")
