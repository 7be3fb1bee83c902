"""Which network an endpoint joins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Match, Template

from cdk_sglang import ConfigurationError, EndpointNetwork, InferenceComponent, InferenceEndpoint
from tests.support.policies import policies_of

SUBNETS = ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1")
GROUPS = ("sg-0123456789abcdef0",)


def test_rejects_one_subnet_and_no_group_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        EndpointNetwork(subnet_ids=SUBNETS[:1], security_group_ids=())
    assert error.value.problems == (
        "network.subnet_ids: takes 2 to 16 subnets, got 1; change the list",
        "network.security_group_ids: takes 1 to 5 security groups, got 0; change the list",
    )


def test_a_list_of_unknown_length_is_told_apart_from_one_subnet(stack: cdk.Stack) -> None:
    subnets = cdk.CfnParameter(stack, "Subnets", type="List<AWS::EC2::Subnet::Id>").value_as_list
    with pytest.raises(ConfigurationError) as error:
        EndpointNetwork(subnet_ids=tuple(subnets), security_group_ids=GROUPS)
    assert error.value.problems == (
        (
            "network.subnet_ids: must be known at synth, got a token; "
            "give a list of known length, such as Fn.split(',', value, 2)"
        ),
    )


def test_ids_known_only_at_deployment_are_fine(
    any_endpoint: Callable[..., InferenceEndpoint], stack: cdk.Stack
) -> None:
    ids = cdk.Fn.split(",", cdk.CfnParameter(stack, "Subnets").value_as_string, 2)
    any_endpoint(network=EndpointNetwork(subnet_ids=tuple(ids), security_group_ids=GROUPS))
    config = next(iter(Template.from_stack(stack).find_resources("AWS::SageMaker::EndpointConfig").values()))
    assert config["Properties"]["VpcConfig"]["Subnets"] == [
        {"Fn::Select": [index, {"Fn::Split": [",", {"Ref": "Subnets"}]}]} for index in (0, 1)
    ]


def test_isolated_subnets_of_a_vpc_are_taken_by_default(stack: cdk.Stack) -> None:
    vpc = ec2.Vpc(
        stack,
        "Vpc",
        availability_zones=["us-east-1a", "us-east-1b"],
        nat_gateways=0,
        subnet_configuration=[
            ec2.SubnetConfiguration(name="In", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            ec2.SubnetConfiguration(name="Out", subnet_type=ec2.SubnetType.PUBLIC),
        ],
    )
    group = ec2.SecurityGroup(stack, "Group", vpc=vpc)
    network = EndpointNetwork.of(vpc, security_groups=[group])
    assert network.subnet_ids == tuple(subnet.subnet_id for subnet in vpc.isolated_subnets)
    assert network.security_group_ids == (group.security_group_id,)
    public = EndpointNetwork.of(
        vpc, subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC), security_groups=[group]
    )
    assert public.subnet_ids == tuple(subnet.subnet_id for subnet in vpc.public_subnets)


def test_endpoint_models_and_role_get_the_same_network(
    any_endpoint: Callable[..., InferenceEndpoint],
    any_component: Callable[..., InferenceComponent],
    stack: cdk.Stack,
) -> None:
    any_component(endpoint=any_endpoint(network=EndpointNetwork(subnet_ids=SUBNETS, security_group_ids=GROUPS)))
    template = Template.from_stack(stack)
    network = {"VpcConfig": {"Subnets": list(SUBNETS), "SecurityGroupIds": list(GROUPS)}}
    template.has_resource_properties("AWS::SageMaker::EndpointConfig", network)
    template.has_resource_properties("AWS::SageMaker::Model", network)
    prefix = ["arn:", {"Ref": "AWS::Partition"}]

    def arn(what: str) -> dict[str, object]:
        return {"Fn::Join": ["", [*prefix, f":ec2:us-east-1:111122223333:{what}"]]}

    statements = {
        statement["Sid"]: statement["Resource"]
        for policy in policies_of(template).values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "Sid" in statement
    }
    assert statements["JoinNetwork"] == [
        *(arn(f"subnet/{subnet}") for subnet in SUBNETS),
        *(arn(f"security-group/{group}") for group in GROUPS),
        arn("network-interface/*"),
    ]
    assert statements["DescribeNetwork"] == "*"


def test_without_a_network_the_role_may_touch_none(chat: Template) -> None:
    assert "ec2:" not in str(chat.to_json())
    assert "VpcConfig" not in str(chat.to_json())


class TestAVpcAlone:
    def _vpc(self, stack: cdk.Stack, *kinds: ec2.SubnetType) -> ec2.Vpc:
        return ec2.Vpc(
            stack,
            "Vpc",
            availability_zones=["us-east-1a", "us-east-1b"],
            nat_gateways=1 if ec2.SubnetType.PRIVATE_WITH_EGRESS in kinds else 0,
            subnet_configuration=[ec2.SubnetConfiguration(name=kind.name, subnet_type=kind) for kind in kinds],
        )

    def _config(self, stack: cdk.Stack) -> Any:
        ((_, config),) = Template.from_stack(stack).find_resources("AWS::SageMaker::EndpointConfig").items()
        return config["Properties"]["VpcConfig"]

    def test_is_joined_with_a_security_group_of_the_endpoint(
        self, any_endpoint: Callable[..., InferenceEndpoint], stack: cdk.Stack
    ) -> None:
        vpc = self._vpc(stack, ec2.SubnetType.PRIVATE_ISOLATED)
        any_endpoint(network=vpc)
        any_endpoint("Code", network=EndpointNetwork.of(vpc))
        groups = Template.from_stack(stack).find_resources("AWS::EC2::SecurityGroup")
        assert {group["Properties"]["GroupDescription"] for group in groups.values()} == {
            "Members of Fleet/Chat",
            "Members of Fleet/Code",
        }
        configs = Template.from_stack(stack).find_resources("AWS::SageMaker::EndpointConfig").values()
        used = [config["Properties"]["VpcConfig"]["SecurityGroupIds"] for config in configs]
        assert {group["Fn::GetAtt"][0] for (group,) in used} == set(groups)

    def test_is_joined_in_its_private_subnets_where_none_is_isolated(
        self, any_endpoint: Callable[..., InferenceEndpoint], stack: cdk.Stack
    ) -> None:
        vpc = self._vpc(stack, ec2.SubnetType.PUBLIC, ec2.SubnetType.PRIVATE_WITH_EGRESS)
        any_endpoint(network=vpc)
        assert self._config(stack)["Subnets"] == [stack.resolve(one.subnet_id) for one in vpc.private_subnets]

    def test_without_private_subnets_says_what_to_name(
        self, any_endpoint: Callable[..., InferenceEndpoint], stack: cdk.Stack
    ) -> None:
        with pytest.raises(ConfigurationError) as error:
            any_endpoint(network=self._vpc(stack, ec2.SubnetType.PUBLIC))
        (problem,) = error.value.problems
        assert problem.startswith("network.subnets: There are no 'Private' subnet groups in this VPC.")
        assert problem.endswith("name subnets of the VPC with subnets=SubnetSelection(...)")
        assert stack.node.try_find_child("Chat") is None

    def test_lets_other_constructs_connect(
        self, any_endpoint: Callable[..., InferenceEndpoint], stack: cdk.Stack
    ) -> None:
        vpc = self._vpc(stack, ec2.SubnetType.PRIVATE_ISOLATED)
        endpoint = any_endpoint(network=vpc)
        gateway = vpc.add_interface_endpoint("Logs", service=ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS)
        gateway.connections.allow_from(endpoint, ec2.Port.tcp(8443))
        Template.from_stack(stack).has_resource_properties(
            "AWS::EC2::SecurityGroupIngress",
            {"FromPort": 8443, "SourceSecurityGroupId": {"Fn::GetAtt": [Match.string_like_regexp("^Chat"), "GroupId"]}},
        )

    def test_groups_known_by_id_connect_too(
        self, any_endpoint: Callable[..., InferenceEndpoint], stack: cdk.Stack
    ) -> None:
        endpoint = any_endpoint(network=EndpointNetwork(subnet_ids=SUBNETS, security_group_ids=GROUPS))
        endpoint.connections.allow_from(ec2.Peer.ipv4("10.0.0.0/8"), ec2.Port.tcp(443))
        endpoint.connections.allow_from(ec2.Peer.ipv4("10.0.0.0/8"), ec2.Port.tcp(8443))
        ingress = Template.from_stack(stack).find_resources("AWS::EC2::SecurityGroupIngress").values()
        assert [rule["Properties"]["GroupId"] for rule in ingress] == list(GROUPS) * 2

    def test_sagemakers_own_network_has_no_connections(self, any_endpoint: Callable[..., InferenceEndpoint]) -> None:
        with pytest.raises(ConfigurationError) as error:
            _ = any_endpoint().connections
        assert str(error.value) == (
            "Chat.network: missing: the instances are in SageMaker's own network; give a VPC, or EndpointNetwork.of(...)"
        )
