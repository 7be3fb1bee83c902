"""A reservation through the unmodified CDK CLI, CloudFormation, Lambda, EventBridge Scheduler and alarms of the embedded AWS."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sns as sns
from moto.scheduler.models import scheduler_backends

from cdk_sglang import (
    Alarms,
    Capacity,
    InferenceEndpoint,
    ModelSource,
    OnDemandMove,
    ServingImage,
    SglangOptions,
)
from localcloud.aws.clock import clock
from tests.localcloud.helpers import eventually
from tests.support.reservations import TYPE, bought

pytestmark = pytest.mark.timeout(600)
Deploy = Callable[[Capacity], CompletedProcess[str]]
FILES = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": b"weights"}


@pytest.fixture
def deploy(cdk_cli: Any, client: Any, tmp_path: Path) -> Deploy:
    for bucket in ("cdk-hnb659fds-assets-123456789012-us-east-1", "models"):
        client("s3").create_bucket(Bucket=bucket)
    for name, body in FILES.items():
        client("s3").put_object(Bucket="models", Key=f"qwen/{name}", Body=body)
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    topic = client("sns").create_topic(Name="alarms")["TopicArn"]
    runs = iter(range(100))

    def run(capacity: Capacity) -> CompletedProcess[str]:
        folder = str(tmp_path / f"assembly-{next(runs)}")
        app = cdk.App(outdir=folder, analytics_reporting=False)
        stack = cdk.Stack(app, "Fleet", env=cdk.Environment(account="123456789012", region="us-east-1"))
        endpoint = InferenceEndpoint(
            stack,
            "Chat",
            capacity=capacity,
            image=ServingImage.from_dlc(),
            endpoint_name="chat",
            alarms=Alarms(topic=sns.Topic.from_topic_arn(stack, "Topic", topic)),
        )
        endpoint.add_component(
            "qwen", model=ModelSource.from_s3("s3://models/qwen/", check=False), server=SglangOptions(tp_size=4)
        )
        app.synth()
        done: CompletedProcess[str] = cdk_cli("deploy", "Fleet", "--app", folder, "--require-approval", "never")
        return done

    return run


def reserved(sagemaker: Any, plan_arn: str) -> Capacity:
    end = sagemaker.describe_training_plan(TrainingPlanName=plan_arn)["EndTime"].astimezone(dt.UTC)
    move = OnDemandMove(max_instances=2, hours_before=6)
    return Capacity.reserved(plan_arn, TYPE, 2, until=end.date(), on_expiry=move)


def jump(to: float, *, looks: int = 0) -> None:
    """Skip to a moment, and let the schedule fire that often on the way there instead of every hour."""
    clock()._skipped += to - clock().now()
    for _, _, backend in scheduler_backends.iter_backends():
        for group in backend.schedule_groups.values():
            for schedule in group.schedules.values():
                schedule.checked = clock().now() - 3600 * looks
    clock().tick()


def test_a_plan_that_is_not_active_fails_the_deployment_before_it_makes_a_config(deploy: Deploy, client: Any) -> None:
    sagemaker = client("sagemaker")
    plan = bought(sagemaker)
    eventually(lambda: sagemaker.describe_training_plan(TrainingPlanName=plan)["Status"] == "Scheduled")
    done = deploy(reserved(sagemaker, plan))
    assert done.returncode != 0
    assert "training plan peak: starts at" in done.stdout + done.stderr
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []


def test_an_endpoint_lives_through_the_end_of_its_plan(deploy: Deploy, client: Any) -> None:
    sagemaker, runtime, cloudwatch = client("sagemaker"), client("sagemaker-runtime"), client("cloudwatch")

    def answers() -> bool:
        answer = runtime.invoke_endpoint(
            EndpointName="chat", InferenceComponentName="chat-qwen", ContentType="application/json", Body=b"{}"
        )
        return answer["ResponseMetadata"]["HTTPStatusCode"] == 200

    def live() -> str:
        return str(sagemaker.describe_endpoint(EndpointName="chat")["EndpointConfigName"])

    def alarm(metric: str, threshold: float) -> str:
        (found,) = [
            alarm
            for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
            if (alarm.get("MetricName"), alarm.get("Threshold")) == (metric, threshold)
        ]
        return str(found["StateValue"])

    plan = bought(sagemaker)
    jump(clock().now() + 31 * 60)
    done = deploy(reserved(sagemaker, plan))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    original = live()
    end = sagemaker.describe_training_plan(TrainingPlanName=plan)["EndTime"].timestamp()
    assert answers()

    jump(end - 3 * 86400 + 3600, looks=1)  # the schedule fires within the hour before
    eventually(lambda: alarm("DaysLeft", 3) == "ALARM", within_s=60)
    assert alarm("DaysLeft", 1) != "ALARM"
    assert live() == original

    jump(end - 4.5 * 3600, looks=1)
    successes = []

    def moved() -> bool:
        successes.append(answers())
        return live().startswith("chat-on-demand-")

    eventually(moved, within_s=60)
    assert all(successes)

    jump(end + 60, looks=1)
    eventually(lambda: alarm("OnDemand", 1) == "ALARM", within_s=60)
    assert answers()

    done = deploy(Capacity.on_demand(TYPE, max_instances=2))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert answers()
    configs = [config["EndpointConfigName"] for config in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
    assert configs == [live()]
    assert not live().startswith("chat-on-demand-")
