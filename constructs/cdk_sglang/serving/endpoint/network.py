"""Which network an endpoint's instances join."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.arguments import checked
from cdk_sglang.spec.network import NetworkIds

if TYPE_CHECKING:
    from aws_cdk import aws_ec2 as ec2


class EndpointNetwork(NetworkIds):
    """Subnets and security groups of an endpoint, by id or of a VPC."""

    @classmethod
    @checked()
    def of(
        cls,
        vpc: ec2.IVpc,
        *,
        subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup],
    ) -> EndpointNetwork:
        """Take subnets of a VPC.

        Args:
            vpc: The VPC.
            subnets: Which of its subnets; those without a route to the internet by default.
            security_groups: One to five.

        Raises:
            ConfigurationError: Fewer than two subnets were selected, or no security group was given.
        """
        from aws_cdk import aws_ec2 as ec2

        selection = subnets or ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        selected = vpc.select_subnets(
            availability_zones=selection.availability_zones,
            one_per_az=selection.one_per_az,
            subnet_filters=selection.subnet_filters,
            subnet_group_name=selection.subnet_group_name,
            subnets=selection.subnets,
            subnet_type=selection.subnet_type,
        )
        return cls(
            subnet_ids=tuple(selected.subnet_ids),
            security_group_ids=tuple(group.security_group_id for group in security_groups),
        )


def render_network(network: NetworkIds) -> sagemaker.CfnEndpointConfig.VpcConfigProperty:
    """Return VpcConfig of an endpoint config."""
    return sagemaker.CfnEndpointConfig.VpcConfigProperty(
        subnets=list(network.subnet_ids), security_group_ids=list(network.security_group_ids)
    )
