"""Relations that mutants of unforeseen kinds asked for: bounds, custom resources, declarations, policies, engines, networks, what nothing uses."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tools.check.generated import blind
from tools.check.generated.model import Source
from tools.check.graph import Environment, Graph
from tools.check.relations import bounds, customs, declared, documents, engines, idle, networks

ENVIRONMENT = Environment(
    region="us-east-1", account="", endpoints=frozenset({"prod"}), components=frozenset({"prod-qwen"})
)
Resources = dict[str, Any]


def get(name: str, attribute: str = "Arn") -> dict[str, Any]:
    return {"Fn::GetAtt": [name, attribute]}


def role(*statements: dict[str, Any]) -> dict[str, Any]:
    policies = [{"PolicyDocument": {"Statement": [one]}} for one in statements]
    return {"Type": "AWS::IAM::Role", "Properties": {"Policies": policies}}


def allow(action: object, resource: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def function(handler: str, of: str = "Role", **variables: Any) -> dict[str, Any]:
    properties = {"Handler": handler, "Role": get(of), "Environment": {"Variables": variables}}
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


def tagged(name: str) -> list[dict[str, str]]:
    return [{"Key": "cdk-sglang:component", "Value": name}]


def needing(**needs: float) -> dict[str, Any]:
    return {
        "InstanceType": "ml.g6e.12xlarge",
        "ModelName": get("Model", "ModelName"),
        "ComputeResourceRequirements": needs,
    }


URI = {"Fn::Join": ["", ["s3://", {"Ref": "Weights"}, "/weights/qwen/"]]}
SOUND: Resources = {
    "Weights": {"Type": "AWS::S3::Bucket", "Properties": {"LoggingConfiguration": {"DestinationBucketName": {"Ref": "Logs"}}}},
    "Logs": {"Type": "AWS::S3::Bucket", "Properties": {}},
    "WeightsName": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/e/weights-bucket", "Value": {"Ref": "Weights"}}},
    "LogsPolicy": {"Type": "AWS::S3::BucketPolicy", "Properties": {
        "Bucket": {"Ref": "Logs"},
        "PolicyDocument": {"Statement": [{
            "Sid": "Logs1", "Effect": "Allow", "Action": "s3:PutObject", "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Resource": {"Fn::Join": ["", [get("Logs"), "/*"]]}, "Condition": {"ArnLike": {"aws:SourceArn": get("Weights")}},
        }]},
    }},
    "Role": role(allow(["s3:ListBucket", "s3:ListBucketVersions"], get("Logs")), allow("s3:DeleteObject", {"Fn::Join": ["", [get("Logs"), "/*"]]})),
    "JobRole": role(),
    "StartRole": role(allow("iam:PassRole", get("JobRole"))),
    "Start": function("start.handler.start", "StartRole", JOB_ROLE_ARN=get("JobRole")),
    "Empty": function("emptying.handler.on_event"),
    "EmptyFramework": function("framework.onEvent", USER_ON_EVENT_FUNCTION_ARN=get("Empty")),
    "Emptied": {"Type": "Custom::CdkSglangEmptied", "Properties": {
        "ServiceToken": get("EmptyFramework"), "ServiceTimeout": 600, "Bucket": {"Ref": "Logs"}, "Arn": get("Logs"),
    }},
    "Look": function("copies.handler.on_event"),
    "Copies": {"Type": "Custom::CdkSglangCopies", "Properties": {
        "ServiceToken": get("Look"), "Component": "prod-qwen", "Model": get("Model", "ModelName"), "Initial": 1, "Fewest": 0, "Most": 4,
    }},
    "Weigh": function("weights.handler.on_event"),
    "Checked": {"Type": "Custom::CdkSglangWeights", "Properties": {
        "ServiceToken": get("Weigh"), "Models": [json.dumps({"bucket": "b", "prefix": "weights/qwen/"})],
    }},
    "Model": {"Type": "AWS::SageMaker::Model", "Properties": {
        "Tags": tagged("qwen"),
        "PrimaryContainer": {
            "Environment": {"SM_SGLANG_CONTEXT_LENGTH": "8192", "SM_SGLANG_ENABLE_METRICS": "true"},
            "ModelDataSource": {"S3DataSource": {"S3Uri": URI}},
        },
    }},
    "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [
        {"VariantName": "main", "InstanceType": "ml.g6e.12xlarge", "ManagedInstanceScaling": {"MinInstanceCount": 1, "MaxInstanceCount": 2}},
    ]}},
    "Endpoint": {"Type": "AWS::SageMaker::Endpoint", "Properties": {"EndpointConfigName": get("Config", "EndpointConfigName")}},
    "Component": {"Type": "AWS::SageMaker::InferenceComponent", "Properties": {
        "Tags": tagged("qwen"), "InferenceComponentName": "prod-qwen", "VariantName": "main",
        "RuntimeConfig": {"CopyCount": get("Copies", "Copies")},
        "Specifications": [needing(NumberOfAcceleratorDevicesRequired=4, NumberOfCpuCoresRequired=8, MinMemoryRequiredInMb=49152)],
        "DeploymentConfig": {"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50}}},
    }},
    "Agent": {"Type": "AWS::BedrockAgentCore::Runtime", "Properties": {
        "EnvironmentVariables": {
            "CDK_SGLANG_COMPONENT": "prod-qwen", "CDK_SGLANG_ENDPOINT": "prod", "CDK_SGLANG_TOKEN_BUDGET": "20000",
            "CDK_SGLANG_MODEL_API": "sagemaker", "OTEL_PYTHON_DISTRO": "aws_distro",
        },
        "AgentRuntimeArtifact": {"CodeConfiguration": {"EntryPoint": ["opentelemetry-instrument", "main.py"]}},
        "LifecycleConfiguration": {"IdleRuntimeSessionTimeout": 900, "MaxLifetime": 28800},
    }},
    "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {
        "AttributeDefinitions": [{"AttributeName": "id"}, {"AttributeName": "at"}],
        "KeySchema": [{"AttributeName": "id"}], "GlobalSecondaryIndexes": [{"KeySchema": [{"AttributeName": "at"}]}],
    }},
    "TableName": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/e/table", "Value": {"Ref": "Table"}}},
    "StartArn": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/e/start", "Value": get("Start")}},
    "Share": {"Type": "AWS::CloudWatch::Alarm", "Properties": {
        "AlarmActions": ["arn:aws:sns:us-east-1:111122223333:t"], "EvaluationPeriods": 1,
        "Metrics": [
            {"Id": "share", "Expression": "FILL(bad, 0) / good", "ReturnData": True},
            {"Id": "bad", "MetricStat": {"Period": 300}, "ReturnData": False},
            {"Id": "good", "MetricStat": {"Period": 300}, "ReturnData": False},
        ],
    }},
    "Ended": {"Type": "AWS::Events::Rule", "Properties": {"Targets": [{"Arn": get("Start")}]}},
    "MayStart": {"Type": "AWS::Lambda::Permission", "Properties": {
        "Principal": "events.amazonaws.com", "FunctionName": get("Start"), "SourceArn": get("Ended"),
    }},
    "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"SecurityGroupIngress": [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}]}},
    "Private": {"Type": "AWS::EC2::VPCEndpoint", "Properties": {"VpcEndpointType": "Interface", "SecurityGroupIds": [get("Group", "GroupId")]}},
    "Subnet1": {"Type": "AWS::EC2::Subnet", "Properties": {}},
    "Subnet2": {"Type": "AWS::EC2::Subnet", "Properties": {}},
    "Routes1": {"Type": "AWS::EC2::RouteTable", "Properties": {}},
    "Routes2": {"Type": "AWS::EC2::RouteTable", "Properties": {}},
    "Of1": {"Type": "AWS::EC2::SubnetRouteTableAssociation", "Properties": {"SubnetId": {"Ref": "Subnet1"}, "RouteTableId": {"Ref": "Routes1"}}},
    "Of2": {"Type": "AWS::EC2::SubnetRouteTableAssociation", "Properties": {"SubnetId": {"Ref": "Subnet2"}, "RouteTableId": {"Ref": "Routes2"}}},
    "S3": {"Type": "AWS::EC2::VPCEndpoint", "Properties": {"VpcEndpointType": "Gateway", "RouteTableIds": [{"Ref": "Routes1"}, {"Ref": "Routes2"}]}},
}  # fmt: skip


def found(resources: Resources) -> list[tuple[str, str]]:
    graph = Graph({"Resources": resources})
    alone = [line for part in (bounds, customs, declared, documents, idle, networks) for line in part.findings(graph)]
    return [*alone, *engines.findings(graph, ENVIRONMENT)]


def put(path: str, value: object) -> Callable[[Resources], None]:
    def change(resources: Resources) -> None:
        place: Any = resources
        *parents, last = path.split("/")
        for part in parents:
            place = place[int(part) if isinstance(place, list) else part]
        place[int(last) if isinstance(place, list) else last] = value

    return change


def test_nothing_is_found_in_a_sound_template() -> None:
    assert found(SOUND) == []


COPIES, MODEL, CODE = (
    "Copies/Properties",
    "Model/Properties/PrimaryContainer",
    "Agent/Properties/AgentRuntimeArtifact/CodeConfiguration",
)
SPECIFICATION, STATEMENT = "Component/Properties/Specifications/0", "LogsPolicy/Properties/PolicyDocument/Statement/0"
VARIABLES, MATH = "Agent/Properties/EnvironmentVariables", "Share/Properties/Metrics"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("Config/Properties/ProductionVariants/0/ManagedInstanceScaling/MinInstanceCount", 3), "MinInstanceCount 3 is more than MaxInstanceCount 2"),
        (put(f"{COPIES}/Initial", 5), "Initial 5 is more than Most 4"),
        (put(f"{COPIES}/Initial", 0.0167), "Initial 0.0167 is no whole number"),
        (put("Emptied/Properties/ServiceTimeout", 36_000), "ServiceTimeout 36000 is no whole number of 1 to 3600"),
        (put("Group/Properties/SecurityGroupIngress/0/FromPort", 453_632), "FromPort 453632 is no whole number"),
        (put("Agent/Properties/LifecycleConfiguration/IdleRuntimeSessionTimeout", 54_000), "IdleRuntimeSessionTimeout 54000 is"),
        (put("Config/Properties/ProductionVariants/0/Schedule", "Europe/Berlin"), "Schedule 'Europe/Berlin' does not match"),
        (put("Config/Properties/ProductionVariants/0/Timezone", "cron(0 6 * * ? *)"), "is no time zone"),
        (put("Component/Properties/DeploymentConfig/RollingUpdatePolicy/MaximumBatchSize/Value", 500), "MaximumBatchSize is 500 percent"),
        (put(f"{COPIES}/ServiceToken", get("Weigh")), "ServiceToken leads to weights.handler.on_event, and the type is that of copies"),
        (put(f"{COPIES}/Component", "ed2ac71e"), "asks about ed2ac71e, and gives its answer to prod-qwen"),
        (put("Emptied/Properties/Arn", get("Weights")), "Bucket is Logs, and Arn that of Weights"),
        (put("Role/Properties/Policies/0/PolicyDocument/Statement/0/Resource", get("Weights")), "may not list Logs"),
        (put("Checked/Properties/Models", []), "nothing looks at its weights before it is served"),
        (put("Table/Properties/AttributeDefinitions", [{"AttributeName": "id"}]), "at is a key that AttributeDefinitions lacks"),
        (put("Table/Properties/GlobalSecondaryIndexes", []), "at is no key"),
        (put(f"{MATH}/2/Id", "fine"), "an expression refers to good, which no entry of Metrics is called"),
        (put(f"{MATH}/1/ReturnData", True), "2 entries of Metrics return data"),
        (put("Share/Properties/EvaluationPeriods", 1024), "at most 86400 are allowed"),
        (put("MayStart/Properties/FunctionName", get("Look")), "and no AWS::Lambda::Permission lets it"),
        (put("StartRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", get("Role")), "none of which may pass it"),
        (put(f"{STATEMENT}/Sid", "*"), "Sid * has other characters"),
        (put(f"{STATEMENT}/Resource", "Logs1"), "Resource Logs1 has not the form that IAM reads"),
        (put(f"{STATEMENT}/Effect", "s3:PutObject"), "neither Allow nor Deny"),
        (put(f"{STATEMENT}/Resource", get("Weights")), "is about Weights, and a policy of Logs"),
        (put(f"{STATEMENT}/Condition", {"ArnLike": {"aws:SourceArn": get("Logs")}}), "and not those of Weights"),
        (put(f"{MODEL}/Environment/SM_SGLANG_ENABLE_METRICS", "qwen"), "SM_SGLANG_ENABLE_METRICS: "),
        (put(f"{MODEL}/Environment/SM_SGLANG_CONTEXT_LENGTH", "true"), "SM_SGLANG_CONTEXT_LENGTH: "),
        (put(f"{SPECIFICATION}/InstanceType", "ml.p5.48xlarge"), "has specifications for ml.p5.48xlarge, and its variant has ml.g6e.12xlarge"),
        (put(f"{SPECIFICATION}/ComputeResourceRequirements/NumberOfCpuCoresRequired", 2880), "NumberOfCpuCoresRequired 2880 is more than the 48"),
        (put(f"{SPECIFICATION}/ComputeResourceRequirements/MinMemoryRequiredInMb", 819.2), "MinMemoryRequiredInMb 819.2 is no whole number"),
        (put("Model/Properties/Tags", tagged("gpt-oss")), "is qwen, and serves the model of gpt-oss"),
        (put(f"{VARIABLES}/CDK_SGLANG_TOKEN_BUDGET", "sagemaker"), "CDK_SGLANG_TOKEN_BUDGET: 'sagemaker' does not match"),
        (put(f"{VARIABLES}/CDK_SGLANG_COMPONENT", "aws_distro"), "CDK_SGLANG_COMPONENT is aws_distro"),
        (put(f"{CODE}/EntryPoint", ["opentelemetry-instrument"]), "names no Python file to start"),
        (put("S3/Properties/RouteTableIds", [{"Ref": "Routes1"}]), "has no route from Routes2"),
        (put("S3/Properties/RouteTableIds", [{"Ref": "Routes1"}, {"Ref": "Routes1"}]), "names the same resource twice"),
        (put("Of2/Properties/SubnetId", {"Ref": "Subnet1"}), "its subnet has a route table already, by Of1"),
        (put("Group/Properties/SecurityGroupIngress", []), "lets nobody in, and Private is behind it"),
        (put("WeightsName/Properties/Value", {"Ref": "Logs"}), "is Logs, which holds access logs"),
        (put("Endpoint/Properties/EndpointConfigName", "other"), "nothing uses this AWS::SageMaker::EndpointConfig"),
    ],
)  # fmt: skip
def test_a_relation_that_does_not_hold(change: Callable[[Resources], None], message: str) -> None:
    resources = copy.deepcopy(SOUND)
    change(resources)
    assert any(message in text for _, text in found(resources)), found(resources)


def test_an_alarm_that_nobody_hears_of_is_found_where_others_tell_somebody() -> None:
    silent = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}}
    assert found({**SOUND, "Silent": silent}) == [
        ("Silent", "nobody hears of this alarm: no action, no composite alarm and no rollback takes it")
    ]
    assert list(idle.findings(Graph({"Resources": {"Silent": silent}}))) == []


def test_mutants_of_unforeseen_kinds_change_one_thing_and_leave_their_source_alone() -> None:
    source = Source("prod/S", {"Resources": copy.deepcopy(SOUND)}, ENVIRONMENT)
    some = [one for make in blind.MAKERS for one in make(source)]
    assert {one.kind for one in some} == set(blind.KINDS)
    assert all(one.mutant() != source.template for one in some)
    assert source.template == {"Resources": SOUND}
