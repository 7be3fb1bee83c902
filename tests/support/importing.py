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
from stacks.environments import cdk_json_context, check
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
    """Return the templates of an environment's endpoints, by endpoint."""
    settings = check(dict(content), source=name)
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


def deploy(client: Callable[[str], Any], name: str, endpoints: Templates) -> None:
    """Deploy what the command reads of an environment, and wait for it."""
    for parameter, value in {**parameters_of(name), "/cdk-bootstrap/hnb659fds/version": "30"}.items():
        client("ssm").put_parameter(Name=parameter, Value=value, Type="String", Overwrite=True)
    for bucket in (BUCKET, "models"):
        client("s3").create_bucket(Bucket=bucket)
    for endpoint, template in endpoints.items():
        pruned = _pruned(template)
        _put_files(client("s3"), pruned)
        client("cloudformation").create_stack(StackName=f"cdk-sglang-{name}-{endpoint}", TemplateBody=yaml.safe_dump(pruned))

    def states() -> set[str]:
        stacks = client("cloudformation").describe_stacks()["Stacks"]
        return {stack["StackStatus"] for stack in stacks}

    eventually(lambda: not any(state.endswith("IN_PROGRESS") for state in states()), within_s=180)
    assert states() == {"CREATE_COMPLETE"}


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
        found = resources[got[0]]
        return ROLE if got[1] == "Arn" else found["Properties"]["Copies" if "Copies" in found["Properties"] else "First"]
    return {key: _with_literals(one, kept, resources) for key, one in value.items()}


def _put_files(s3: Any, template: Mapping[str, Any]) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("adapter_config.json"), io.BytesIO())
    for one in template["Resources"].values():
        given = one.get("Properties", {})
        source = given.get("PrimaryContainer", {}).get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri")
        artifact = given.get("Specification", {}).get("Container", {}).get("ArtifactUrl")
        if source is not None:
            parts = source["Fn::Join"][1] if isinstance(source, dict) else [source]
            prefix = "".join(_text(part) for part in parts).removeprefix("s3://").partition("/")[2]
            bucket = source.split("/")[2] if isinstance(source, str) else BUCKET
            s3.put_object(Bucket=bucket, Key=f"{prefix}config.json", Body=b"{}")
        if isinstance(artifact, str):
            bucket, _, key = artifact.removeprefix("s3://").partition("/")
            s3.put_object(Bucket=bucket, Key=key, Body=packed.getvalue())


def _text(part: Any) -> str:
    if isinstance(part, str):
        return part
    return str(part["Fn::If"][2]) if "Fn::If" in part else BUCKET


def run(folder: Path, *words: str, endpoint: str) -> Result:
    """Run the command on an endpoint."""
    return CliRunner().invoke(
        app, ["import", "--endpoint", endpoint, "--environments", str(folder), *words], catch_exceptions=True
    )


def written(folder: Path, env: str) -> dict[str, Any]:
    """Return what the command has written."""
    content: dict[str, Any] = yaml.safe_load((folder / f"{env}.yaml").read_text(encoding="utf-8"))
    return content
