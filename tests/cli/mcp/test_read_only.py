"""Tools only read: every operation that they ask of AWS is recorded, and one that is no reading is refused before it is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

from cdk_sglang.cli.aws import READ_ONLY, client
from cdk_sglang.cli.mcp.call import Outcome
from cdk_sglang.cli.mcp.catalogue import TOOLS
from cdk_sglang.cli.mcp.tools import diff
from cdk_sglang.errors import ConfigurationError
from localcloud.aws.server import LocalCloud
from tests.cli.mcp.test_client import ARGUMENTS
from tests.support.assistants import variables

Call = Callable[..., Outcome]


@pytest.fixture
def aws_calls(folder: Path, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record every operation of every client of boto3, whoever makes it."""
    for name, value in variables(folder, cloud).items():
        monkeypatch.setenv(name, value)
    operations: list[str] = []
    send = BaseClient._make_api_call

    def record(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        operations.append(operation)
        return send(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return operations


def test_every_operation_of_every_tool_only_reads(ask: Call, aws_calls: list[str]) -> None:
    by_tool = {}
    for name in TOOLS:
        aws_calls.clear()
        outcome = ask(name, **ARGUMENTS[name])
        assert not outcome.is_error, outcome.text
        by_tool[name] = set(aws_calls)
    assert {name for name, operations in by_tool.items() if operations} == {
        name for name, tool in TOOLS.items() if tool.calls_aws
    }
    assert by_tool["search_capacity"] == {"SearchTrainingPlanOfferings"}
    assert by_tool["diff_environment"] == {"DescribeStacks"}
    assert by_tool["fleet_status"] == {"DescribeEndpoint", "DescribeAlarms"}


def test_a_client_of_a_tool_refuses_to_change_anything_before_it_asks(
    folder: Path, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(folder, cloud).items():
        monkeypatch.setenv(name, value)
    before = READ_ONLY.set(True)
    try:
        reading = client("sagemaker", region="us-east-1")
    finally:
        READ_ONLY.reset(before)
    writing = client("sagemaker", region="us-east-1")
    for operation in (
        "create_training_plan",
        "delete_endpoint",
        "update_endpoint_weights_and_capacities",
        "stop_training_job",
    ):
        with pytest.raises(ConfigurationError, match="changes an account, and this program only reads"):
            getattr(reading, operation)()
    assert reading.list_endpoints()["Endpoints"] == writing.list_endpoints()["Endpoints"] == []
    with pytest.raises(Exception, match="Could not find endpoint"):
        writing.delete_endpoint(EndpointName="nobody")


def test_what_aws_refuses_is_an_error_of_the_tool_with_its_next_step(ask: Call) -> None:
    outcome = ask("search_capacity", instance="ml.p5en.48xlarge")
    assert outcome.is_error
    (problem,) = outcome.content["problems"]
    assert (problem["path"], problem["next_step"]) == (
        "aws",
        "sign in with `aws login` or `aws sso login`, or set AWS_PROFILE",
    )
    assert "no usable AWS credentials" in problem["problem"]


def test_a_synth_that_fails_or_takes_too_long_is_an_error_of_the_tool(
    folder: Path, ask: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("broken", "slow"):
        (folder / "environments" / f"{name}.yaml").write_text((folder / "environments" / "dev.yaml").read_text())
    (problem,) = ask("diff_environment", environment="broken").content["problems"]
    assert problem["path"] == "environments/broken.yaml"
    assert problem["problem"] == "cannot be synthesised"
    assert problem["next_step"].endswith("The CDK CLI says: noise on stdout | the app failed")
    monkeypatch.setattr(diff, "SYNTH_SECONDS", 0.1)
    (problem,) = ask("diff_environment", environment="slow").content["problems"]  # whose CDK CLI sleeps for an hour
    assert "was stopped" in problem["problem"]
