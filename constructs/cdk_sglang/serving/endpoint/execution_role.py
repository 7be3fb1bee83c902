"""The role that an endpoint's instances and containers run with, limited to this endpoint."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.serving.endpoint.network import EndpointNetwork
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, inline_policy, wildcards
from cdk_sglang.serving.shared.own_policy import keep_rights_inside
from cdk_sglang.serving.shared.statements import allow_in_role

_NO_RESOURCE_TYPE: Final = (
    "ecr:GetAuthorizationToken, cloudwatch:PutMetricData (narrowed by cloudwatch:namespace) and EC2's Describe actions "
    "have no resource types: https://docs.aws.amazon.com/service-authorization/latest/reference/"
)
STREAMS: Final = "streams of the endpoint's own log groups; SageMaker chooses their names"
_INTERFACES: Final = (
    "SageMaker makes the network interfaces, whose ids are unknown beforehand; subnets and security groups are named: "
    "https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html"
)


def make_execution_role(
    scope: Construct,
    construct_id: str,
    *,
    log_group_arns: list[str],
    network: EndpointNetwork | None,
    author_role: iam.IRole | None = None,
) -> iam.IRole:
    """Create the execution role of an endpoint, or extend the author's; image and weights add their permissions when they are bound.

    Args:
        scope: The endpoint.
        construct_id: Id of the role.
        log_group_arns: ARNs of the endpoint's own log groups, without the trailing ":*"; components add theirs.
        network: Subnets and security groups that its instances join.
        author_role: The author's own role, which SageMaker must be able to assume; a new one by default.
    """
    stack = cdk.Stack.of(scope)
    streams = [f"{arn}:*" for arn in log_group_arns]
    accepted = []
    if network is not None:
        accepted.append(wildcards(scope, [_interfaces(stack)], _INTERFACES))
    accepted += [wildcards(scope, ["*"], _NO_RESOURCE_TYPE), wildcards(scope, streams, STREAMS), inline_policy()]
    role = _make_role(scope, construct_id, stack) if author_role is None else author_role
    for sid, statement in _statements(stack, streams, network).items():
        allow_in_role(scope, role, sid, statement)
    acknowledge_all(role, *accepted)
    return role


def _make_role(scope: Construct, construct_id: str, stack: cdk.Stack) -> iam.Role:
    role = iam.Role(
        scope,
        construct_id,
        description="Runs one SageMaker endpoint: its image, weights, logs and metrics",
        # The source ARN of hosting cannot name the endpoint; AWS prescribes the account-wide form:
        # https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
        assumed_by=iam.ServicePrincipal(
            "sagemaker.amazonaws.com",
            conditions={
                "StringEquals": {"aws:SourceAccount": stack.account},
                "ArnLike": {"aws:SourceArn": stack.format_arn(service="sagemaker", resource="*")},
            },
        ),
    )
    return keep_rights_inside(role, references=False)


def _statements(
    stack: cdk.Stack, streams: list[str], network: EndpointNetwork | None
) -> dict[str, iam.PolicyStatement]:
    """Return the permissions of every endpoint's role, by the sids that a role of the library uses."""
    allowed = {
        "WriteLogs": iam.PolicyStatement(actions=list(permissions.WRITE_LOGS), resources=streams),
        "PublishMetrics": iam.PolicyStatement(
            actions=list(permissions.PUBLISH_METRICS),
            resources=["*"],
            conditions={"StringEqualsIfExists": {"cloudwatch:namespace": list(permissions.METRIC_NAMESPACES)}},
        ),
    }
    return allowed if network is None else {**allowed, **_join(stack, network)}


def _interfaces(stack: cdk.Stack) -> str:
    return stack.format_arn(service="ec2", resource="network-interface", resource_name="*")


def _join(stack: cdk.Stack, network: EndpointNetwork) -> dict[str, iam.PolicyStatement]:
    def ec2(resource: str, name: str) -> str:
        return stack.format_arn(service="ec2", resource=resource, resource_name=name)

    return {
        "JoinNetwork": iam.PolicyStatement(
            actions=list(permissions.JOIN_NETWORK),
            resources=[
                *(ec2("subnet", subnet) for subnet in network.subnet_ids),
                *(ec2("security-group", group) for group in network.security_group_ids),
                _interfaces(stack),
            ],
        ),
        "DescribeNetwork": iam.PolicyStatement(actions=list(permissions.DESCRIBE_NETWORK), resources=["*"]),
    }
