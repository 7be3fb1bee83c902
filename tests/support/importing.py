"""Environments deployed to the embedded AWS as far as `cdk-sglang import` reads them, and the command itself."""

from __future__ import annotations

import copy
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import yaml
from click.testing import Result
from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from cdk_sglang.environments.reading import cdk_json_context, check
from stacks.fleet import add_fleet
from tests.localcloud.helpers import ROOT, eventually

ROLE = "arn:aws:iam::123456789012:role/execution"
BUCKET = "the-weights"
_READ = (
    "AWS::SageMaker::Model",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::InferenceComponent",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
)
"""What the command reads; roles, functions and logs around it are left out of a deployment here."""

Templates = dict[str, dict[str, Any]]


def templates(name: str, content: Mapping[str, Any]) -> Templates:
    """Return the templates of an environment's endpoints, by endpoint; without its agent, whose package takes seconds and changes none of them."""
    settings = check({key: value for key, value in content.items() if key != "agent"}, source=name)
    root = cdk.App(context=cdk_json_context(ROOT / "cdk.json"))
    fleet = add_fleet(
        root,
        name=name,
        settings=settings,
        source=name,
        env=cdk.Environment(account=settings.account, region=settings.region),
    )
    assembly = root.synth()
    return {
        endpoint: assembly.get_stack_artifact(stack.artifact_id).template
        for endpoint, stack in zip(settings.endpoints, fleet.stacks, strict=True)
    }


def parameters_of(name: str) -> dict[str, str]:
    """Return what the foundation of an environment publishes."""
    values = {
        "key-arn": "arn:aws:kms:us-east-1:123456789012:key/1",
        "weights-bucket": BUCKET,
        "subnet-ids": "subnet-0a0a0a0a,subnet-0b0b0b0b",
        "security-group-id": "sg-0a0a0a0a",
        "alarm-topic-arn": "arn:aws:sns:us-east-1:123456789012:told",
        "images-repository": f"cdk-sglang/{name}",
    }
    return {f"/cdk-sglang/{name}/{key}": value for key, value in values.items()}


def deploy(
    client: Callable[[str], Any],
    name: str,
    endpoints: Templates,
    *,
    published: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
) -> None:
    """Deploy what the command reads of an environment, and wait for it.

    Args:
        client: Makes a client of a service.
        name: Name of the environment.
        endpoints: Templates by endpoint.
        published: What its foundation publishes besides `parameters_of`.
        values: Values of the stacks' parameters.
    """
    bootstrap = {"/cdk-bootstrap/hnb659fds/version": "30"}
    for parameter, value in {**parameters_of(name), **(published or {}), **bootstrap}.items():
        client("ssm").put_parameter(Name=parameter, Value=value, Type="String", Overwrite=True)
    for bucket in (BUCKET, "models"):
        client("s3").create_bucket(Bucket=bucket)
    for endpoint, template in endpoints.items():
        pruned = _pruned(template)
        _put_files(client("s3"), pruned)
        client("cloudformation").create_stack(
            StackName=f"cdk-sglang-{name}-{endpoint}",
            TemplateBody=yaml.safe_dump(pruned),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in (values or {}).items()],
        )

    for endpoint in endpoints:
        stack = f"cdk-sglang-{name}-{endpoint}"
        eventually(lambda stack=stack: _end(client("cloudformation"), stack), within_s=180)
        failed = [
            event for event in _events(client("cloudformation"), stack) if event["ResourceStatus"].endswith("FAILED")
        ]
        assert not failed, [(one["LogicalResourceId"], one["ResourceStatusReason"]) for one in failed]


def _events(cloudformation: Any, stack: str) -> list[dict[str, Any]]:
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    return [event for page in pages for event in page["StackEvents"]]


def _end(cloudformation: Any, stack: str) -> str | None:
    """How the deployment of a stack ended; None while it lasts."""
    ends = [event["ResourceStatus"] for event in _events(cloudformation, stack) if event["LogicalResourceId"] == stack]
    return next((end for end in ends if not end.endswith("_IN_PROGRESS")), None)


def _pruned(template: Mapping[str, Any]) -> dict[str, Any]:
    resources = template["Resources"]
    kept = {name for name, one in resources.items() if one["Type"] in _READ}
    pruned = {key: copy.deepcopy(template[key]) for key in ("Parameters", "Conditions") if key in template}
    pruned["Resources"] = {name: _with_literals(resources[name], kept, resources) for name in kept}
    for one in pruned["Resources"].values():
        after = one.pop("DependsOn", ())
        one["DependsOn"] = [name for name in ([after] if isinstance(after, str) else after) if name in kept]
    return pruned


def _with_literals(value: Any, kept: set[str], resources: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_with_literals(one, kept, resources) for one in value]
    if not isinstance(value, dict):
        return value
    got = value.get("Fn::GetAtt")
    if isinstance(got, list) and got[0] not in kept:
        return ROLE if got[1] == "Arn" else resources[got[0]]["Properties"]["Initial"]
    return {key: _with_literals(one, kept, resources) for key, one in value.items()}


def _put_files(s3: Any, template: Mapping[str, Any]) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("adapter_config.json"), io.BytesIO())
    for one in template["Resources"].values():
        properties = one.get("Properties", {})
        source = properties.get("PrimaryContainer", {}).get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri")
        artifact = properties.get("Specification", {}).get("Container", {}).get("ArtifactUrl")
        for uri, name, body in ((source, "config.json", b"{}"), (artifact, "", packed.getvalue())):
            if uri is not None:
                bucket, _, key = _text(uri).removeprefix("s3://").partition("/")
                s3.put_object(Bucket=bucket, Key=f"{key}{name}", Body=body)


def _text(value: Any) -> str:
    """A value of a template, with the environment's bucket for what is known at deployment alone."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        return "".join(map(_text, value["Fn::Join"][1]))
    return _text(value["Fn::If"][2]) if "Fn::If" in value else BUCKET


def run(folder: Path, *words: str, endpoint: str) -> Result:
    """Run the command on an endpoint."""
    return CliRunner().invoke(app, ["import", "--endpoint", endpoint, "--environments", str(folder), *words])


def written(folder: Path, env: str) -> dict[str, Any]:
    """Return what the command has written."""
    content: dict[str, Any] = yaml.safe_load((folder / f"{env}.yaml").read_text(encoding="utf-8"))
    return content


def differing(one: Any, other: Any, path: str = "") -> list[str]:
    """Return where two templates differ, and in what."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in sorted({*one, *other})
            for line in differing(one.get(key, "absent"), other.get(key, "absent"), f"{path}/{key}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [line for pair in zip(one, other, strict=True) for line in differing(*pair, f"{path}[]")]
    return [] if one == other else [f"{path}: {str(one)[:300]} -> {str(other)[:300]}"]
