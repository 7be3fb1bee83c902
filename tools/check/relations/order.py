"""Who needs whom first: an order that no reference implies has to be stated with `DependsOn`, or deployments race."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tools.check.graph import CONFIG, ENDPOINT, Graph, literal, reference, references

TARGET: Final = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY: Final = "AWS::ApplicationAutoScaling::ScalingPolicy"
COMPONENT: Final = "AWS::SageMaker::InferenceComponent"


@dataclass(frozen=True, kw_only=True)
class Order:
    """One resource needs another before it.

    Attributes:
        later: Type of the resource.
        earlier: Type of what it needs.
        by: Property of the later resource that names the earlier one.
        name: Property of the earlier resource with that name. Both empty: every resource of the earlier type is needed.
        prefix: Text before the name in the later resource's property.
        why: What fails otherwise.
    """

    later: str
    earlier: str
    by: str = ""
    name: str = ""
    prefix: str = ""
    why: str


ORDERS: Final = (
    Order(later=TARGET, earlier=COMPONENT, by="ResourceId", name="InferenceComponentName", prefix="inference-component/",
          why="a target is registered for a component that exists"),
    Order(later=POLICY, earlier=TARGET, by="ResourceId", name="ResourceId", why="a policy is put on a registered target"),
    Order(later=ENDPOINT, earlier="AWS::Logs::LogGroup", by="EndpointName", name="LogGroupName", prefix="/aws/sagemaker/Endpoints/",
          why="SageMaker makes the group itself otherwise, and the stack's then exists already"),
    Order(later=COMPONENT, earlier="AWS::Logs::LogGroup", by="InferenceComponentName", name="LogGroupName",
          prefix="/aws/sagemaker/InferenceComponents/",
          why="SageMaker makes the group itself otherwise, and the stack's then exists already"),
    Order(later="AWS::SageMaker::Model", earlier="Custom::CdkSglangWeights", why="an engine starts with weights that were looked at"),
    Order(later="Custom::CdkSglangTruth", earlier=COMPONENT, why="what is live is compared once everything is"),
    Order(later="Custom::CdkSglangTruth", earlier=POLICY, why="what is live is compared once everything is"),
    Order(later="Custom::CdkSglangTruth", earlier=TARGET, why="what is live is compared once everything is"),
    Order(later="Custom::CdkSglangEmptied", earlier="AWS::S3::BucketPolicy", by="Bucket", name="Bucket",
          why="its policy goes first when a bucket is emptied and deleted"),
    Order(later="AWS::BedrockAgentCore::GatewayTarget", earlier="AWS::Lambda::Permission", why="a gateway tries its tool when it is added"),
    Order(later="AWS::CloudWatch::OTelEnrichment", earlier="AWS::ObservabilityAdmin::TelemetryEnrichment",
          why="metrics are enriched once the account's telemetry is"),
)  # fmt: skip
"""Orders that AWS or this project asks for. Where a page says so: "you must register the target first" (Application Auto Scaling's
`PutScalingPolicy`), `DependsOn` for policies of roles (CloudFormation, DependsOn attribute); the rest is why this project states it."""

USERS: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS::Lambda::Function": ("Role",),
    "AWS::SageMaker::Model": ("ExecutionRoleArn",),
    CONFIG: ("ExecutionRoleArn",),
    "AWS::Scheduler::Schedule": ("Target", "RoleArn"),
    "AWS::StepFunctions::StateMachine": ("RoleArn",),
}
"""Types that use their role while they are made, or at once after, with the path of the role: they come after its policies.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-dependson.html, When a DependsOn attribute is required
(read 2026-11)."""


def findings(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield place and message of each order that neither a reference nor `DependsOn` states."""
    for order in ORDERS:
        for later, earlier in _pairs(order, graph):
            if not graph.comes_after(later, earlier):
                yield later, f"comes after {earlier}: {order.why}; state it with DependsOn"
    for resource_type, path in USERS.items():
        for name, resource in graph.of_type(resource_type).items():
            for policy in graph.policies.get(role_of(resource, path), ()):
                if graph.comes_after(policy, name):  # it lets a function call itself
                    yield from _callers(graph, name, policy)
                elif not graph.comes_after(name, policy):
                    yield name, f"comes after {policy}, the policy of its role; state it with DependsOn"
    yield from _watchers(graph)


def _callers(graph: Graph, function: str, policy: str) -> Iterator[tuple[str, str]]:
    """Yield custom resources that call a function before its role has a policy that comes after the function."""
    for name, resource in graph.resources.items():
        tokens = {found.target for found in references(resource.get("Properties", {}).get("ServiceToken"))}
        if function in tokens and not graph.comes_after(name, policy):
            yield name, f"comes after {policy}, a policy of the role of its function; state it with DependsOn"


def _watchers(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield alarms on a scaling policy that the comparison of what is live does not wait for."""
    for name, alarm in graph.of_type("AWS::CloudWatch::Alarm").items():
        acts = {found.target for found in references(alarm["Properties"].get("AlarmActions", []))}
        if acts & graph.of_type(POLICY).keys():
            for verification in graph.of_type("Custom::CdkSglangTruth"):
                if not graph.comes_after(verification, name):
                    yield verification, f"comes after {name}, which wakes copies; state it with DependsOn"


def _pairs(order: Order, graph: Graph) -> Iterator[tuple[str, str]]:
    for later, resource in graph.resources.items():
        if resource.get("Type") != order.later:
            continue
        named = resource.get("Properties", {}).get(order.by)
        for name, other in graph.resources.items():
            if other.get("Type") == order.earlier and (
                not order.by or _same(named, other.get("Properties", {}).get(order.name), order.prefix)
            ):
                yield later, name


def _same(named: object, own: object, prefix: str) -> bool:
    """Return whether two values are the same reference, or the same text with or without a prefix."""
    if reference(named) is not None:
        return named == own
    one, other = literal(named), literal(own)
    return one is not None and other is not None and one in {other, f"{prefix}{other}", other.removeprefix(prefix)}


def role_of(resource: Mapping[str, Any], path: tuple[str, ...]) -> str:
    """Return the logical id of the role at a path of a resource's properties; empty if it is of elsewhere."""
    value: Any = resource["Properties"]
    for part in path:
        value = value.get(part, {}) if isinstance(value, Mapping) else {}
    return next((found.target for found in references(value)), "")
