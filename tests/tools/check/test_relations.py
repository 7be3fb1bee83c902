"""Relations between resources: each check finds its fault, and nothing where there is none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.check.graph import Environment, Graph
from tools.check.relations import alarms, checker, removals, unused
from tools.check.relations.calls import calls

ENVIRONMENT = Environment(
    region="us-east-1",
    account="111122223333",
    endpoints=frozenset({"prod"}),
    components=frozenset({"prod-qwen"}),
    variants=frozenset({"AllTraffic"}),
)
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Statement": [
                {
                    "Action": "sts:AssumeRole",
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}},
                }
            ]
        }
    },
}
SOUND: dict[str, Any] = {
    "Role": ROLE,
    "Policy": {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "Roles": [{"Ref": "Role"}],
            "PolicyDocument": {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                        "Resource": {"Fn::GetAtt": ["Logs", "Arn"]},
                    },
                    {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["Failed", "Arn"]}},
                ]
            },
        },
    },
    "Logs": {"Type": "AWS::Logs::LogGroup", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": {}},
    "Failed": {"Type": "AWS::SQS::Queue", "Properties": {}},
    "Function": {
        "Type": "AWS::Lambda::Function",
        "DependsOn": ["Policy"],
        "Properties": {
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "LoggingConfig": {"LogGroup": {"Ref": "Logs"}},
            "DeadLetterConfig": {"TargetArn": {"Fn::GetAtt": ["Failed", "Arn"]}},
            "Code": {"S3Bucket": "assets-111122223333-us-east-1", "S3Key": "a.zip"},
        },
    },
    "Component": {
        "Type": "AWS::SageMaker::InferenceComponent",
        "Properties": {"InferenceComponentName": "prod-qwen", "EndpointName": "prod"},
    },
    "Target": {
        "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
        "DependsOn": "Component",
        "Properties": {"ResourceId": "inference-component/prod-qwen", "MinCapacity": 0, "MaxCapacity": 2, "ServiceNamespace": "sagemaker"},
    },
    "Wake": {
        "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
        "DependsOn": ["Target"],
        "Properties": {
            "PolicyType": "StepScaling",
            "ResourceId": "inference-component/prod-qwen",
            "ServiceNamespace": "sagemaker",
            "StepScalingPolicyConfiguration": {"StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]},
        },
    },
    "Asleep": {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmActions": [{"Ref": "Wake"}],
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "Dimensions": [{"Name": "InferenceComponentName", "Value": "prod-qwen"}],
            "EvaluationPeriods": 1,
            "MetricName": "NoCapacityInvocationFailures",
            "Namespace": "AWS/SageMaker",
            "Period": 30,
            "Statistic": "Sum",
            "Threshold": 1,
            "TreatMissingData": "notBreaching",
        },
    },
    "FunctionArn": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/a/function", "Value": {"Fn::GetAtt": ["Function", "Arn"]}}},
    "BucketName": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/a/bucket", "Value": {"Ref": "Bucket"}}},
    "Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": {}},
    "BucketPolicy": {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "Bucket"},
            "PolicyDocument": {
                "Statement": [{"Effect": "Deny", "Action": "s3:*", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]
            },
        },
    },
}  # fmt: skip


def found(resources: dict[str, Any]) -> list[tuple[str, str]]:
    return list(checker.findings({"Resources": resources}, ENVIRONMENT))


def test_nothing_is_found_in_a_sound_template() -> None:
    assert found(SOUND) == []


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(resources: dict[str, Any]) -> None:
        place: Any = resources
        *parents, last = path.split(".")
        for part in parents:
            place = place[int(part) if isinstance(place, list) else part]
        place[int(last) if isinstance(place, list) else last] = value

    return change


STATEMENTS = "Policy.Properties.PolicyDocument.Statement"
TRUST = "Role.Properties.AssumeRolePolicyDocument.Statement.0"
ALARM = "Asleep.Properties"
STEPS = "Wake.Properties.StepScalingPolicyConfiguration.StepAdjustments"


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        (_set("Function.DependsOn", []), "Function", "comes after Policy"),
        (_set("Target.DependsOn", []), "Target", "comes after Component"),
        (_set("Wake.DependsOn", []), "Wake", "comes after Target"),
        (_set("Function.Properties.Role", {"Fn::GetAtt": ["Failed", "Arn"]}), "Function.Role", "refers to AWS::SQS::Queue.Arn"),
        (_set("Function.Properties.LoggingConfig.LogGroup", {"Ref": "Bucket"}), "Function.LoggingConfig.LogGroup", "refers to AWS::S3::Bucket"),
        (_set(f"{STATEMENTS}.1.Resource", {"Fn::GetAtt": ["Logs", "Arn"]}), "Policy.PolicyDocument.Statement.1", "sqs has no action on AWS::Logs::LogGroup"),
        (_set(f"{STATEMENTS}.1.Action", "sqs:ReceiveMessage"), "Role", "Function needs sqs:SendMessage"),
        (_set(f"{STATEMENTS}.0.Action", "logs:PutLogEvents"), "Role", "Function needs logs:CreateLogStream"),
        (_set(f"{TRUST}.Principal.Service", "ec2.amazonaws.com"), "Role", "its trust does not allow lambda.amazonaws.com"),
        (_set(f"{TRUST}.Effect", "Deny"), "Role", "its trust does not allow"),
        (_set(f"{TRUST}.Condition.StringEquals.aws:SourceAccount", "999988887777"), "Role", "requests come from 111122223333"),
        (_set("Function.Properties.Code.S3Bucket", "assets-111122223333-eu-west-1"), "Function.Code.S3Bucket", "names the Region eu-west-1"),
        (_set("Function.Properties.Code.S3Bucket", "assets-999988887777-us-east-1"), "Function.Code.S3Bucket", "names the account 999988887777"),
        (_set(f"{ALARM}.AlarmActions", []), "Target", "no alarm with a step policy wakes it"),
        (_set(f"{ALARM}.Dimensions.0.Value", "prod-other"), "Asleep", "the environment has prod-qwen"),
        (_set(f"{ALARM}.ComparisonOperator", "LessThanThreshold"), "Asleep", "steps that go the other way"),
        (_set(f"{ALARM}.TreatMissingData", "breaching"), "Asleep", "takes missing data for a breach"),
        (_set(f"{ALARM}.Threshold", 0), "Asleep", "holds always or never"),
        (_set(f"{ALARM}.Period", 45), "Asleep", "none of 10, 20, 30"),
        (_set(f"{ALARM}.EvaluationPeriods", 5000), "Asleep", "at most 86400 are allowed"),
        (_set(f"{STEPS}.0.MetricIntervalLowerBound", 1), "Wake", "do not begin at the threshold"),
        (_set(f"{STEPS}.0.ScalingAdjustment", 0), "Wake", "a step changes nothing"),
        (_set("Wake.Properties.PolicyType", "TargetTrackingScaling"), "Wake", "no configuration of its kind"),
        (_set("Wake.Properties.ServiceNamespace", "ecs"), "Wake", "is not its target's"),
        (_set("Bucket.DeletionPolicy", "Delete"), "Bucket", "its data would go"),
        (_set("Bucket.Properties.LifecycleConfiguration", {"Rules": [{"Status": "Enabled", "ExpirationInDays": 9}]}), "Bucket", "expires current objects"),
        (_set("BucketPolicy.Properties.PolicyDocument.Statement.0.Condition", {}), "BucketPolicy.PolicyDocument.Statement.0", "may be shut out"),
    ],
)  # fmt: skip
def test_a_relation_that_does_not_hold(change: Callable[[dict[str, Any]], None], place: str, message: str) -> None:
    resources = copy.deepcopy(SOUND)
    change(resources)
    assert any(where == place and message in text for where, text in found(resources)), found(resources)


@pytest.mark.parametrize(
    ("steps", "holes"),
    [
        ([(0, 2, 1), (2, None, 3)], 0),
        ([(0, 2, 1), (3, None, 3)], 1),
        ([(0, 4, 1), (3, None, 3)], 1),
        ([(0, 4, 1)], 1),
        ([], 1),
    ],
)
def test_steps_have_no_hole(steps: list[tuple[int, int | None, int]], holes: int) -> None:
    entries = [
        {"MetricIntervalLowerBound": low, **({} if high is None else {"MetricIntervalUpperBound": high}), "ScalingAdjustment": by}
        for low, high, by in steps
    ]  # fmt: skip
    policy = {"PolicyType": "StepScaling", "StepScalingPolicyConfiguration": {"StepAdjustments": entries}}
    graph = Graph({"Resources": {"P": {"Type": "AWS::ApplicationAutoScaling::ScalingPolicy", "Properties": policy}}})
    assert len(list(alarms.findings(graph, ENVIRONMENT))) == holes


def test_the_actions_of_a_function_are_read_from_its_code(tmp_path: Path) -> None:
    package = tmp_path / "asset.a" / "look"
    package.mkdir(parents=True)
    (package / "handler.py").write_text(
        "import boto3\nfrom . import logic\n"
        "_aws = boto3.client('sagemaker')\n_s3 = boto3.client('s3')\n"
        "def look(event, _): return logic.named(_aws, event)\n"
        "def other(event, _): return _aws.delete_endpoint(EndpointName='a')\n"
    )
    (package / "logic.py").write_text(
        "class Reader:\n"
        "    def read(self): return self._s3.get_paginator('list_objects_v2')\n"
        "    def write(self): return self._s3.put_object()\n"
        "def named(aws, event):\n    Reader().read()\n    return aws.describe_endpoint(EndpointName=event)\n"
    )
    function = {"Code": {"S3Key": "a.zip"}, "Handler": "look.handler.look"}
    assert calls(function, tmp_path) == [frozenset({"sagemaker:DescribeEndpoint"}), frozenset({"s3:ListBucket"})]
    assert calls(function, None) == []
    resources = copy.deepcopy(SOUND)
    resources["Function"]["Properties"]["Handler"] = "look.handler.look"
    environment = Environment(region="us-east-1", account="111122223333", folder=tmp_path)
    messages = [text for _, text in checker.findings({"Resources": resources}, environment)]
    assert [text for text in messages if text.startswith("the code of Function")] == [
        "the code of Function needs sagemaker:DescribeEndpoint, which the role does not allow",
        "the code of Function needs s3:ListBucket, which the role does not allow",
    ]


def test_an_action_of_what_scales_is_needed_where_something_scales(tmp_path: Path) -> None:
    package = tmp_path / "asset.a" / "verification"
    package.mkdir(parents=True)
    (package / "handler.py").write_text(
        "import boto3\n_scaling = boto3.client('application-autoscaling')\n"
        "def look(event, _): return _scaling.describe_scalable_targets(ServiceNamespace='sagemaker')\n"
    )
    function = {"Code": {"S3Key": "a.zip"}, "Handler": "verification.handler.look"}
    scaling = frozenset({"application-autoscaling:DescribeScalableTargets"})
    assert calls(function, tmp_path, types={"AWS::ApplicationAutoScaling::ScalableTarget"}) == [scaling]
    assert calls(function, tmp_path, types={"AWS::S3::Bucket"}) == []


def _code(folder: Path, text: str) -> Environment:
    package = folder / "asset.a" / "look"
    package.mkdir(parents=True)
    (package / "handler.py").write_text(text)
    return Environment(region="us-east-1", account="111122223333", folder=folder)


def _with(*actions: str) -> dict[str, Any]:
    resources = copy.deepcopy(SOUND)
    resources["Function"]["Properties"]["Handler"] = "look.handler.look"
    statements = resources["Policy"]["Properties"]["PolicyDocument"]["Statement"]
    statements.append({"Effect": "Allow", "Action": list(actions), "Resource": "arn:aws:s3:::b/*"})
    return resources


def test_an_action_that_no_code_of_the_roles_functions_needs_is_found(tmp_path: Path) -> None:
    environment = _code(
        tmp_path,
        "import boto3\n_s3 = boto3.client('s3')\n"
        "def look(event, _):\n    for name in ('list_objects_v2', 'list_multipart_uploads'): _s3.get_paginator(name)\n"
        "def other(event, _): _s3.delete_object(Bucket='b', Key='k')\n",
    )
    template = {"Resources": _with("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:DeleteObject")}
    assert list(unused.findings(Graph(template), environment)) == [
        ("Role", "s3:DeleteObject is allowed, and the code of Function never needs it")
    ]
    assert not list(unused.findings(Graph(template), ENVIRONMENT)), "without the code nothing is known"


def test_a_right_that_is_taken_away_is_missed_unless_nothing_needs_it(tmp_path: Path) -> None:
    environment = _code(
        tmp_path, "import boto3\n_s3 = boto3.client('s3')\ndef look(event, _): _s3.put_object(Bucket='b', Key='k')\n"
    )
    template = {"Resources": _with("s3:PutObject", "s3:DeleteObject")}
    verdicts = {action: noticed for _, action, noticed in removals.findings(template, environment)}
    assert verdicts == {
        "logs:CreateLogStream": True,
        "logs:PutLogEvents": True,
        "sqs:SendMessage": True,
        "s3:PutObject": True,
        "s3:DeleteObject": False,
    }


def test_what_aws_asks_for_behind_a_call_is_needed(tmp_path: Path) -> None:
    environment = _code(
        tmp_path, "import boto3\n_s3 = boto3.client('s3')\ndef look(event, _): _s3.put_object(Bucket='b', Key='k')\n"
    )
    needed = ("s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt")
    assert not list(unused.findings(Graph({"Resources": _with(*needed)}), environment))
    found = list(unused.findings(Graph({"Resources": _with("s3:*", "kms:CreateGrant")}), environment))
    assert found == [("Role", "kms:CreateGrant is allowed, and the code of Function never needs it")]


def test_a_role_that_something_else_takes_too_is_passed_over(tmp_path: Path) -> None:
    environment = _code(tmp_path, "def look(event, _): return None\n")
    resources = _with("s3:GetObject")
    resources["Model"] = {
        "Type": "AWS::SageMaker::Model",
        "Properties": {"ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}},
    }
    assert not list(unused.findings(Graph({"Resources": resources}), environment))
