"""Literal values of templates against the API behind each resource type: botocore's service models.

CloudFormation's schemas say less than the API that creates the resource: a length, a pattern, a range, an enum or a required member
that only the API has is found at deployment, after minutes. Every constraint of an operation's input is read from the model, so a new
release of botocore brings its own rules.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, Final

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tools.check.drift import COMPARED
from tools.check.graph import is_intrinsic, literal

_REGION: Final = "us-east-1"
_CLASSES: Final = {r"\p{L}": "a-zA-Z\u00aa-\uffdc", r"\p{N}": r"\d", r"\p{Z}": r"\s", r"\p{M}": "\u0300-\u036f"}
"""Classes of Unicode in patterns, which stand inside brackets there, in Python's spelling."""

_NUMBERS: Final = ("integer", "long", "float", "double")

_SHOWN: Final = 8
_PAIR: Final = 2
_TAG: Final = re.compile(r"<[^>]+>")
_EITHER: Final = re.compile(r"\beither (\w+) or (\w+)\b")
_NOT_BOTH: Final = re.compile(r"[^.]*(?:not both|(?:can't|cannot) (?:specify|use|include|set) both)[^.]*\.")

EXCLUSIVE: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "ContainerDefinition": (("modeldatasource", "modeldataurl"),),
    "CreateModelInput": (("containers", "primarycontainer"),),
    "CreateStateMachineInput": (("definition", "definitionstring"),),
    "ProductionVariant": (("instancetype", "instancepools"),),
    "Target": (("input", "inputpath"), ("input", "inputtransformer"), ("inputpath", "inputtransformer")),
}
"""Members or properties, in lower case, that exclude each other by the page of their shape or type where the model says nothing:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html, API_ContainerDefinition.html and API_ProductionVariant.html there,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html and
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html (read 2026-11)."""

BEHIND: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    **COMPARED,
    "AWS::BedrockAgentCore::Gateway": ("bedrock-agentcore-control", ("CreateGateway",)),
    "AWS::BedrockAgentCore::GatewayTarget": ("bedrock-agentcore-control", ("CreateGatewayTarget",)),
    "AWS::BedrockAgentCore::Runtime": ("bedrock-agentcore-control", ("CreateAgentRuntime",)),
    "AWS::CloudWatch::Alarm": ("cloudwatch", ("PutMetricAlarm",)),
    "AWS::CloudWatch::CompositeAlarm": ("cloudwatch", ("PutCompositeAlarm",)),
    "AWS::CloudWatch::Dashboard": ("cloudwatch", ("PutDashboard",)),
    "AWS::DynamoDB::Table": ("dynamodb", ("CreateTable",)),
    "AWS::EC2::FlowLog": ("ec2", ("CreateFlowLogs",)),
    "AWS::EC2::SecurityGroup": ("ec2", ("CreateSecurityGroup",)),
    "AWS::EC2::SecurityGroupIngress": ("ec2", ("AuthorizeSecurityGroupIngress",)),
    "AWS::EC2::Subnet": ("ec2", ("CreateSubnet",)),
    "AWS::EC2::VPC": ("ec2", ("CreateVpc",)),
    "AWS::EC2::VPCEndpoint": ("ec2", ("CreateVpcEndpoint",)),
    "AWS::ECR::Repository": ("ecr", ("CreateRepository",)),
    "AWS::Events::Rule": ("events", ("PutRule", "PutTargets")),
    "AWS::IAM::Policy": ("iam", ("PutRolePolicy",)),
    "AWS::IAM::Role": ("iam", ("CreateRole",)),
    "AWS::KMS::Key": ("kms", ("CreateKey",)),
    "AWS::Lambda::Function": ("lambda", ("CreateFunction",)),
    "AWS::Lambda::Permission": ("lambda", ("AddPermission",)),
    "AWS::Logs::LogGroup": ("logs", ("CreateLogGroup", "PutRetentionPolicy")),
    "AWS::Logs::MetricFilter": ("logs", ("PutMetricFilter",)),
    "AWS::Logs::QueryDefinition": ("logs", ("PutQueryDefinition",)),
    "AWS::SNS::Topic": ("sns", ("CreateTopic",)),
    "AWS::SSM::Parameter": ("ssm", ("PutParameter",)),
    "AWS::SageMaker::ModelPackageGroup": ("sagemaker", ("CreateModelPackageGroup",)),
    "AWS::Scheduler::Schedule": ("scheduler", ("CreateSchedule",)),
    "AWS::StepFunctions::StateMachine": ("stepfunctions", ("CreateStateMachine",)),
}
"""Service and operations behind each resource type. Types whose operations take their properties as strings or apart (S3, SQS) have
no entry: CloudFormation's schemas and cfn-lint know theirs."""

RENAMED: Final[Mapping[tuple[str, str], str]] = {
    ("AWS::EC2::SecurityGroup", "GroupDescription"): "Description",
    ("AWS::SSM::Parameter", "Tags"): "",
    ("AWS::StepFunctions::StateMachine", "DefinitionString"): "definition",
    ("AWS::StepFunctions::StateMachine", "StateMachineName"): "name",
    ("AWS::StepFunctions::StateMachine", "StateMachineType"): "type",
}
"""Members of the API by type and property where the names differ by more than case; empty where the forms differ too.

The pages of the types in https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/ and of the operations (read 2026-11)."""

STOOD_IN_FOR: Final[Mapping[str, str]] = {"AWS::ApplicationAutoScaling::ScalingPolicy": "ScalingTargetId"}
"""Property whose presence gives CloudFormation the API's required members of a type."""


def findings(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield place and message of each literal value that the API behind its resource refuses.

    Args:
        template: A CloudFormation template.
    """
    for name, resource in template.get("Resources", {}).items():
        resource_type, properties = resource.get("Type"), resource.get("Properties", {})
        if resource_type not in BEHIND or not isinstance(properties, Mapping):
            continue
        service = BEHIND[resource_type][0]
        for path, problem in _of_resource(resource_type, properties):
            yield f"{name}.{path}", f"{problem} ({service}, {resource_type})"


def _of_resource(resource_type: str, properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    members, required = _inputs(resource_type)
    yield from (
        ("Properties", problem) for problem in _beside({key.lower() for key in properties}, _first(resource_type))
    )
    for key, value in properties.items():
        shape = members.get(RENAMED.get((resource_type, key), key).lower())
        if shape is not None:
            yield from _of_value(key, value, shape)
    if properties.get(STOOD_IN_FOR.get(resource_type, ""), None) is None:
        names = {RENAMED.get((resource_type, key), key).lower() for key in properties}
        for member in sorted(required - names):
            yield member, f"{members[member].name}: the API requires {member}, which is missing"


@cache
def _inputs(resource_type: str) -> tuple[Mapping[str, Shape], frozenset[str]]:
    """Return the members behind a type's properties, in lower case, and those of them that the template has to give."""
    service, operations = BEHIND[resource_type]
    model = _session().get_service_model(service)
    shapes = [model.operation_model(operation).input_shape for operation in operations]
    structures = [shape for shape in shapes if isinstance(shape, StructureShape)]
    members = {name.lower(): member for shape in reversed(structures) for name, member in shape.members.items()}
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_REGION, resource_type).schema
    offered = {name.lower() for name in schema["properties"]}
    required = {name.lower() for name in structures[0].required_members}
    # CloudFormation makes a name where the template gives none, and its schemas say of which types.
    default_names = {name for name in offered if name.endswith("name")} - {
        name.lower() for name in schema.get("required", [])
    }
    return members, frozenset(required & offered - default_names)


@cache
def _first(resource_type: str) -> StructureShape:
    """Return the input of the first operation behind a type."""
    service, operations = BEHIND[resource_type]
    shape = _session().get_service_model(service).operation_model(operations[0]).input_shape
    assert isinstance(shape, StructureShape)
    return shape


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def _of_value(path: str, value: object, shape: Shape) -> Iterator[tuple[str, str]]:
    match shape.type_name:
        case "structure" if isinstance(shape, StructureShape) and isinstance(value, Mapping):
            if not is_intrinsic(value):
                yield from _of_structure(path, value, shape)
        case "list" if isinstance(shape, ListShape) and isinstance(value, list):
            yield from ((path, problem) for problem in _out_of_bounds(len(value), "entries", shape))
            for index, item in enumerate(value):
                yield from _of_value(f"{path}.{index}", item, shape.member)
        case "map" if isinstance(shape, MapShape) and isinstance(value, Mapping) and not is_intrinsic(value):
            yield from ((path, problem) for problem in _out_of_bounds(len(value), "entries", shape))
            for key, item in value.items():
                yield from ((f"{path}.{key}", problem) for problem in _of_text(str(key), shape.key))
                yield from _of_value(f"{path}.{key}", item, shape.value)
        case "string":
            text = literal(value) if isinstance(value, str) or is_intrinsic(value) else None
            if text is not None:
                yield from ((path, problem) for problem in _of_text(text, shape))
        case kind if kind in _NUMBERS and isinstance(value, (int, float, str)) and not isinstance(value, bool):
            yield from ((path, problem) for problem in _of_number(value, shape))


def _of_structure(path: str, value: Mapping[str, Any], shape: StructureShape) -> Iterator[tuple[str, str]]:
    members = {name.lower(): (name, member) for name, member in shape.members.items()}
    known = [key for key in value if key.lower() in members]
    if not known:
        return
    for key in known:
        yield from _of_value(f"{path}.{key}", value[key], members[key.lower()][1])
    names = {key.lower() for key in known}
    for name in shape.required_members:
        if name.lower() not in names:
            yield path, f"{shape.name}: the API requires {name}, which is missing"
    if shape.is_tagged_union and len(known) > 1:
        yield path, f"{shape.name}: one of {', '.join(sorted(known))} alone is allowed"
    yield from ((path, problem) for problem in _beside(names, shape))


def _beside(names: Collection[str], shape: StructureShape) -> Iterator[str]:
    """Yield the members, in lower case, that exclude each other."""
    for pair in sorted(_pairs(shape.name, tuple(shape.members.items())), key=sorted):
        if pair <= set(names):
            yield f"{shape.name}: {' and '.join(sorted(pair))} exclude each other"


@cache
def _pairs(name: str, members: tuple[tuple[str, Shape], ...]) -> frozenset[frozenset[str]]:
    """Return the pairs of members of which the model's documentation says "not both", and those of the table."""
    found = {frozenset(pair) for pair in EXCLUSIVE.get(name, ())}
    for member, shape in members:
        text = _TAG.sub("", str(shape.documentation or ""))
        for sentence in _NOT_BOTH.findall(text):
            stated = _EITHER.search(sentence)
            words = (
                set(stated.groups())
                if stated
                else {one for one, _ in members if re.search(rf"\b{one}\b", sentence)} | {member}
            )
            if len(words) == _PAIR and words <= {one for one, _ in members}:
                found.add(frozenset(word.lower() for word in words))
    return frozenset(found)


def _of_text(text: str, shape: Shape) -> Iterator[str]:
    enum = shape.enum if isinstance(shape, StringShape) else []
    if enum:
        if text not in enum:
            yield f"{shape.name}: {text!r} is none of {', '.join(enum[:_SHOWN])}{' and others' if len(enum) > _SHOWN else ''}"
        return
    yield from _out_of_bounds(len(text), "characters", shape)
    pattern = _pattern(str(shape.metadata.get("pattern", "")))
    if pattern is not None and not pattern.fullmatch(text):
        yield f"{shape.name}: {text!r} does not match {pattern.pattern}"


@cache
def _pattern(text: str) -> re.Pattern[str] | None:
    """Return an API's pattern, or None where there is none that Python can read."""
    if not text:
        return None
    for java, python in _CLASSES.items():
        text = text.replace(java, python)
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return re.compile(text, re.DOTALL)
    except re.error:
        return None


def _of_number(value: float | str, shape: Shape) -> Iterator[str]:
    try:
        number = float(value)
    except ValueError:
        yield f"{shape.name}: {value!r} is no number"
        return
    yield from _out_of_bounds(number, "", shape)


def _out_of_bounds(number: float, unit: str, shape: Shape) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and number < least) or (most is not None and number > most):
        most_text = "any" if most is None else most
        yield f"{shape.name}: {number:g} {unit}".rstrip() + f" is outside of {least or 0} to {most_text}"
