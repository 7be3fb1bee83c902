"""What each property refers to: a reference to a resource of another type fails at deployment, or later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from tools.check.graph import Environment, Graph, Path_, Reference, dotted, leaves, listed, reference

_FUNCTION: Final = ("AWS::Lambda::Function.Arn",)
_KEY: Final = ("AWS::KMS::Key.Arn", "AWS::KMS::Key")
_QUEUE: Final = ("AWS::SQS::Queue.Arn",)
_ROLE: Final = ("AWS::IAM::Role.Arn",)
_BUCKET: Final = ("AWS::S3::Bucket",)

MEANT: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (r"IAM::Policy:Roles", ("AWS::IAM::Role",)),
    (r"Role|RoleArn|ExecutionRoleArn|DeliverLogsPermissionArn", _ROLE),
    (r"Permission:Principal", _ROLE),
    (r"VpcId|FlowLog:ResourceId", ("AWS::EC2::VPC",)),
    (r"SubnetId|SubnetIds|Subnets", ("AWS::EC2::Subnet",)),
    (r"GroupId|SourceSecurityGroupId|SecurityGroupIds", ("AWS::EC2::SecurityGroup.GroupId",)),
    (r"RouteTableId|RouteTableIds", ("AWS::EC2::RouteTable",)),
    (r"(?i:KmsKey|KmsKeyId|KmsMasterKeyId|KEY_ARN)", _KEY),
    (r"LogGroup|LogGroupName", ("AWS::Logs::LogGroup",)),
    (r"LogGroupArn", ("AWS::Logs::LogGroup.Arn",)),
    (r"(Rule|Schedule):.*DeadLetterConfig\.Arn", _QUEUE),
    (r"DeadLetterConfig\.TargetArn|DeadLetterConfig\.Arn", (*_QUEUE, "AWS::SNS::Topic")),
    (r"Target\.Arn|Targets\[\]\.Arn|LambdaArn|ServiceToken|Permission:FunctionName|\w+_FUNCTION_ARN", _FUNCTION),
    (r"\w+_STATE_MACHINE_ARN", ("AWS::StepFunctions::StateMachine",)),
    (r"Permission:SourceArn|QueuePolicy:.*aws:SourceArn", ("AWS::Events::Rule.Arn",)),
    (r"BucketPolicy:.*aws:SourceArn|CdkSglangEmptied:Arn", ("AWS::S3::Bucket.Arn",)),
    (r"Bucket|DestinationBucketName|\w+_BUCKET", _BUCKET),
    (r"\w+_TABLE", ("AWS::DynamoDB::Table",)),
    (r"\w+_GATEWAY_URL", ("AWS::BedrockAgentCore::Gateway.GatewayUrl",)),
    (r"GatewayIdentifier", ("AWS::BedrockAgentCore::Gateway.GatewayIdentifier",)),
    (r"Queues", ("AWS::SQS::Queue",)),
    (r"Topics", ("AWS::SNS::Topic",)),
    (r"EndpointConfigName", ("AWS::SageMaker::EndpointConfig.EndpointConfigName",)),
    (r"EndpointName|CdkSglangCopies:Endpoint", ("AWS::SageMaker::Endpoint.EndpointName",)),
    (r"ModelName|CdkSglangCopies:Model", ("AWS::SageMaker::Model.ModelName",)),
    (r"CopyCount", ("Custom::CdkSglangCopies.Copies",)),
    (r"AlarmName|ActionsSuppressor", ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")),
    (r"AlarmActions", ("AWS::SNS::Topic", "AWS::ApplicationAutoScaling::ScalingPolicy", *_FUNCTION)),
    (r"OKActions|InsufficientDataActions", ("AWS::SNS::Topic",)),
    (r"ScalingTargetId", ("AWS::ApplicationAutoScaling::ScalableTarget",)),
    (r"aws:SourceAccount", ("AWS::AccountId",)),
    (r"Alarms", ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")),
)
"""Pattern of the end of a property's path, with the last word of its resource type and a colon before it where it matters, and the kinds
that it takes: pages of the types in https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/ (read 2026-11), and this
project's own functions."""

HELD: Final[dict[str, tuple[str, ...]]] = {
    "key-arn": ("AWS::KMS::Key.Arn",),
    "alarm-topic-arn": ("AWS::SNS::Topic",),
    "weights-bucket": _BUCKET,
    "images-repository": ("AWS::ECR::Repository",),
    "security-group-id": ("AWS::EC2::SecurityGroup.GroupId",),
    "execution-role-arn": _ROLE,
}
"""Kinds of value of this project's parameters of Systems Manager, by the end of their names."""

SERVICES: Final[dict[str, tuple[str, ...]]] = {
    "AWS::Logs::LogGroup": ("logs",),
    "AWS::SQS::Queue": ("sqs",),
    "AWS::SNS::Topic": ("sns",),
    "AWS::KMS::Key": ("kms",),
    "AWS::S3::Bucket": ("s3",),
    "AWS::Lambda::Function": ("lambda",),
    "AWS::IAM::Role": ("iam", "sts"),
    "AWS::DynamoDB::Table": ("dynamodb",),
    "AWS::StepFunctions::StateMachine": ("states",),
    "AWS::BedrockAgentCore::Gateway": ("bedrock-agentcore",),
    "AWS::CloudWatch::Alarm": ("cloudwatch",),
    "AWS::SageMaker::Endpoint": ("sagemaker",),
    "AWS::EC2::SecurityGroup": ("ec2",),
    "AWS::EC2::VPC": ("ec2",),
    "AWS::EC2::Subnet": ("ec2",),
    "AWS::EC2::RouteTable": ("ec2",),
    "AWS::StackId": ("cloudformation",),
}
"""Prefixes of the actions that a resource type takes, from the Service Authorization Reference:
https://docs.aws.amazon.com/service-authorization/latest/reference/ (read 2026-11)."""


def findings(graph: Graph, environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield place and message of each reference to something else than its property takes."""
    for name, resource in graph.resources.items():
        properties = resource.get("Properties", {})
        resource_type = str(resource.get("Type"))
        for path, value in leaves(properties):
            found = reference(value)
            if found is None:
                continue
            allowed = _allowed(resource_type, path, properties)
            kind = graph.kind(found, environment.parameters)
            if allowed and not kind.startswith("parameter ") and kind not in allowed:
                yield f"{name}.{dotted(path)}", f"takes {' or '.join(allowed)}, and refers to {kind} ({found.target})"
        for place, statement in statements(properties):
            yield from ((f"{name}.{place}", message) for message in _of_statement(statement, graph, environment))


def _allowed(resource_type: str, path: Path_, properties: object) -> tuple[str, ...]:
    """Return the kinds that a property takes; empty where no fact says."""
    if resource_type == "AWS::SSM::Parameter" and path == ("Value",) and isinstance(properties, dict):
        return HELD.get(str(properties.get("Name")).rpartition("/")[2], ())
    return _kinds(f"{resource_type.partition('::')[2]}:{dotted(path).removesuffix('[]')}")


@cache
def _kinds(place: str) -> tuple[str, ...]:
    for pattern, kinds in MEANT:
        if re.search(rf"(^|[.:]|(?<=\]\.))({pattern})$", place) or re.search(rf"(^|::)({pattern})$", place):
            return kinds
    return ()


def statements(value: object, place: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    """Yield place and content of each statement of the policies inside a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "Statement":
                for index, one in enumerate(listed(item)):
                    if isinstance(one, dict):
                        yield f"{place}Statement.{index}", one
            else:
                yield from statements(item, f"{place}{key}.")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from statements(item, f"{place}{index}.")


def _of_statement(statement: dict[str, object], graph: Graph, environment: Environment) -> Iterator[str]:
    prefixes = {str(action).partition(":")[0] for action in listed(statement.get("Action"))} - {"*"}
    for value in listed(statement.get("Resource")):
        found = _first_reference(value)
        if found is None or not prefixes:
            continue
        kind = graph.kind(found, environment.parameters).partition(".")[0]
        known = next((prefix for one, prefix in SERVICES.items() if kind == one), None)
        if known is not None and not prefixes & set(known):
            yield f"{', '.join(sorted(prefixes))} has no action on {kind} ({found.target})"
        elif known is None and kind in {resource.get("Type") for resource in graph.resources.values()}:
            yield f"no action of {', '.join(sorted(prefixes))} is known for {kind} ({found.target})"


def _first_reference(value: object) -> Reference | None:
    """Return the reference that a resource of a policy is, or begins with."""
    match value:
        case {"Fn::Join": ["", [first, *_]]}:
            return reference(first)
        case _:
            return reference(value)
