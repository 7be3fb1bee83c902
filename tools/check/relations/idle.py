"""What nothing uses: a resource that does nothing by itself, and that a wrong reference has left alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tools.check.graph import Graph, references
from tools.check.template_text import text_of

_POLICIES: Final = (
    "AWS::IAM::Policy",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
)
"""Types that say who may use a resource, and do not use it."""

USED: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS::BedrockAgentCore::Gateway": _POLICIES,
    "AWS::DynamoDB::Table": (*_POLICIES, "AWS::IAM::Role"),
    "AWS::EC2::RouteTable": ("AWS::EC2::VPCEndpoint",),
    "AWS::EC2::SecurityGroup": ("AWS::EC2::SecurityGroupIngress",),
    "AWS::EC2::Subnet": (),
    "AWS::EC2::VPC": (),
    "AWS::ECR::Repository": (*_POLICIES, "AWS::IAM::Role"),
    "AWS::IAM::Role": _POLICIES,
    "AWS::KMS::Key": (*_POLICIES, "AWS::IAM::Role"),
    "AWS::Lambda::Function": (*_POLICIES, "AWS::IAM::Role"),
    "AWS::S3::Bucket": (*_POLICIES, "AWS::IAM::Role", "Custom::CdkSglangEmptied"),
    "AWS::SNS::Topic": (*_POLICIES, "AWS::IAM::Role"),
    "AWS::SQS::Queue": (*_POLICIES, "AWS::IAM::Role"),
    "AWS::SageMaker::EndpointConfig": (),
    "AWS::SageMaker::Model": ("Custom::CdkSglangCopies",),
    "AWS::StepFunctions::StateMachine": (*_POLICIES, "AWS::IAM::Role"),
    "Custom::CdkSglangCopies": (),
}
"""Types that something has to refer to, and those whose references do not count."""

_ALARM: Final = "AWS::CloudWatch::Alarm"
_COMPOSITE: Final = "AWS::CloudWatch::CompositeAlarm"
_ACTIONS: Final = ("AlarmActions", "OKActions", "InsufficientDataActions")
_SERVICE_NAMED: Final = "/aws/"


def findings(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield place and message of each resource that nothing in the template uses."""
    for resource_type, without in USED.items():
        for name in graph.of_type(resource_type):
            users = graph.users[name] - {name}
            if not any(graph.resources[user].get("Type") not in without for user in users):
                yield name, f"nothing uses this {resource_type}: what should refer to it refers elsewhere"
    for name, group in graph.of_type("AWS::Logs::LogGroup").items():
        own = text_of(group["Properties"].get("LogGroupName", ""))
        others = {
            one for one in graph.users[name] if not str(graph.resources[one].get("Type")).startswith("AWS::IAM::")
        }
        if not own.startswith(_SERVICE_NAMED) and not _writers(others, graph):
            yield name, "nothing writes to this log group: what should refer to it refers elsewhere"
    yield from _silent(graph)


def _writers(users: set[str], graph: Graph) -> set[str]:
    kinds = ("AWS::Logs::MetricFilter", "AWS::Logs::QueryDefinition")
    return {user for user in users if graph.resources[user].get("Type") not in kinds}


def _silent(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield alarms that nobody hears of: no action, no other alarm, no rollback and no suppression looks at them; and those that tell half."""
    alarms = {**graph.of_type(_ALARM), **graph.of_type(_COMPOSITE)}
    if not any(alarm["Properties"].get(key) for alarm in alarms.values() for key in _ACTIONS):
        return  # an environment without a topic shows its alarms alone
    for name, alarm in alarms.items():
        properties: Mapping[str, Any] = alarm["Properties"]
        acts = [key for key in _ACTIONS if properties.get(key)]
        named = properties.get("AlarmName")
        users = {
            user for user in graph.users[name] if not str(graph.resources[user].get("Type")).startswith("Custom::")
        }
        texts = [str(other["Properties"].get("AlarmRule")) for other in graph.of_type(_COMPOSITE).values()]
        if not acts and not users and not any(str(named) in text for text in texts if named):
            yield name, "nobody hears of this alarm: no action, no composite alarm and no rollback takes it"
        notified = {found.target for found in references(properties.get("AlarmActions", []))}
        ended = {found.target for found in references(properties.get("OKActions", []))}
        if properties.get("OKActions") and not notified:
            yield name, "tells that it is over, and never that it began: AlarmActions"
        if alarm.get("Type") == _COMPOSITE and notified and not ended:
            yield name, "tells that it began, and never that it is over: OKActions"
