"""Which network an endpoint's instances join."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from aws_cdk import aws_sagemaker as sagemaker
from pydantic import PrivateAttr, Strict

from cdk_sglang.arguments import checked
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.kinds import Count
from cdk_sglang.spec.network import NetworkIds

if TYPE_CHECKING:
    from aws_cdk import aws_ec2 as ec2
    from constructs import Construct


class EndpointNetwork(NetworkIds):
    """Subnets and security groups of an endpoint, by id or from a VPC."""

    @classmethod
    @checked()
    def of(
        cls,
        vpc: ec2.IVpc,
        *,
        subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] = (),
    ) -> EndpointNetwork:
        """Return subnets of a VPC as a network.

        Args:
            vpc: The VPC.
            subnets: Selection of its subnets; by default those without a route to the internet, or private ones if there are none.
            security_groups: Up to five; by default the endpoint creates one that allows all outbound and no inbound traffic.

        Raises:
            ConfigurationError: Fewer than two subnets were selected, or the VPC has none of that kind.
        """
        return VpcNetwork.made_of(vpc, _subnet_ids(vpc, subnets), tuple(security_groups))

    def join(self, scope: Construct) -> EndpointNetwork:
        """Return the network with security groups; one is created if none was given.

        Args:
            scope: Construct that joins the network.
        """
        del scope
        return self

    def members(self, scope: Construct) -> Sequence[ec2.ISecurityGroup]:
        """Return the security groups as constructs.

        Args:
            scope: Construct that has joined the network, and parent of groups that are known by their ids.
        """
        from aws_cdk import aws_ec2 as ec2

        ids = enumerate(self.security_group_ids)
        return [ec2.SecurityGroup.from_security_group_id(scope, f"SecurityGroup{number}", one) for number, one in ids]


class VpcNetwork(EndpointNetwork):
    """Subnets of a VPC; created by `EndpointNetwork.of`."""

    security_group_ids: Annotated[tuple[str, ...], Strict(False), Count(0, 5, "security groups")] = ()
    """Up to five security groups; by default the construct that joins creates one."""

    _vpc: Any = PrivateAttr(None)
    _groups: tuple[Any, ...] = PrivateAttr(())

    @classmethod
    def made_of(cls, vpc: ec2.IVpc, subnet_ids: tuple[str, ...], groups: tuple[ec2.ISecurityGroup, ...]) -> VpcNetwork:
        """Return subnets of a VPC with security groups, as constructs."""
        ids = tuple(group.security_group_id for group in groups)
        network = cls(subnet_ids=subnet_ids, security_group_ids=ids)
        network._vpc, network._groups = vpc, groups
        return network

    def join(self, scope: Construct) -> EndpointNetwork:
        """Return the network with security groups; one is created if none was given.

        Args:
            scope: Construct that joins the network.
        """
        from aws_cdk import aws_ec2 as ec2

        if self._groups:
            return self
        group = ec2.SecurityGroup(scope, "SecurityGroup", vpc=self._vpc, description=f"Members of {scope.node.path}")
        return self.made_of(self._vpc, self.subnet_ids, (group,))

    def members(self, scope: Construct) -> Sequence[ec2.ISecurityGroup]:
        """Return the security groups as constructs.

        Args:
            scope: Construct that has joined the network.
        """
        del scope
        return self._groups


def chosen_network(network: EndpointNetwork | ec2.IVpc | None) -> EndpointNetwork | None:
    """Return a network unchanged, and a VPC as the network of its subnets."""
    return network if network is None or isinstance(network, EndpointNetwork) else EndpointNetwork.of(network)


def _subnet_ids(vpc: ec2.IVpc, subnets: ec2.SubnetSelection | None) -> tuple[str, ...]:
    from aws_cdk import aws_ec2 as ec2

    kinds = ec2.SubnetType
    isolated = subnets is None and bool(vpc.isolated_subnets)
    selection = subnets or ec2.SubnetSelection(
        subnet_type=kinds.PRIVATE_ISOLATED if isolated else kinds.PRIVATE_WITH_EGRESS
    )
    try:
        selected = vpc.select_subnets(
            availability_zones=selection.availability_zones,
            one_per_az=selection.one_per_az,
            subnet_filters=selection.subnet_filters,
            subnet_group_name=selection.subnet_group_name,
            subnets=selection.subnets,
            subnet_type=selection.subnet_type,
        )
    except RuntimeError as error:
        text = str(error).partition("\n")[0].partition(": ")[2] or str(error)
        raise ConfigurationError(
            [
                Problem(
                    "network.subnets", f"{text.rstrip('.')}; name subnets of the VPC with subnets=SubnetSelection(...)"
                )
            ]
        ) from None
    return tuple(selected.subnet_ids)


def render_network(network: NetworkIds) -> sagemaker.CfnEndpointConfig.VpcConfigProperty:
    """Return VpcConfig of an endpoint config."""
    return sagemaker.CfnEndpointConfig.VpcConfigProperty(
        subnets=list(network.subnet_ids), security_group_ids=list(network.security_group_ids)
    )
