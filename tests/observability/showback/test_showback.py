"""What showback is made of: a bucket, a function with what it needs and no more, two schedules, two alarms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from cdk_sglang import Alarms, Capacity, Load, NoAlarms, SglangOptions
from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.observability.observed import ObservedEndpoint, observed_endpoint
from cdk_sglang.observability.showback.settings import function_settings
from cdk_sglang.observability.showback.showback import Showback
from cdk_sglang.planning import Hosting, resolve
from cdk_sglang.spec.adapter import Adapter
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.image import Image
from cdk_sglang.spec.model import Model
from cdk_sglang.spec.observability import ShowbackSettings
from tests.support.policies import policies_of

PLAN = "arn:aws:sagemaker:us-east-1:111122223333:training-plan/peak"
KEY = "arn:aws:kms:us-east-1:111122223333:key/abc"
DLC = "0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker"


def endpoint(name: str = "chat", *, capacity: Capacity | None = None, **components: Component) -> ObservedEndpoint:
    hosting = Hosting(
        capacity=capacity or Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
        image=Image(dlc=DLC).facts,
        region="us-east-1",
    )
    resolved = resolve(name, components or {"llama": component()}, hosting, path=name)
    return observed_endpoint(resolved, endpoint_name=f"prod-{name}")


def component(**options: Any) -> Component:
    return Component(model=Model(prefix="weights/llama/", weights_gib=16), **options)


def built(**options: Any) -> tuple[cdk.Stack, Template]:
    stack = cdk.Stack(cdk.App(), "Costs", env=cdk.Environment(account="111122223333", region="us-east-1"))
    topic = sns.Topic.from_topic_arn(stack, "Topic", "arn:aws:sns:us-east-1:111122223333:alarms")
    options.setdefault("key", kms.Key.from_key_arn(stack, "Key", KEY))
    options.setdefault("endpoints", [endpoint()])
    options.setdefault("alarms", Alarms(topic=topic))
    Showback(stack, "Showback", environment="prod", **options)
    return stack, Template.from_stack(stack)


@pytest.fixture(scope="module")
def template() -> Template:
    return built()[1]


def allowed(template: Template) -> dict[str, tuple[Any, Any]]:
    """Return resources and condition by action, for the function's role."""
    (function,) = template.find_resources("AWS::Lambda::Function").values()
    role = function["Properties"]["Role"]["Fn::GetAtt"][0]
    found = {}
    for policy in policies_of(template).values():
        if {"Ref": role} in policy["Properties"]["Roles"]:
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    found[action] = (statement["Resource"], statement.get("Condition"))
    return found


def test_the_function_may_read_its_endpoints_and_change_nothing(template: Template) -> None:
    actions = allowed(template)
    here = "arn:aws:sagemaker:us-east-1:111122223333"
    assert set(actions) == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sagemaker:DescribeEndpoint",
        "sagemaker:DescribeEndpointConfig",
        "sagemaker:DescribeInferenceComponent",
        "sagemaker:ListInferenceComponents",
        "application-autoscaling:DescribeScalingActivities",
        "cloudwatch:GetMetricData",
        "cloudwatch:PutMetricData",
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        "sqs:SendMessage",
        "kms:Decrypt",
        "kms:GenerateDataKey",
    }
    assert _text(actions["sagemaker:DescribeEndpoint"][0]) == f"{here}:endpoint/prod-chat".replace(
        "aws:", "<AWS::Partition>:", 1
    )
    own = ["cdk-sglang/prod", "cdk-sglang/Scaling"]
    assert actions["cloudwatch:PutMetricData"] == ("*", {"StringEquals": {"cloudwatch:namespace": own}})
    assert actions["kms:Decrypt"][0] == KEY


def _text(arn: Any) -> str:
    parts = arn["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)


def test_tokens_are_queried_only_where_cloudwatch_answers_promql() -> None:
    assert "cloudwatch:ListMetrics" not in allowed(built()[1])
    assert allowed(built(measures_tokens=True)[1])["cloudwatch:ListMetrics"][0] == "*"


def test_a_reserved_endpoint_lets_the_function_read_its_plan() -> None:
    import datetime as dt

    reserved = Capacity.reserved(PLAN, "ml.p5en.48xlarge", 2, until=dt.date(2027, 3, 1))
    template = built(endpoints=[endpoint(capacity=reserved)])[1]
    assert allowed(template)["sagemaker:DescribeTrainingPlan"][0] == PLAN


def test_it_samples_as_often_as_asked_and_reports_once_a_day() -> None:
    for minutes, expression in ((1, "rate(1 minute)"), (5, "rate(5 minutes)")):
        template = built(settings=ShowbackSettings(enabled=True, sample_minutes=minutes))[1]
        schedules = template.find_resources("AWS::Scheduler::Schedule").values()
        jobs = {
            json.loads(one["Properties"]["Target"]["Input"])["do"]: one["Properties"]["ScheduleExpression"]
            for one in schedules
        }
        assert jobs == {"sample": expression, "report": "cron(0 1 * * ? *)"}


def test_what_fails_is_kept_and_alarms(template: Template) -> None:
    (queue,) = template.find_resources("AWS::SQS::Queue")
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {"DeadLetterConfig": {"TargetArn": {"Fn::GetAtt": [queue, "Arn"]}}, "Handler": "showback.handler.handle"},
    )
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "cdk-sglang/prod",
            "MetricName": "UnreadEndpoints",
            "EvaluationPeriods": 3,
            "Period": 300,
            "InsufficientDataActions": Match.any_value(),
        },
    )
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm", {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Threshold": 3}
    )


def test_the_bucket_is_kept_private_encrypted_and_bounded(template: Template) -> None:
    template.has_resource("AWS::S3::Bucket", {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"})
    template.has_resource_properties(
        "AWS::S3::Bucket",
        {
            "VersioningConfiguration": {"Status": "Enabled"},
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {
                        "BucketKeyEnabled": True,
                        "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
                    }
                ]
            },
            "LifecycleConfiguration": {
                "Rules": [
                    {"Prefix": "samples/", "ExpirationInDays": 35, "Status": "Enabled"},
                    {"Prefix": "daily/", "ExpirationInDays": 400, "Status": "Enabled"},
                ]
            },
        },
    )
    removed = built(removal=cdk.RemovalPolicy.DESTROY, settings=ShowbackSettings(keep_days=90))[1]
    removed.has_resource("AWS::S3::Bucket", {"DeletionPolicy": "Delete"})
    removed.resource_properties_count_is(
        "AWS::S3::Bucket",
        {"LifecycleConfiguration": {"Rules": [Match.any_value(), Match.object_like({"ExpirationInDays": 90})]}},
        1,
    )


def test_without_a_key_and_a_topic_it_works_as_well() -> None:
    _, template = built(key=None, alarms=NoAlarms(reason="a test"))
    assert "kms:Decrypt" not in allowed(template)
    assert all(
        "AlarmActions" not in one["Properties"] for one in template.find_resources("AWS::CloudWatch::Alarm").values()
    )


def test_the_function_is_told_names_teams_planned_tokens_and_dated_prices() -> None:
    chat = endpoint(
        llama=component(
            team="search",
            load=Load(input_tokens=3000, output_tokens=150),
            server=SglangOptions(tp_size=2),
            adapters={
                "triage": Adapter(key="adapters/t.tar.gz", team="support"),
                "tone": Adapter(key="adapters/u.tar.gz"),
            },
        )
    )
    text = function_settings([chat], namespace="n", region="eu-west-1", sample_minutes=5, measures_tokens=True)
    assert text == function_settings([chat], namespace="n", region="eu-west-1", sample_minutes=5, measures_tokens=True)
    settings = json.loads(text)
    (endpoint_settings,) = settings["endpoints"]
    assert [(one["name"], one.get("adapter"), one["team"]) for one in endpoint_settings["members"]] == [
        ("prod-chat-llama", None, "search"),
        ("prod-chat-llama-triage", "triage", "support"),
        ("prod-chat-llama-tone", "tone", "search"),
    ]
    assert {(one["input_tokens"], one["output_tokens"]) for one in endpoint_settings["members"]} == {(3000, 150)}
    instance = GpuInstance.named("ml.g6e.12xlarge")
    price = price_usd_per_hour(instance, "eu-west-1")
    assert price is not None
    stored = settings["prices"][instance.name]
    assert (float(stored["usd_per_hour"]), stored["date"]) == (price.usd_per_hour, price.date.isoformat())
    assert stored["source"].startswith("estimate") == price.is_estimate
    assert settings["gpus"][instance.name] == 4
    assert settings["requests"]["namespace"] == "AWS/SageMaker"
    for query in (settings["tokens"]["in"], settings["tokens"]["out"]):
        assert "[1d]" in query  # which the function replaces by the length of the day
        assert settings["tokens"]["label"] in query


def test_the_runtime_reads_what_the_construct_writes() -> None:
    from cdk_sglang._runtime.showback.observation import Watched
    from cdk_sglang._runtime.showback.report import Facts

    chat = endpoint(llama=component(adapters={"triage": Adapter(key="adapters/t.tar.gz")}))
    settings = json.loads(
        function_settings([chat], namespace="n", region="us-east-1", sample_minutes=5, measures_tokens=False)
    )
    (watched,) = [Watched.parse(one) for one in settings["endpoints"]]
    assert (watched.name, watched.types) == ("prod-chat", ("ml.g6e.12xlarge",))
    assert watched.members["prod-chat-llama-triage"].base == "prod-chat-llama"
    assert Facts.parse(settings).period == 300


def test_a_hundred_components_fit(tmp_path: Path) -> None:
    many = endpoint(**{f"m{number}": component() for number in range(100)})
    app = cdk.App(outdir=str(tmp_path))
    stack = cdk.Stack(app, "Costs", env=cdk.Environment(account="111122223333", region="us-east-1"))
    Showback(stack, "Showback", environment="prod", endpoints=[many])
    app.synth()
    template = json.loads((tmp_path / "Costs.template.json").read_text())
    (function,) = [one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function"]
    assert len(json.dumps(function["Properties"]["Environment"])) < 1000
    (asset,) = [path for path in tmp_path.glob("asset.*.json") if "prod-chat-m99" in path.read_text()]
    assert asset.stat().st_size < 100_000
