"""Every example is an app that synthesises what its README says."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from typer.testing import CliRunner

from cdk_sglang.cli.diff import deployed
from cdk_sglang.cli.main import app as cli
from tests.docs.blocks import blocks
from tools.check.metric_names import findings
from tools.docs.public import SUBPACKAGES

Templates = dict[str, dict[str, Any]]
Synth = Callable[[str], Templates]
PACKAGES = {"cdk_sglang": "cdk_sglang", "cdk_sglang_client": "cdk_sglang.client"}
"""Packages that examples import, and where their names are exported: the client's own distribution is the same package."""


@pytest.fixture
def synth(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Synth:
    def run(name: str) -> Templates:
        # The node process of jsii has its environment already, so the folder of the assembly is an argument and no variable.
        monkeypatch.setattr(cdk, "App", functools.partial(cdk.App, outdir=str(tmp_path / "cdk.out")))
        runpy.run_path(str(root / "examples" / name / "app.py"))
        templates = {
            path.name.removesuffix(".template.json"): json.loads(path.read_text())
            for path in (tmp_path / "cdk.out").rglob("*.template.json")
        }
        assert [problem for template in templates.values() for problem in findings(template)] == []
        return {stack: template["Resources"] for stack, template in templates.items()}

    return run


def _of(resources: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == kind]


def test_every_example_has_a_readme_and_a_test(root: Path) -> None:
    folders = {path.parent.name for path in (root / "examples").glob("*/app.py")}
    assert folders == {path.parent.name for path in (root / "examples").glob("*/README.md")}
    tested = Path(__file__).read_text(encoding="utf-8") + (root / "tests" / "test_layout.py").read_text(
        encoding="utf-8"
    )
    assert {name for name in folders if f'"{name}"' not in tested} == set()


def _programs(root: Path) -> dict[str, str]:
    """Everything that shows how the library is used: apps of examples, and the Python of documents."""
    apps = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in (root / "examples").rglob("*.py")
    }
    return apps | {str(block): block.text for block in blocks("python")}


def _private(program: str) -> list[str]:
    """What a program uses of the library that is not exported: imports, and attributes with an underscore."""
    found = []
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith("cdk_sglang")]
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in PACKAGES:
            public = _exported(str(node.module))
            found += [f"{node.module}.{alias.name}" for alias in node.names if alias.name not in public]
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            found.append(ast.unparse(node))
    return found


def _exported(module: str) -> list[str]:
    """Public names of the library, of a package in it that the API reference has a page of, or of the client alone; none of any other."""
    package, _, inside = module.partition(".")
    if inside and inside not in SUBPACKAGES:
        return []
    home = module.replace(package, PACKAGES[package], 1)
    return list(importlib.import_module(home).__all__)


def test_every_example_uses_exported_names_alone(root: Path) -> None:
    programs = _programs(root)
    assert sum("cdk_sglang" in program for program in programs.values()) > 15
    assert {name: private for name, program in programs.items() if (private := _private(program))} == {}


@pytest.mark.parametrize(
    ("program", "names"),
    [
        ("from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint", ["cdk_sglang.serving.endpoint.endpoint.InferenceEndpoint"]),
        ("from cdk_sglang import Component, Capacity", ["cdk_sglang.Component"]),
        ("from cdk_sglang.client import InferenceClient, tokens", ["cdk_sglang.client.tokens"]),
        ("import cdk_sglang.spec", ["cdk_sglang.spec"]),
        ("endpoint._context.role", ["endpoint._context"]),
    ],
)  # fmt: skip
def test_a_name_that_is_not_exported_is_seen(program: str, names: list[str]) -> None:
    assert _private(program) == names


def test_a_caller_in_another_stack_needs_nothing_of_the_first(synth: Synth) -> None:
    templates = synth("caller_in_another_stack")
    assert "Fn::ImportValue" not in json.dumps(templates["Caller"])
    (policy,) = _of(templates["Caller"], "AWS::IAM::Policy")
    (statement,) = policy["PolicyDocument"]["Statement"]
    names = [arn["Fn::Join"][1][-1].rpartition(":")[2] for arn in statement["Resource"]]
    assert names == ["endpoint/chat", "inference-component/chat-llama"]


def test_an_existing_network_bucket_and_key_are_used_and_not_made(synth: Synth) -> None:
    resources = synth("existing_network_and_bucket")["Assistants"]
    kinds = {resource["Type"] for resource in resources.values()}
    assert not kinds & {"AWS::EC2::VPC", "AWS::S3::Bucket", "AWS::KMS::Key"}
    (model,) = _of(resources, "AWS::SageMaker::Model")
    assert model["VpcConfig"] == {
        "SecurityGroupIds": ["sg-0123456789abcdef0"],
        "Subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    }
    assert {group["KmsKeyId"].rpartition("/")[2] for group in _of(resources, "AWS::Logs::LogGroup")} == {
        "11111111-2222-3333-4444-555555555555"
    }


def test_a_dashboard_shows_the_metrics_of_endpoint_and_component(synth: Synth) -> None:
    resources = synth("own_dashboard")["Assistants"]
    (dashboard,) = _of(resources, "AWS::CloudWatch::Dashboard")
    body = json.dumps(dashboard["DashboardBody"])
    for name in ("Invocations", "Invocation5XXErrors", "ModelLatency", "GPUUtilization"):
        assert name in body


def test_a_pipeline_deploys_to_two_accounts(synth: Synth) -> None:
    templates = synth("pipeline_with_two_stages")
    fleets = [name for name in templates if "Assistants" in name]
    assert len(fleets) == 2
    (pipeline,) = _of(templates["Pipeline"], "AWS::CodePipeline::Pipeline")
    stages = [stage["Name"] for stage in pipeline["Stages"]]
    assert stages[-2:] == ["Dev", "Prod"]
    changes, approval = sorted(pipeline["Stages"][-1]["Actions"], key=lambda action: int(action["RunOrder"]))[:2]
    assert (changes["Name"], approval["ActionTypeId"]["Category"]) == ("WhatChangesInProd", "Approval")


def test_a_pipeline_says_before_the_approval_what_production_would_do(
    synth: Synth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = synth("pipeline_with_two_stages")["Pipeline"]
    role = "arn:aws:iam::333344445555:role/cdk-hnb659fds-lookup-role-333344445555-us-east-1"
    (project,) = (one for one in _of(resources, "AWS::CodeBuild::Project") if role in json.dumps(one))
    (command,) = (
        line
        for line in json.loads(project["Source"]["BuildSpec"])["phases"]["build"]["commands"]
        if line.startswith("cdk-sglang ")
    )
    assumed = [
        statement["Resource"]
        for policy in _of(resources, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "sts:AssumeRole"
    ]
    assert role in assumed
    # The step's own command, in the folder that CodeBuild gives it, against an account without any stack.
    monkeypatch.chdir(tmp_path / "cdk.out")
    monkeypatch.setattr(deployed, "deployed_stacks", lambda stacks, **_: ([], stacks))
    done = CliRunner().invoke(cli, shlex.split(command)[1:], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "at full scale: 0.00 -> 22.42 $/h" in done.stdout
    cheaper = command.replace("--budget 25", "--budget 20")
    assert CliRunner().invoke(cli, shlex.split(cheaper)[1:]).exit_code == 1


def test_a_boundary_and_a_tag_reach_every_role_and_the_rules_pass(synth: Synth) -> None:
    resources = synth("permissions_boundary_and_nag")["Assistants"]
    roles = _of(resources, "AWS::IAM::Role")
    assert roles
    assert all("team-boundary" in json.dumps(role["PermissionsBoundary"]) for role in roles)
    assert all({"Key": "cost-centre", "Value": "ml"} in role["Tags"] for role in roles)


def test_api_gateway_invokes_one_component_of_a_wrapped_endpoint(synth: Synth) -> None:
    resources = synth("behind_api_gateway")["Chat"]
    (method,) = _of(resources, "AWS::ApiGateway::Method")
    (component,) = _of(resources, "AWS::SageMaker::InferenceComponent")
    (header,) = method["Integration"]["RequestParameters"].values()
    assert header == f"'{component['InferenceComponentName']}'"
    assert method["AuthorizationType"] == "AWS_IAM"
    (endpoint,) = _of(resources, "AWS::SageMaker::Endpoint")
    assert f":runtime.sagemaker:path/endpoints/{endpoint['EndpointName']}/invocations" in json.dumps(method)
    invoking = [
        statement
        for policy in _of(resources, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if "sagemaker:InvokeEndpoint" in statement["Action"]
    ]
    assert any(f"inference-component/{component['InferenceComponentName']}" in json.dumps(one) for one in invoking)
    (model,) = _of(resources, "AWS::SageMaker::Model")
    assert len(model["VpcConfig"]["Subnets"]) == 2
    assert len(_of(resources, "AWS::EC2::SecurityGroup")) == 2  # of the instances, and of the library's functions
    idle = next(alarm for alarm in _of(resources, "AWS::CloudWatch::Alarm") if "idle" in alarm["AlarmDescription"])
    assert "response-plan/chat-down" in json.dumps(idle["AlarmActions"])
