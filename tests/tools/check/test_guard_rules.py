"""Each rule of stacks/rules.guard: what it finds, and what it lets be."""

from __future__ import annotations

import copy
import json
import zoneinfo
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.hardware import GpuInstance, InferenceAmi
from tools.check import validation
from tools.check.faults import REMOVED, Fault
from tools.check.mutants import mutated

TAGS = [{"Key": "cdk-sglang:environment", "Value": "dev"}]
AMI = "al2023-ami-sagemaker-inference-gpu-4-1"
COMPUTE = {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1}
ALARM_ON_METRICS = {
    "Metrics": [{"Id": "a", "Expression": "1+1", "ReturnData": True}],
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 1,
}

CONFIG, COMPONENT, MODEL = (f"AWS::SageMaker::{name}" for name in ("EndpointConfig", "InferenceComponent", "Model"))
TARGET, POLICY = (f"AWS::ApplicationAutoScaling::{name}" for name in ("ScalableTarget", "ScalingPolicy"))
TRUTH, SCHEDULE = "Custom::CdkSglangTruth", "AWS::Scheduler::Schedule"
ALARM, ROLE, ENDPOINT = "AWS::CloudWatch::Alarm", "AWS::IAM::Role", "AWS::SageMaker::Endpoint"


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def variant(**changes: Any) -> dict[str, Any]:
    return {
        "VariantName": "AllTraffic",
        "InitialInstanceCount": 1,
        "InferenceAmiVersion": AMI,
        "ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2},
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        **changes,
    }


def config(one: dict[str, Any]) -> dict[str, Any]:
    return resource(
        CONFIG,
        ExecutionRoleArn="arn:aws:iam::111122223333:role/endpoint",
        ProductionVariants=[one],
        MetricsConfig={"EnableEnhancedMetrics": True, "EnableDetailedObservability": True},
        Tags=TAGS,
    )


def component(**specification: Any) -> dict[str, Any]:
    return resource(
        COMPONENT,
        EndpointName="chat",
        VariantName="AllTraffic",
        RuntimeConfig={"CopyCount": 1},
        Tags=TAGS,
        **specification,
    )


PREFIX_AWARE = {
    "RoutingStrategy": "PREFIX_AWARE",
    "PrefixAwareRoutingConfig": {"PrefixLength": 4096, "ConcurrencyThreshold": 32},
}

ONE_TYPE = {
    "Config": config(variant(InstanceType="ml.g6e.12xlarge")),
    "Endpoint": resource(
        ENDPOINT,
        EndpointConfigName={"Fn::GetAtt": ["Config", "EndpointConfigName"]},
        RetainAllVariantProperties=True,
        Tags=TAGS,
    ),
    "Truth": resource(TRUTH, Asked="{}"),
    "Component": component(Specification={"ModelName": "llama", "ComputeResourceRequirements": COMPUTE}),
    "Model": resource(
        MODEL,
        ExecutionRoleArn="arn:aws:iam::111122223333:role/endpoint",
        EnableNetworkIsolation=True,
        PrimaryContainer={
            "Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/sglang:1",
            "Environment": {"SM_SGLANG_TP_SIZE": "1", "SM_SGLANG_MAX_TOTAL_TOKENS": "1"},
            "ModelDataSource": {
                "S3DataSource": {"S3Uri": "s3://models/llama/", "S3DataType": "S3Prefix", "CompressionType": "None"}
            },
        },
        Tags=TAGS,
    ),
    "Role": resource(
        ROLE,
        AssumeRolePolicyDocument={
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}},
                }
            ],
        },
    ),
}
POOL = {
    "Config": config(
        variant(
            InstancePools=[
                {"InstanceType": "ml.g6e.12xlarge", "Priority": 1},
                {"InstanceType": "ml.g6e.24xlarge", "Priority": 2},
            ],
            RoutingConfig=PREFIX_AWARE,
        )
    ),
    "Component": component(
        Specifications=[
            {"InstanceType": f"ml.g6e.{size}", "ModelName": "llama", "ComputeResourceRequirements": COMPUTE}
            for size in ("12xlarge", "24xlarge")
        ]
    ),
}
ADAPTER = {
    "Adapter": resource(
        COMPONENT,
        EndpointName="chat",
        Specification={"BaseInferenceComponentName": "llama", "Container": {"ArtifactUrl": "s3://adapters/a.tar.gz"}},
        Tags=TAGS,
    )
}
SCALING = {
    "Target": resource(
        TARGET,
        ServiceNamespace="sagemaker",
        ScalableDimension="sagemaker:inference-component:DesiredCopyCount",
        ResourceId="inference-component/chat-llama",
        MinCapacity=1,
        MaxCapacity=4,
    ),
    "Policy": resource(
        POLICY,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        ScalingTargetId={"Ref": "Target"},
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 10,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"},
        },
    ),
    "Alarm": resource(
        ALARM,
        Namespace="AWS/SageMaker",
        MetricName="ModelLatency",
        Dimensions=[{"Name": "EndpointName", "Value": "chat"}, {"Name": "VariantName", "Value": "AllTraffic"}],
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Statistic="Average",
        Period=60,
        Threshold=1,
    ),
    "OtherAlarm": resource(
        ALARM,
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": "f"}],
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Statistic="Sum",
        Period=60,
        Threshold=1,
    ),
}
ALARMS = {"Alarms": [{"AlarmName": {"Ref": "Alarm"}}]}
ROLLING = {"MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50}, "WaitIntervalInSeconds": 300}
BLUE_GREEN = {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 300}}
ROLLOUT: dict[str, Any] = {
    "Component": component(
        Specification={"ModelName": "llama", "ComputeResourceRequirements": COMPUTE},
        DeploymentConfig={"RollingUpdatePolicy": ROLLING, "AutoRollbackConfiguration": ALARMS},
    ),
    "Endpoint": resource(
        ENDPOINT,
        EndpointConfigName="c",
        RetainAllVariantProperties=True,
        DeploymentConfig={"BlueGreenUpdatePolicy": BLUE_GREEN, "AutoRollbackConfiguration": ALARMS},
        Tags=TAGS,
    ),
    "Target": {**SCALING["Target"], "DependsOn": ["Component"]},
    "Truth": resource(TRUTH, Asked="{}"),
}
ACTION = {
    "Schedule": "cron(30 7 ? * MON,TUE *)",
    "Timezone": "Europe/Berlin",
    "ScalableTargetAction": {"MinCapacity": 2},
}
ROLLOUT["Target"]["Properties"] = {**ROLLOUT["Target"]["Properties"], "ScheduledActions": [ACTION]}
HOURLY = {
    "Hourly": resource(
        SCHEDULE,
        ScheduleExpression="rate(1 hour)",
        Target={
            "Arn": "arn:aws:lambda:us-east-1:1:function:f",
            "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:1:q"},
        },
    )
}
GOOD = {
    "one type": ONE_TYPE,
    "pool": POOL,
    "adapter": ADAPTER,
    "scaling": SCALING,
    "rollout": ROLLOUT,
    "schedule": HOURLY,
}

_VARIANT = "Properties.ProductionVariants.0"
_SPEC = "Properties.Specification"
_ACTION = "Properties.ScheduledActions.0"
_DEPLOY = "Properties.DeploymentConfig"
_COMPUTE = "ComputeResourceRequirements"
_ENV = "Properties.PrimaryContainer.Environment"
_STRATEGY = f"{_VARIANT}.RoutingConfig.RoutingStrategy"
_PREFIX = f"{_VARIANT}.RoutingConfig.PrefixAwareRoutingConfig"
_SCALING = f"{_VARIANT}.ManagedInstanceScaling"

BAD: list[tuple[str, str, str, str, Any]] = [
    ("COMPONENT_NEEDS_MIN_MEMORY", "one type", COMPONENT, f"{_SPEC}.{_COMPUTE}.MinMemoryRequiredInMb", REMOVED),
    ("COMPONENT_NEEDS_MIN_MEMORY", "pool", COMPONENT, f"{_SPEC}s.1.{_COMPUTE}.MinMemoryRequiredInMb", REMOVED),
    ("COMPONENT_NEEDS_GPUS", "one type", COMPONENT, f"{_SPEC}.{_COMPUTE}.NumberOfAcceleratorDevicesRequired", REMOVED),
    ("COMPONENT_NEEDS_GPUS", "pool", COMPONENT, f"{_SPEC}s.0.{_COMPUTE}.NumberOfAcceleratorDevicesRequired", REMOVED),
    ("COMPONENT_NEEDS_VARIANT_NAME", "one type", COMPONENT, "Properties.VariantName", REMOVED),
    ("COMPONENT_NEEDS_VARIANT_NAME", "pool", COMPONENT, "Properties.VariantName", REMOVED),
    ("COMPONENT_TYPES_ARE_OF_THE_POOL", "pool", COMPONENT, f"{_SPEC}s.0.InstanceType", "ml.g6e.48xlarge"),
    ("COMPONENT_NEEDS_COPY_COUNT", "one type", COMPONENT, "Properties.RuntimeConfig.CopyCount", REMOVED),
    ("ADAPTER_HAS_NO_COMPUTE", "adapter", COMPONENT, f"{_SPEC}.{_COMPUTE}", COMPUTE),
    ("ADAPTER_HAS_NO_COPIES", "adapter", COMPONENT, "Properties.RuntimeConfig", {"CopyCount": 1}),
    ("ADAPTER_NEEDS_ARTIFACT", "adapter", COMPONENT, f"{_SPEC}.Container.ArtifactUrl", REMOVED),
    ("COMPONENT_VARIANT_NEEDS_EXECUTION_ROLE", "one type", CONFIG, "Properties.ExecutionRoleArn", REMOVED),
    ("ENDPOINT_CONFIG_HAS_NO_NAME", "one type", CONFIG, "Properties.EndpointConfigName", "chat"),
    ("NO_KEY_ON_GPU_INSTANCES", "one type", CONFIG, "Properties.KmsKeyId", "alias/data"),
    ("NO_KEY_ON_GPU_INSTANCES", "pool", CONFIG, "Properties.KmsKeyId", "alias/data"),
    ("ENDPOINT_HAS_ONE_VARIANT", "one type", CONFIG, "Properties.ProductionVariants.1", variant(InstanceType="ml.g7e.2xlarge")),
    ("ENDPOINT_HAS_ONE_VARIANT", "one type", CONFIG, "Properties.ShadowProductionVariants", [variant(VariantName="Shadow")]),
    ("VARIANT_NEEDS_ROUTING", "one type", CONFIG, f"{_VARIANT}.RoutingConfig", REMOVED),
    ("VARIANT_NEEDS_ROUTING", "one type", CONFIG, _STRATEGY, REMOVED),
    ("PREFIX_ROUTING_FITS", "pool", CONFIG, _PREFIX, REMOVED),
    ("PREFIX_ROUTING_FITS", "pool", CONFIG, f"{_PREFIX}.PrefixLength", REMOVED),
    ("PREFIX_ROUTING_FITS", "pool", CONFIG, f"{_PREFIX}.ConcurrencyThreshold", REMOVED),
    ("PREFIX_ROUTING_FITS", "pool", CONFIG, f"{_SCALING}.MaxInstanceCount", 1),
    ("PREFIX_ROUTING_FITS", "pool", CONFIG, _STRATEGY, "RANDOM"),
    ("VARIANT_NEEDS_INFERENCE_AMI", "one type", CONFIG, f"{_VARIANT}.InferenceAmiVersion", REMOVED),
    ("VARIANT_NEEDS_INFERENCE_AMI", "pool", CONFIG, f"{_VARIANT}.InferenceAmiVersion", REMOVED),
    ("INSTANCE_BOUNDS_IN_ORDER", "one type", CONFIG, _SCALING, REMOVED),
    ("INSTANCE_BOUNDS_IN_ORDER", "one type", CONFIG, f"{_SCALING}.Status", "DISABLED"),
    ("INSTANCE_BOUNDS_IN_ORDER", "one type", CONFIG, f"{_SCALING}.MinInstanceCount", REMOVED),
    ("INSTANCE_BOUNDS_IN_ORDER", "one type", CONFIG, f"{_SCALING}.MinInstanceCount", 3),
    ("INSTANCE_BOUNDS_IN_ORDER", "one type", CONFIG, f"{_SCALING}.MaxInstanceCount", REMOVED),
    ("INSTANCE_BOUNDS_IN_ORDER", "one type", CONFIG, f"{_VARIANT}.InitialInstanceCount", 3),
    ("ENDPOINT_PUBLISHES_METRICS", "one type", CONFIG, "Properties.MetricsConfig", REMOVED),
    ("ENDPOINT_PUBLISHES_METRICS", "one type", CONFIG, "Properties.MetricsConfig.EnableEnhancedMetrics", False),
    ("ENDPOINT_PUBLISHES_METRICS", "one type", CONFIG, "Properties.MetricsConfig.EnableDetailedObservability", REMOVED),
    ("NO_SERVER_ADDRESS_OR_KEY_IN_ENVIRONMENT", "one type", MODEL, f"{_ENV}.SM_SGLANG_API_KEY", "k"),
    ("NO_SERVER_ADDRESS_OR_KEY_IN_ENVIRONMENT", "one type", MODEL, f"{_ENV}.SM_SGLANG_HOST", "127.0.0.1"),
    ("NO_SERVER_ADDRESS_OR_KEY_IN_ENVIRONMENT", "one type", MODEL, f"{_ENV}.SM_SGLANG_PORT", "30000"),
    ("NO_SECRETS_IN_ENVIRONMENT", "one type", MODEL, f"{_ENV}.HF_TOKEN", "t"),
    ("NO_SECRETS_IN_ENVIRONMENT", "one type", MODEL, f"{_ENV}.HUGGING_FACE_HUB_TOKEN", "t"),
    ("NO_SECRETS_IN_ENVIRONMENT", "one type", MODEL, f"{_ENV}.AWS_SECRET_ACCESS_KEY", "t"),
    ("NO_SECRETS_IN_ENVIRONMENT", "one type", MODEL, f"{_ENV}.SM_SGLANG_ADMIN_API_KEY", "t"),
    ("ISOLATED_MODEL_NEEDS_WEIGHTS", "one type", MODEL, "Properties.PrimaryContainer.ModelDataSource", REMOVED),
    ("CAPACITY_BOUNDS_IN_ORDER", "scaling", TARGET, "Properties.MaxCapacity", 0),
    ("SAGEMAKER_TARGET_FITS_ITS_DIMENSION", "scaling", TARGET, "Properties.ScalableDimension", "ecs:service:DesiredCount"),
    ("SAGEMAKER_TARGET_FITS_ITS_DIMENSION", "scaling", TARGET, "Properties.ServiceNamespace", "ecs"),
    ("SAGEMAKER_TARGET_FITS_ITS_DIMENSION", "scaling", TARGET, "Properties.ResourceId", "inference-component/a/b"),
    ("INSTANCES_FOLLOW_COPIES", "scaling", TARGET, "Properties.ScalableDimension", "sagemaker:variant:DesiredInstanceCount"),
    (
        "SCALING_FOLLOWS_COMPONENT_METRIC",
        "scaling",
        POLICY,
        "Properties.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.PredefinedMetricType",
        "ECSServiceAverageCPUUtilization",
    ),
    ("ALARM_DIMENSIONS_ARE_PUBLISHED", "scaling", ALARM, "Properties.Dimensions.1.Name", "GpuId"),
    ("ALARM_NEEDS_EVALUATION_PERIODS", "scaling", ALARM, "Properties.EvaluationPeriods", REMOVED),
    ("ALARM_NEEDS_EVALUATION_PERIODS", "scaling", ALARM, "Properties", ALARM_ON_METRICS),
    ("SAGEMAKER_TRUST_IS_NARROWED", "one type", ROLE, "Properties.AssumeRolePolicyDocument.Statement.0.Condition", REMOVED),
    ("RESERVATION_FITS", "pool", CONFIG, f"{_VARIANT}.CapacityReservationConfig", {"MlReservationArn": "arn:plan"}),
    ("RESERVATION_FITS", "one type", CONFIG, f"{_VARIANT}.CapacityReservationConfig", {}),
    ("TARGET_COMES_AFTER_ITS_COMPONENT", "rollout", TARGET, "DependsOn", REMOVED),
    ("POLICY_IS_OF_A_TARGET", "scaling", POLICY, "Properties", {"PolicyName": "p", "ResourceId": "inference-component/nobody"}),
    *(
        ("SCHEDULED_ACTION_CAN_BE", "rollout", TARGET, f"{_ACTION}.Schedule", expression)
        for expression in ("30 7 * * 1-5", "cron(30 7 * * MON *)", "cron(30 25 ? * MON *)", "cron(60 7 ? * MON *)", "at(2027-01-01)", "rate(0 hours)")
    ),
    ("SCHEDULED_ACTION_CAN_BE", "rollout", TARGET, f"{_ACTION}.Timezone", "Berlin"),
    ("SCHEDULED_ACTION_CAN_BE", "rollout", TARGET, f"{_ACTION}.ScalableTargetAction", REMOVED),
    ("SCHEDULED_ACTION_CAN_BE", "rollout", TARGET, f"{_ACTION}.ScalableTargetAction", {"MinCapacity": 3, "MaxCapacity": 2}),
    ("ROLLING_BATCH_IS_ALLOWED", "rollout", COMPONENT, f"{_DEPLOY}.RollingUpdatePolicy.MaximumBatchSize.Value", 51),
    ("ROLLING_BATCH_IS_ALLOWED", "rollout", COMPONENT, f"{_DEPLOY}.RollingUpdatePolicy.MaximumBatchSize.Value", 4),
    ("ROLLOUT_IS_OF_ONE_KIND", "rollout", ENDPOINT, f"{_DEPLOY}.RollingUpdatePolicy", ROLLING),
    ("ROLLOUT_IS_WATCHED", "rollout", COMPONENT, f"{_DEPLOY}.AutoRollbackConfiguration", REMOVED),
    ("ROLLOUT_IS_WATCHED", "rollout", ENDPOINT, f"{_DEPLOY}.AutoRollbackConfiguration", REMOVED),
    ("ROLLOUT_IS_WATCHED", "rollout", COMPONENT, f"{_DEPLOY}.AutoRollbackConfiguration.Alarms.0.AlarmName", "nobody"),
    ("UPDATE_KEEPS_INSTANCES", "rollout", ENDPOINT, "Properties.RetainAllVariantProperties", REMOVED),
    ("ENDPOINT_IS_CHECKED", "one type", TRUTH, "Type", "Custom::Other"),
    ("SCHEDULE_KEEPS_FAILURES", "schedule", SCHEDULE, "Properties.Target.DeadLetterConfig", REMOVED),
    ("SCHEDULE_EXPRESSION_CAN_BE", "schedule", SCHEDULE, "Properties.ScheduleExpression", "every hour"),
    *(
        ("SAGEMAKER_RESOURCES_ARE_TAGGED", "one type", kind, "Properties.Tags", [{"Key": "owner", "Value": "me"}])
        for kind in (CONFIG, ENDPOINT, COMPONENT, MODEL)
    ),
]  # fmt: skip


def rules_that_fire(resources: dict[str, Any], folder: Path) -> set[str]:
    file = folder / "t.template.json"
    file.write_text(json.dumps({"Resources": resources}))
    return {rule for rule, _ in validation.findings(file)} & set(validation.guard_rules())


@pytest.mark.parametrize("name", GOOD)
def test_no_rule_fires_where_nothing_is_wrong(name: str, tmp_path: Path) -> None:
    assert rules_that_fire(GOOD[name], tmp_path) == set()


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case[0]}-{case[1]}-{case[3].rpartition('.')[2]}")
def test_a_rule_fires_alone_where_its_one_thing_is_wrong(case: tuple[str, str, str, str, Any], tmp_path: Path) -> None:
    rule, good, kind, path, value = case
    bad = mutated({"Resources": copy.deepcopy(GOOD[good])}, Fault("case", good, (kind, path), value))
    expected = {rule}
    if rule == "INSTANCES_FOLLOW_COPIES":
        expected.add("SAGEMAKER_TARGET_FITS_ITS_DIMENSION")  # the resource id is still a component's
    assert rules_that_fire(bad["Resources"], tmp_path) == expected


def test_every_rule_is_tried() -> None:
    assert {case[0] for case in BAD} == set(validation.guard_rules())


def test_every_rule_says_where_it_comes_from() -> None:
    text = (Path(__file__).parents[3] / "stacks/rules.guard").read_text()
    for rule in validation.guard_rules():
        before = text.partition(f"\nrule {rule} ")[0].rpartition("\n\n")[2]
        assert before.startswith("# "), rule
        assert any(word in before for word in ("https://", "Choice of this project", "Assumption")), rule


def test_a_finding_names_the_resource_and_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "t.template.json"
    bad = copy.deepcopy(ONE_TYPE)
    bad["Config"]["Properties"]["KmsKeyId"] = "alias/data"
    file.write_text(json.dumps({"Resources": bad}))
    (message,) = (text for rule, text in validation.findings(file) if rule == "NO_KEY_ON_GPU_INSTANCES")
    assert message.startswith("Config: ")
    assert "remove KmsKeyId: refused for GPU instances" in message


def test_the_ami_is_asked_for_on_exactly_the_families_whose_default_is_too_old_for_cuda_13(tmp_path: Path) -> None:
    new_enough = {family for ami in InferenceAmi.all() if float(ami.cuda) >= 13 for family in ami.default_families}
    one_of = {instance.family: instance.name for instance in GpuInstance.all()}
    fires = set()
    for family, name in one_of.items():
        without = variant(InstanceType=name)
        del without["InferenceAmiVersion"]
        if rules_that_fire({"Config": config(without)}, tmp_path) == {"VARIANT_NEEDS_INFERENCE_AMI"}:
            fires.add(family)
    assert fires == one_of.keys() - new_enough


def test_a_key_is_refused_on_every_type_there_is_since_all_have_local_storage(tmp_path: Path) -> None:
    for instance in GpuInstance.all():
        assert instance.nvme_gb > 0, "the rule rests on local storage"
        bad = config(variant(InstanceType=instance.name))
        bad["Properties"]["KmsKeyId"] = "alias/data"
        assert rules_that_fire({"Config": bad}, tmp_path) == {"NO_KEY_ON_GPU_INSTANCES"}, instance.name


def test_values_known_only_at_deployment_are_let_be(tmp_path: Path) -> None:
    resources = copy.deepcopy(SCALING)
    resources["Target"]["Properties"] |= {
        "ResourceId": {"Fn::Join": ["/", ["inference-component", {"Ref": "Name"}]]},
        "MaxCapacity": {"Ref": "Max"},
    }
    assert rules_that_fire(resources, tmp_path) == set()


def test_every_time_zone_there_is_and_every_schedule_we_write_is_let_be(tmp_path: Path) -> None:
    zones = sorted(zoneinfo.available_timezones() - {"localtime", "Factory"})
    forms = [
        "at(2027-03-01T08:00:00)",
        "cron(0 0 ? * SUN *)",
        "rate(1 hour)",
        "cron(0 8 1 1 ? 2027)",
        "cron(0/15 * * * ? *)",
    ]
    actions = [{**ACTION, "Timezone": zone} for zone in zones] + [{**ACTION, "Schedule": form} for form in forms]
    resources = copy.deepcopy(ROLLOUT)
    resources["Target"]["Properties"]["ScheduledActions"] = actions
    assert rules_that_fire(resources, tmp_path) == set()


def test_an_endpoint_that_says_why_nobody_looks_is_let_be(tmp_path: Path) -> None:
    resources = copy.deepcopy(ONE_TYPE)
    del resources["Truth"]
    resources["Endpoint"]["Metadata"] = {"cdk-sglang:no-verification": "a benchmark"}
    assert rules_that_fire(resources, tmp_path) == set()
