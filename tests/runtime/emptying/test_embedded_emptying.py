"""Buckets that go with their stack, through the unmodified CDK CLI, CloudFormation and Lambda of the embedded AWS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

from stacks.deletion import empty_buckets

pytestmark = pytest.mark.timeout(600)
Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(cdk_cli: Any, client: Any, tmp_path: Path) -> Cli:
    client("s3").create_bucket(Bucket="cdk-hnb659fds-assets-123456789012-us-east-1")
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    count = iter(range(100))

    def cli(command: str, *, destroy: bool) -> CompletedProcess[str]:
        folder = str(tmp_path / f"assembly-{next(count)}")
        app = cdk.App(outdir=folder, analytics_reporting=False)
        stack = cdk.Stack(app, "Fleet", env=cdk.Environment(account="123456789012", region="us-east-1"))
        removal = cdk.RemovalPolicy.DESTROY if destroy else cdk.RemovalPolicy.RETAIN
        s3.Bucket(stack, "Weights", bucket_name="weights", versioned=True, enforce_ssl=True, removal_policy=removal)
        if destroy:
            empty_buckets(stack, retention_days=1)
        app.synth()
        more = ["--require-approval", "never"] if command == "deploy" else ["--force"]
        done: CompletedProcess[str] = cdk_cli(command, "Fleet", "--app", folder, *more)
        return done

    return cli


def fill(client: Any) -> None:
    # moto's CloudFormation leaves VersioningConfiguration out.
    client("s3").put_bucket_versioning(Bucket="weights", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        client("s3").put_object(Bucket="weights", Key="model", Body=body)
    client("s3").delete_object(Bucket="weights", Key="model")


def buckets(client: Any) -> set[str]:
    return {bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]}


def test_a_stack_with_versioned_objects_can_be_deleted(run: Cli, client: Any) -> None:
    assert run("deploy", destroy=True).returncode == 0
    fill(client)
    gone = run("destroy", destroy=True)
    assert gone.returncode == 0, gone.stderr
    assert "weights" not in buckets(client)


def test_data_that_are_to_be_kept_by_now_are_kept(run: Cli, client: Any) -> None:
    assert run("deploy", destroy=True).returncode == 0
    fill(client)
    kept = run("deploy", destroy=False)
    assert kept.returncode == 0, kept.stderr
    assert len(client("s3").list_object_versions(Bucket="weights")["Versions"]) == 2
    assert run("destroy", destroy=False).returncode == 0
    assert "weights" in buckets(client)
