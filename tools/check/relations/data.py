"""Data that stays, and who may reach it: deletion policies, lifecycles, policies of resources, networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tools.check.graph import Environment, Graph, listed, reference, references
from tools.check.relations.grants import at, covers
from tools.check.relations.meant import statements
from tools.check.template_text import text_of

_KEPT: Final = ("Retain", "RetainExceptOnCreate", "Snapshot")

KEPT: Final = (
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
)
"""Types whose data an environment keeps when its stack goes, where it keeps data (`data.on_delete`)."""

ARCHIVES: Final = ("DEEP_ARCHIVE", "GLACIER")
"""Storage classes whose objects have to be restored before they can be read:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html (read 2026-11)."""

TWO: Final = (
    ("AWS::SageMaker::EndpointConfig", "VpcConfig", "VpcConfig.Subnets"),
    ("AWS::SageMaker::Model", "VpcConfig", "VpcConfig.Subnets"),
    ("AWS::EC2::VPCEndpoint", "SubnetIds", "SubnetIds"),
)
"""Type, what asks for it, and the subnets of which this project promises two, so that one zone may fail."""


@dataclass(frozen=True, kw_only=True)
class Lets:
    """A resource that has to let a service in, through its own policy or one beside it.

    Attributes:
        type: Type of the resource with the policy.
        user: Type of the resources that send the service there.
        by: Path of the property with which they refer to it.
        service: Principal of the service; `{region}` stands for the Region.
        actions: Actions that it needs.
        within: Type of the policy's own resource, and the property that refers to the resource; empty for the resource itself.
    """

    type: str
    user: str
    by: str
    service: str
    actions: tuple[str, ...]
    within: tuple[str, str] = ("", "")


USES: Final = ("s3:GetObject", "s3:ListBucket", "sns:Publish", "sqs:SendMessage")
"""Actions whose denial shuts out those whom a resource is for."""

LETS: Final = (
    Lets(type="AWS::KMS::Key", user="AWS::Logs::LogGroup", by="KmsKeyId", service="logs.{region}.amazonaws.com",
         actions=("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptTo")),
    Lets(type="AWS::KMS::Key", user="AWS::SNS::Topic", by="KmsMasterKeyId", service="cloudwatch.amazonaws.com",
         actions=("kms:Decrypt", "kms:GenerateDataKey")),
    Lets(type="AWS::S3::Bucket", user="AWS::S3::Bucket", by="LoggingConfiguration.DestinationBucketName",
         service="logging.s3.amazonaws.com", actions=("s3:PutObject",), within=("AWS::S3::BucketPolicy", "Bucket")),
    Lets(type="AWS::SQS::Queue", user="AWS::Events::Rule", by="Targets.DeadLetterConfig.Arn", service="events.amazonaws.com",
         actions=("sqs:SendMessage",), within=("AWS::SQS::QueuePolicy", "Queues")),
)  # fmt: skip
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html (read 2026-11)."""


def findings(graph: Graph, environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield place and message of each resource that loses data, shuts its readers out, or stands in one zone alone."""
    if environment.keeps:
        yield from _kept(graph)
    yield from _expired(graph)
    yield from _shut(graph)
    yield from _let_in(graph, environment)
    for resource_type, when, path in TWO:
        for name, resource in graph.of_type(resource_type).items():
            subnets = list(map(str, at(resource["Properties"], path)))
            if when in resource["Properties"] and len(set(subnets)) < 2:
                yield name, f"{path} has {len(set(subnets))}; two subnets in two zones are promised"
    for name, endpoint in graph.of_type("AWS::EC2::VPCEndpoint").items():
        vpc = reference(endpoint["Properties"].get("VpcId"))
        network = graph.resources.get(vpc.target, {}).get("Properties", {}) if vpc else {}
        for switch in ("EnableDnsSupport", "EnableDnsHostnames"):
            if endpoint["Properties"].get("PrivateDnsEnabled") is True and network and network.get(switch) is not True:
                yield name, f"has a private name, which {switch} of its network has to allow"


def _kept(graph: Graph) -> Iterator[tuple[str, str]]:
    for name, resource in graph.resources.items():
        if resource.get("Type") in KEPT:
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if resource.get(policy) not in _KEPT:
                    yield name, f"{policy} is {resource.get(policy)}: its data would go; keep it with Retain"


def _expired(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield buckets whose current objects go or cannot be read any more; those that hold access logs alone may."""
    logs = {
        found.target
        for bucket in graph.of_type("AWS::S3::Bucket").values()
        for found in references(bucket["Properties"].get("LoggingConfiguration", {}))
    }
    for name, bucket in graph.of_type("AWS::S3::Bucket").items():
        for rule in listed(bucket["Properties"].get("LifecycleConfiguration", {}).get("Rules")):
            if (
                name not in logs
                and rule.get("Status") == "Enabled"
                and {"ExpirationInDays", "ExpirationDate"} & rule.keys()
            ):
                yield name, "a lifecycle rule expires current objects: weights and reports would be gone"
            for days in at(rule, "NoncurrentVersionExpiration.NoncurrentDays"):
                if isinstance(days, int) and days < 1:
                    yield name, f"NoncurrentDays is {days}: S3 takes 1 and more"
            moves = [*listed(rule.get("Transitions")), *listed(rule.get("Transition"))]
            if any(move.get("StorageClass") in ARCHIVES for move in moves):
                yield name, "a lifecycle rule archives current objects, which nobody can read then"
        if bucket["Properties"].get("VersioningConfiguration", {}).get("Status") != "Enabled" and any(
            "NoncurrentVersionExpiration" in rule
            for rule in listed(bucket["Properties"].get("LifecycleConfiguration", {}).get("Rules"))
        ):
            yield name, "its lifecycle is of versions, and it keeps none: VersioningConfiguration"


def _shut(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield denials that hold for everybody: this project denies plain HTTP alone."""
    for name, resource in graph.resources.items():
        if str(resource.get("Type")).endswith(("BucketPolicy", "QueuePolicy", "TopicPolicy")):
            for place, statement in statements(resource.get("Properties", {})):
                condition: Any = statement.get("Condition", {})
                plain = (
                    isinstance(condition, Mapping)
                    and text_of(condition.get("Bool", {}).get("aws:SecureTransport")) == "false"
                )
                reaches = any(covers(str(one), use) for one in listed(statement.get("Action")) for use in USES)
                if statement.get("Effect") == "Deny" and reaches and not plain:
                    yield f"{name}.{place}", "denies more than plain HTTP: SageMaker and everybody else may be shut out"
        if resource.get("Type") == "AWS::KMS::Key":
            administrators = [
                statement
                for _, statement in statements(resource.get("Properties", {}))
                if statement.get("Effect") == "Allow"
                and "kms:*" in listed(statement.get("Action"))
                and ":root" in str(statement.get("Principal"))
            ]
            if not administrators:
                yield name, "nobody may administer the key: allow kms:* to the account's root"


def _let_in(graph: Graph, environment: Environment) -> Iterator[tuple[str, str]]:
    for lets in LETS:
        service = lets.service.format(region=environment.region)
        for name, user in graph.of_type(lets.user).items():
            for value in at(user["Properties"], lets.by):
                found = reference(value)
                if found is None or found.target not in graph.of_type(lets.type):
                    continue
                for action in lets.actions:
                    if not any(_allows(statement, service, action) for statement in _policy(found.target, lets, graph)):
                        yield found.target, f"{name} needs {service} to be allowed {action} there"


def _policy(name: str, lets: Lets, graph: Graph) -> Iterator[Mapping[str, Any]]:
    own, prop = lets.within
    if not own:
        yield from (statement for _, statement in statements(graph.resources[name].get("Properties", {})))
        return
    for policy in graph.of_type(own).values():
        if name in {found.target for found in references(policy["Properties"].get(prop))}:
            yield from (statement for _, statement in statements(policy["Properties"]))


def _allows(statement: Mapping[str, Any], service: str, action: str) -> bool:
    principal = statement.get("Principal")
    services = [text_of(one) for one in listed(principal.get("Service"))] if isinstance(principal, Mapping) else []
    covered = any(covers(str(one), action) for one in listed(statement.get("Action")))
    return statement.get("Effect") == "Allow" and service in services and covered
