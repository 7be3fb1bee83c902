"""Showback through the unmodified CDK CLI, CloudFormation, EventBridge Scheduler and Lambda of the embedded AWS, read with the command."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from moto.scheduler.models import scheduler_backends
from typer.testing import CliRunner

from cdk_sglang import Capacity, NoAlarms
from cdk_sglang.cli.main import app as command
from cdk_sglang.observability.observed import observed_endpoint
from cdk_sglang.observability.showback.showback import Showback
from cdk_sglang.planning import Hosting, resolve
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.image import Image
from cdk_sglang.spec.model import Model
from localcloud.aws.clock import clock
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import any_component, any_endpoint, eventually, in_service

pytestmark = pytest.mark.timeout(300)
DLC = "0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker"


def assembly(folder: Path) -> str:
    hosting = Hosting(
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2), image=Image(dlc=DLC).facts, region="us-east-1"
    )
    llama = Component(model=Model(prefix="weights/llama/", weights_gib=16), team="search")
    fleet = observed_endpoint(
        resolve("fleet", {"llama": llama}, hosting, path="fleet"),
        endpoint_name="fleet",
        component_names={"llama": "llama"},
    )
    app = cdk.App(outdir=str(folder), analytics_reporting=False)
    stack = cdk.Stack(app, "Costs", env=cdk.Environment(account="123456789012", region="us-east-1"))
    Showback(
        stack,
        "Showback",
        environment="dev",
        endpoints=[fleet],
        alarms=NoAlarms(reason="a test"),
        removal=cdk.RemovalPolicy.DESTROY,
    )
    app.synth()
    return str(folder)


def jump(to: dt.datetime) -> None:
    """Skip to a moment; schedules run once on the way there instead of every few minutes."""
    clock()._skipped += to.timestamp() - clock().now()
    for _, _, backend in scheduler_backends.iter_backends():
        for group in backend.schedule_groups.values():
            for schedule in group.schedules.values():
                schedule.checked = clock().now() - 299
    clock().tick()


def test_costs_of_a_fleet_from_its_deployment_to_the_command(
    cdk_cli: Any,
    client: Any,
    cloud: LocalCloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sagemaker, s3 = client("sagemaker"), client("s3")
    s3.create_bucket(Bucket="cdk-hnb659fds-assets-123456789012-us-east-1")
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    any_endpoint(sagemaker)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="fleet")["EndpointStatus"] == "InService")
    any_component(sagemaker)
    in_service(sagemaker)
    done = cdk_cli("deploy", "Costs", "--app", assembly(tmp_path / "one"), "--require-approval", "never")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    place = json.loads(client("ssm").get_parameter(Name="/cdk-sglang/dev/showback")["Parameter"]["Value"])

    def keys(prefix: str) -> list[str]:
        found = s3.list_objects_v2(Bucket=place["bucket"], Prefix=prefix).get("Contents", [])
        return [item["Key"] for item in found]

    tomorrow = clock().utc().date() + dt.timedelta(days=1)
    for count, hours in enumerate((12, 17), start=1):
        jump(dt.datetime.combine(tomorrow, dt.time(hours, 2), tzinfo=dt.UTC))
        eventually(lambda count=count: len(keys(f"samples/{tomorrow}/")) == count)
    jump(dt.datetime.combine(tomorrow + dt.timedelta(days=1), dt.time(1, 2), tzinfo=dt.UTC))
    (report,) = eventually(lambda: keys(f"daily/{tomorrow}"))
    text = s3.get_object(Bucket=place["bucket"], Key=report)["Body"].read().decode()
    assert f"{tomorrow},fleet,llama,,search,ml.g6e.12xlarge,on-demand," in text

    for name, value in {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ENDPOINT_URL_S3": cloud.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        **cloud.credentials.environment,
    }.items():
        monkeypatch.setenv(name, value)
    answer = CliRunner().invoke(command, ["costs", "--env", "dev", "--today", "--format", "json"])
    assert answer.exit_code == 0, answer.stderr
    assert {"parts", "total", "missing_days"} <= set(json.loads(answer.stdout))
