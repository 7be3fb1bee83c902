"""The look at CloudFormation that keeps alarms from paging during a deployment."""

from __future__ import annotations

import datetime as dt
import importlib
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from cdk_sglang._runtime.deployment import logic

KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}  # pragma: allowlist secret


def _client(service: str) -> tuple[Any, Stubber]:
    client = boto3.client(service, **KEYS)
    return client, Stubber(client)


def _described(status: str) -> dict[str, Any]:
    return {"Stacks": [{"StackName": "s", "StackStatus": status, "CreationTime": dt.datetime.now(tz=dt.UTC)}]}


@pytest.mark.parametrize(
    ("status", "running"),
    [
        ("CREATE_IN_PROGRESS", True),
        ("UPDATE_IN_PROGRESS", True),
        ("UPDATE_ROLLBACK_IN_PROGRESS", True),
        ("DELETE_IN_PROGRESS", True),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", False),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", False),
        ("REVIEW_IN_PROGRESS", False),
        ("UPDATE_COMPLETE", False),
        ("UPDATE_ROLLBACK_FAILED", False),
        ("CREATE_FAILED", False),
    ],
)
def test_a_deployment_runs_while_its_stack_changes_what_it_deployed(status: str, running: bool) -> None:
    client, stub = _client("cloudformation")
    stub.add_response("describe_stacks", _described(status), {"StackName": "s"})
    with stub:
        assert logic.runs(client, "s") is running


def test_a_stack_that_does_not_exist_is_no_deployment() -> None:
    client, stub = _client("cloudformation")
    stub.add_client_error("describe_stacks", "ValidationError", "Stack with id s does not exist")
    with stub:
        assert not logic.runs(client, "s")


def test_an_error_is_not_read_as_an_answer() -> None:
    client, stub = _client("cloudformation")
    stub.add_client_error("describe_stacks", "AccessDenied", "no")
    with stub, pytest.raises(ClientError, match="AccessDenied"):
        logic.runs(client, "s")


@pytest.mark.parametrize(("status", "value"), [("UPDATE_IN_PROGRESS", 1), ("UPDATE_COMPLETE", 0)])
def test_every_look_publishes_what_it_saw(monkeypatch: pytest.MonkeyPatch, status: str, value: int) -> None:
    watched = {"endpoint": "prod-chat", "stacks": ["first", "second"], "namespace": "cdk-sglang/Deployments"}
    monkeypatch.setenv("WATCHED", json.dumps(watched))
    clients = {name: _client(name) for name in ("cloudformation", "cloudwatch")}
    _, stacks = clients["cloudformation"]
    stacks.add_response("describe_stacks", _described("CREATE_COMPLETE"), {"StackName": "first"})
    stacks.add_response("describe_stacks", _described(status), {"StackName": "second"})
    _, metrics = clients["cloudwatch"]
    datum = {
        "MetricName": "DeploymentRunning",
        "Dimensions": [{"Name": "EndpointName", "Value": "prod-chat"}],
        "Value": value,
        "Unit": "Count",
    }
    metrics.add_response("put_metric_data", {}, {"Namespace": "cdk-sglang/Deployments", "MetricData": [datum]})
    handler = importlib.import_module("cdk_sglang._runtime.deployment.handler")
    monkeypatch.setattr(handler.boto3, "client", lambda name, **_: clients[name][0])
    with stacks, metrics:
        assert handler.look({}, None) == {"running": bool(value)}
        stacks.assert_no_pending_responses()
        metrics.assert_no_pending_responses()
