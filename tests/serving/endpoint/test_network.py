"""Which network an endpoint joins."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Match, Template

from cdk_sglang import ConfigurationError, EndpointNetwork, InferenceComponent, InferenceEndpoint

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

    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        Match.object_like(
                            {
                                "Sid": "JoinNetwork",
                                "Resource": [
                                    *(arn(f"subnet/{subnet}") for subnet in SUBNETS),
                                    *(arn(f"security-group/{group}") for group in GROUPS),
                                    arn("network-interface/*"),
                                ],
                            }
                        ),
                        Match.object_like({"Sid": "DescribeNetwork", "Resource": "*"}),
                    ]
                )
            }
        },
    )


def test_without_a_network_the_role_may_touch_none(chat: Template) -> None:
    assert "ec2:" not in str(chat.to_json())
    assert "VpcConfig" not in str(chat.to_json())
