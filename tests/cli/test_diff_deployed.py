"""`cdk-sglang diff --env`: what it reads of AWS and of a synth, and what it says when it cannot."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest
import typer
import yaml
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner

from cdk_sglang.cli import synth
from cdk_sglang.cli.assembly import Stack
from cdk_sglang.cli.diff.deployed import deployed_stacks
from cdk_sglang.cli.main import app

QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "mine"}}
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}]}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST, "Description": "caf\u00e9"}}
TEMPLATE = {"Resources": {"Queue": QUEUE, "Role": ROLE}}


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with mock_aws():
        yield boto3.client("cloudformation", region_name="eu-west-1")


def create(cloudformation: Any, name: str, template: str, environment: str | None = None) -> None:
    tags = [] if environment is None else [{"Key": "cdk-sglang:environment", "Value": environment}]
    cloudformation.create_stack(StackName=name, TemplateBody=template, Tags=tags)


def stack(name: str, template: dict[str, Any] = TEMPLATE) -> Stack:
    return Stack(id=name, name=name, region=None, template=template)


def test_stacks_are_found_by_name_and_those_left_behind_by_their_tag(cloudformation: Any) -> None:
    create(cloudformation, "cdk-sglang-dev-chat", json.dumps(TEMPLATE), "dev")
    create(
        cloudformation, "cdk-sglang-dev-old", json.dumps({"Resources": {"Other": {"Type": "AWS::SQS::Queue"}}}), "dev"
    )
    create(
        cloudformation,
        "cdk-sglang-dev-eu-chat",
        json.dumps({"Resources": {"A": {"Type": "AWS::SQS::Queue"}}}),
        "dev-eu",
    )
    found, placed = deployed_stacks([stack("cdk-sglang-dev-chat")], environment="dev")
    assert {one.name for one in found} == {"cdk-sglang-dev-chat", "cdk-sglang-dev-old"}
    assert {one.region for one in (*found, *placed)} == {"eu-west-1"}


def test_credentials_of_another_account_end_the_command_since_nothing_would_be_found(
    cloudformation: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    there = dataclasses.replace(stack("cdk-sglang-dev-chat"), account="111122223333")
    with pytest.raises(typer.Exit) as left:
        deployed_stacks([there], environment="dev")
    assert left.value.exit_code == 2
    assert capsys.readouterr().err == (
        "diff: the environment belongs to account 111122223333, the AWS credentials to 123456789012; set AWS_PROFILE\n"
    )


def test_templates_that_the_cdk_cli_sent_as_yaml_are_read_as_they_were(cloudformation: Any) -> None:
    create(cloudformation, "cdk-sglang-dev-chat", yaml.safe_dump(TEMPLATE).replace("'2012-10-17'", "2012-10-17"))
    ((read,), _) = deployed_stacks([stack("cdk-sglang-dev-chat")], environment="dev")
    assert read.template == TEMPLATE


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run the command with a CDK CLI that writes one stack."""

    def cdk(command: Sequence[str], *, silent_stdout: bool = False) -> int:
        assert silent_stdout
        if "env=wrong" in command:
            return 1
        folder = Path(command[command.index("--output") + 1])
        (folder / "chat.template.json").write_text(json.dumps(TEMPLATE))
        artifact = {
            "type": "aws:cloudformation:stack",
            "environment": "aws://unknown-account/unknown-region",
            "properties": {"templateFile": "chat.template.json", "stackName": "cdk-sglang-dev-chat"},
        }
        (folder / "manifest.json").write_text(json.dumps({"artifacts": {"chat": artifact}}))
        return 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(synth, "run_synth", cdk)
    monkeypatch.setattr(synth, "cdk_program", lambda _: "cdk")
    return lambda *words: CliRunner().invoke(app, ["diff", *words])


def test_an_environment_is_synthesised_and_compared_with_what_is_deployed(
    cloudformation: Any, run: Callable[..., Any]
) -> None:
    mangled = json.dumps(TEMPLATE).replace("caf\\u00e9", "caf?")  # as CloudFormation returns it
    create(cloudformation, "cdk-sglang-dev-chat", mangled)
    done = run("--env", "dev", "--fail")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "nothing changes"), done.output


def test_settings_that_cannot_be_synthesised_are_exit_code_2(run: Callable[..., Any]) -> None:
    done = run("--env", "wrong")
    assert (done.exit_code, done.stderr) == (2, "diff: wrong cannot be synthesised, see above\n")


def test_missing_permissions_are_one_line_and_exit_code_1(
    cloudformation: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, operation: str, __: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", refuse)
    done = run("--env", "dev")
    assert done.exit_code == 1
    assert done.stderr == (
        "cloudformation:DescribeStacks and GetTemplate: not allowed (no); ask whoever grants permissions for "
        "cloudformation:DescribeStacks and GetTemplate\n"
    )


def test_a_template_that_is_none_ends_the_command(cloudformation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    create(cloudformation, "cdk-sglang-dev-chat", json.dumps(TEMPLATE))
    original = botocore.client.BaseClient._make_api_call

    def call(client: Any, operation: str, arguments: Any) -> Any:
        return (
            {"TemplateBody": "a: !Other [1"} if operation == "GetTemplate" else original(client, operation, arguments)
        )

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    with pytest.raises(typer.Exit):
        deployed_stacks([stack("cdk-sglang-dev-chat")], environment="dev")
