"""UpdateStack with the previous template: one parameter changes, the others keep their values, and a failure brings all of them back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws import faults
from localcloud.aws.hosting.store import store
from tests.localcloud.helpers import ROLE, SESSION, any_endpoint, specification, variant

OTHERS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
}
BASE = "base,,,,,,"
VERSION = "r1,speculative/llama/versions/r1/,EAGLE3,3,1,4,2.4"


def field(index: int) -> dict[str, Any]:
    return {"Fn::Select": [index, {"Fn::Split": [",", {"Ref": "Draft1"}]}]}


def when(then: Any, otherwise: Any = None) -> dict[str, Any]:
    return {"Fn::If": ["IsDraft1", then, otherwise or {"Ref": "AWS::NoValue"}]}


def template() -> dict[str, Any]:
    """Stack of a component whose model and environment follow a parameter."""
    source = {
        "S3Uri": when({"Fn::Join": ["", ["s3://models/", field(1)]]}, "s3://models/llama/"),
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    environment = {"SM_SGLANG_TP": {"Ref": "Tp"}, "SM_SGLANG_SPECULATIVE_NUM_STEPS": when(field(3))}
    container = {"Image": "sglang", "ModelDataSource": {"S3DataSource": source}, "Environment": environment}
    spec = specification() | {"ModelName": {"Fn::GetAtt": ["Model", "ModelName"]}}
    del spec["Container"]
    component = {
        "InferenceComponentName": "llama",
        "EndpointName": "fleet",
        "VariantName": "main",
        "Specification": spec,
    }
    alarm = {"AlarmName": "accept-length", "MetricName": "m", "Namespace": "n", "Period": 60, "EvaluationPeriods": 1}
    alarm |= {"Statistic": "Average", "Threshold": field(6), "ComparisonOperator": "LessThanThreshold"}
    return {
        "Parameters": {
            "Draft1": {"Type": "String", "Default": BASE},
            "Tp": {
                "Type": "String",
                "Default": "1",
                "AllowedPattern": "^[1-8]$",
                "ConstraintDescription": "takes a digit",
            },
            "Image": {"Type": "String"},
        },
        "Conditions": {"IsDraft1": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Draft1"}, BASE]}]}},
        "Resources": {
            "Model": {
                "Type": "AWS::SageMaker::Model",
                "Properties": {"PrimaryContainer": container, "ExecutionRoleArn": ROLE},
            },
            "Component": {
                "Type": "AWS::SageMaker::InferenceComponent",
                "Properties": component | {"RuntimeConfig": {"CopyCount": 1}},
            },
            "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Condition": "IsDraft1", "Properties": alarm},
        },
    }


class Stack:
    def __init__(self, sagemaker: Any) -> None:
        self.sagemaker, self.cloudformation = sagemaker, SESSION.client("cloudformation")

    def promote(self, value: str, **more: Any) -> None:
        parameters = [{"ParameterKey": key, "UsePreviousValue": True} for key in ("Tp", "Image")]
        parameters.append({"ParameterKey": "Draft1", "ParameterValue": value})
        self.cloudformation.update_stack(StackName="s", UsePreviousTemplate=True, Parameters=parameters, **more)

    def parameters(self) -> dict[str, str]:
        (stack,) = self.cloudformation.describe_stacks(StackName="s")["Stacks"]
        return {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}

    def status(self) -> str:
        return str(self.cloudformation.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"])

    def serves(self) -> tuple[str, dict[str, str]]:
        component = self.sagemaker.describe_inference_component(InferenceComponentName="llama")
        model = self.sagemaker.describe_model(ModelName=component["Specification"]["ModelName"])
        container = model["PrimaryContainer"]
        return container["ModelDataSource"]["S3DataSource"]["S3Uri"], container["Environment"]

    def alarms(self) -> list[float]:
        return [alarm["Threshold"] for alarm in SESSION.client("cloudwatch").describe_alarms()["MetricAlarms"]]


@pytest.fixture
def stack(sagemaker: Any, driven: Any) -> Stack:
    any_endpoint(sagemaker)
    driven.advance(5)
    stack = Stack(sagemaker)
    stack.cloudformation.create_stack(
        StackName="s",
        TemplateBody=json.dumps(template()),
        Parameters=[{"ParameterKey": "Image", "ParameterValue": "one"}],
    )
    assert stack.status() == "CREATE_COMPLETE"
    return stack


def test_one_parameter_changes_what_the_component_serves_and_back(stack: Stack) -> None:
    assert stack.serves() == ("s3://models/llama/", {"SM_SGLANG_TP": "1"})
    assert stack.alarms() == []

    stack.promote(VERSION)
    assert stack.status() == "UPDATE_COMPLETE"
    steps = {"SM_SGLANG_TP": "1", "SM_SGLANG_SPECULATIVE_NUM_STEPS": "3"}
    assert stack.serves() == ("s3://models/speculative/llama/versions/r1/", steps)
    assert stack.parameters() == {"Draft1": VERSION, "Tp": "1", "Image": "one"}
    assert stack.alarms() == [2.4]

    stack.promote(BASE)
    assert stack.serves() == ("s3://models/llama/", {"SM_SGLANG_TP": "1"})
    assert stack.alarms() == []


def test_a_failed_update_brings_the_previous_values_back(stack: Stack, driven: Any) -> None:
    stack.promote(VERSION)
    faults.inject("component-health-check", target="llama")
    stack.promote(VERSION.replace("r1", "r2"))
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.parameters()["Draft1"] == VERSION
    assert stack.serves()[0] == "s3://models/speculative/llama/versions/r1/"
    faults.clear()
    stack.promote(VERSION.replace("r1", "r3"))
    assert stack.serves()[0] == "s3://models/speculative/llama/versions/r3/"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([{"ParameterKey": "Other", "ParameterValue": "1"}], "Parameters: [Other] do not exist in the template"),
        ([{"ParameterKey": "Tp", "ParameterValue": "2"}], "Parameters: [Image] must have values"),
        (
            [{"ParameterKey": "Tp", "ParameterValue": "two"}, {"ParameterKey": "Image", "UsePreviousValue": True}],
            "Parameter Tp failed to satisfy constraint: takes a digit",
        ),
        (
            [{"ParameterKey": key, "UsePreviousValue": True} for key in ("Tp", "Image", "Draft1")],
            "No updates are to be performed.",
        ),
    ],
)
def test_an_update_that_changes_nothing_or_lacks_a_value_is_refused(
    stack: Stack, parameters: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ClientError) as error:
        stack.cloudformation.update_stack(StackName="s", UsePreviousTemplate=True, Parameters=parameters)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert message in error.value.response["Error"]["Message"]
    assert stack.status() == "CREATE_COMPLETE"


def test_a_change_set_whose_template_has_an_address_needs_no_tags(stack: Stack) -> None:
    s3, text = (
        SESSION.client("s3"),
        json.dumps(template()).replace('"Draft1": {', '"Draft1": {"Description": "other", '),
    )
    s3.create_bucket(Bucket="templates")
    s3.put_object(Bucket="templates", Key="s.json", Body=text)
    keys = ("Draft1", "Tp", "Image")
    stack.cloudformation.create_change_set(
        StackName="s",
        ChangeSetName="c",
        ChangeSetType="UPDATE",
        TemplateURL="https://templates.s3.amazonaws.com/s.json",
        Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in keys],
    )
    assert stack.cloudformation.describe_change_set(StackName="s", ChangeSetName="c")["Status"] == "CREATE_COMPLETE"
    stack.cloudformation.execute_change_set(StackName="s", ChangeSetName="c")
    assert stack.status() == "UPDATE_COMPLETE"
    assert stack.parameters() == {"Draft1": BASE, "Tp": "1", "Image": "one"}


def test_tags_policies_and_keys_of_a_stack_follow_its_template(sagemaker: Any) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/0e1c0a5e-0000-4000-8000-00000000000"
    keys = {"old": f"{key}0", "new": f"{key}1"}

    def template(word: str, *policies: str) -> str:
        tags = [{"Key": "team", "Value": word}]
        allowed = {"Effect": "Allow", "Action": f"s3:{word}", "Resource": "*"}
        config = {"EndpointConfigName": "config", "ExecutionRoleArn": ROLE, "ProductionVariants": [variant()]}
        bodies: dict[str, tuple[str, dict[str, Any]]] = {
            "Model": ("SageMaker::Model", {"PrimaryContainer": {"Image": "sglang"}, "ExecutionRoleArn": ROLE}),
            "Config": ("SageMaker::EndpointConfig", config),
            "Logs": ("Logs::LogGroup", {"LogGroupName": "logs", "KmsKeyId": keys[word]}),
            "Role": (
                "IAM::Role",
                {
                    "RoleName": "role",
                    "AssumeRolePolicyDocument": {"Statement": {"Effect": "Allow", "Principal": {"Service": word}}},
                    "Policies": [
                        {"PolicyName": name, "PolicyDocument": {"Version": "2012-10-17", "Statement": [allowed]}}
                        for name in policies
                    ],
                },
            ),
        }
        resources = {
            name: {"Type": f"AWS::{kind}", "Properties": one | {"Tags": tags}} for name, (kind, one) in bodies.items()
        }
        return json.dumps({"Resources": resources})

    cloudformation, iam = SESSION.client("cloudformation"), SESSION.client("iam")

    def deploy(change: Any, body: str) -> str:
        change(StackName="tagged", TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        return str(cloudformation.describe_stacks(StackName="tagged")["Stacks"][0]["StackStatus"])

    assert deploy(cloudformation.create_stack, template("old", "a", "b")) == "CREATE_COMPLETE"
    iam.put_role_policy(RoleName="role", PolicyName="of-others", PolicyDocument=json.dumps(OTHERS))
    assert deploy(cloudformation.update_stack, template("new", "b", "c")) == "UPDATE_COMPLETE"

    assert sorted(iam.list_role_policies(RoleName="role")["PolicyNames"]) == ["b", "c", "of-others"]
    assert "s3:new" in str(iam.get_role_policy(RoleName="role", PolicyName="b")["PolicyDocument"])
    assert "new" in str(iam.get_role(RoleName="role")["Role"]["AssumeRolePolicyDocument"])
    (group,) = SESSION.client("logs").describe_log_groups(logGroupNamePrefix="logs")["logGroups"]
    assert group["kmsKeyId"] == keys["new"]
    state = store("123456789012", "us-east-1")
    assert [one.tags[0]["Value"] for one in (*state.models().values(), state.configs["config"])] == ["new", "new"]
