"""Faults of members that exclude each other: unions of botocore's models, and pairs of the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from botocore.model import ListShape, Shape, StructureShape

from tools.check.generated.model import Candidate, Source, setting
from tools.check.generated.values import norm, operation
from tools.check.graph import Path_, Tree, is_intrinsic

EXCLUSIVE: Final = "exclusive member added"

PAIRS: Final[tuple[tuple[str, str, str, object], ...]] = (
    ("AWS::CloudWatch::Alarm", "Statistic", "ExtendedStatistic", "p99"),
    ("AWS::CloudWatch::Alarm", "MetricName", "Metrics", [{"Id": "m1", "Expression": "1", "ReturnData": True}]),
    ("AWS::CloudWatch::Alarm", "EvaluationCriteria", "MetricName", "Invocations"),
    ("AWS::SageMaker::InferenceComponent", "Specifications", "Specification", {"ModelName": "m"}),
    ("AWS::SageMaker::InferenceComponent", "Specification", "Specifications", [{"InstanceType": "ml.g6e.12xlarge", "ModelName": "m"}]),
    ("AWS::SageMaker::Model", "PrimaryContainer", "Containers", [{"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/a:b"}]),
    ("AWS::SageMaker::Model", "PrimaryContainer.ModelDataSource", "PrimaryContainer.ModelDataUrl", "s3://bucket/model.tar.gz"),
    ("AWS::SageMaker::EndpointConfig", "ProductionVariants.0.InstancePools", "ProductionVariants.0.InstanceType", "ml.g6e.12xlarge"),
    ("AWS::ApplicationAutoScaling::ScalingPolicy", "TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification",
     "TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification",
     {"MetricName": "Invocations", "Namespace": "AWS/SageMaker", "Statistic": "Sum"}),
    ("AWS::Lambda::Function", "Code.S3Key", "Code.ImageUri", "111122223333.dkr.ecr.us-east-1.amazonaws.com/a:b"),
    ("AWS::SQS::Queue", "SqsManagedSseEnabled", "KmsMasterKeyId", "alias/data"),
    ("AWS::EC2::SecurityGroupIngress", "SourceSecurityGroupId", "CidrIp", "10.0.0.0/8"),
    ("AWS::IAM::Policy", "PolicyDocument.Statement.0.Action", "PolicyDocument.Statement.0.NotAction", "s3:*"),
    ("AWS::IAM::Policy", "PolicyDocument.Statement.0.Resource", "PolicyDocument.Statement.0.NotResource", "*"),
    ("AWS::EC2::Subnet", "AvailabilityZone", "AvailabilityZoneId", "use1-az1"),
    ("AWS::StepFunctions::StateMachine", "DefinitionString", "Definition", {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
    ("AWS::Events::Rule", "Targets.0.Arn", "Targets.0.InputPath", "$.a"),
)  # fmt: skip
"""Type, a property, one that AWS refuses beside it (where the first exists), and a value: the properties' pages in the template reference
(read 2026-11). The pair of the last row is completed with `Input`, of which a target has one at most."""


def exclusive(source: Source) -> Iterator[Candidate]:
    """Yield members that are added beside one that excludes them: of unions of the models, and of documented pairs."""
    for name, resource in source.template["Resources"].items():
        properties = resource.get("Properties", {})
        for resource_type, have, add, value in PAIRS:
            if (
                resource["Type"] == resource_type
                and _get(properties, have) is not None
                and _get(properties, add) is None
            ):
                path = ("Properties", *(int(part) if part.isdigit() else part for part in add.split(".")))
                if path[-1] == "InputPath":
                    yield setting(
                        EXCLUSIVE,
                        source,
                        name,
                        path[:-1],
                        {**_get(properties, "Targets.0"), "Input": "1", "InputPath": "$.a"},
                        "Input and InputPath",
                    )
                else:
                    yield setting(EXCLUSIVE, source, name, path, value, f"beside {have.rpartition('.')[2]}")
        shape = operation(resource["Type"])
        if shape is not None:
            for path, present, union in _unions(properties, shape, ("Properties",)):
                for other, member in sorted(union.members.items()):
                    if norm(other) != norm(present):
                        spelt = other[0].upper() + other[1:]
                        yield setting(EXCLUSIVE, source, name, (*path, spelt), _minimal(member), f"beside {present}")


def _get(value: Tree, path: str) -> Tree:
    for part in path.split("."):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, Mapping) and part in value:
            value = value[part]
        else:
            return None
    return value


def _minimal(shape: Shape) -> object:
    if shape.type_name == "structure":
        return {}
    return [] if shape.type_name == "list" else "a"


def _unions(value: Tree, shape: Shape, path: Path_) -> Iterator[tuple[Path_, str, StructureShape]]:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping) and not is_intrinsic(value):
        members = {norm(name): member for name, member in shape.members.items()}
        known = [key for key in value if norm(key) in members]
        if shape.is_tagged_union and len(known) == 1:
            yield path, known[0], shape
        for key in known:
            yield from _unions(value[key], members[norm(key)], (*path, key))
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unions(item, shape.member, (*path, index))
