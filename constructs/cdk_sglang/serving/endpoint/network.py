"""Which network an endpoint's instances join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.tokens import token_problem

if TYPE_CHECKING:
    from aws_cdk import aws_ec2 as ec2

_MIN_SUBNETS: Final = 2
"""Two subnets in different Availability Zones at least
(https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html)."""


@checked_fields
@dataclass(frozen=True, kw_only=True)
class EndpointNetwork:
    """Subnets and security groups of an endpoint.

    Args:
        subnet_ids: Two or more, in different Availability Zones. They need a route to S3 (a gateway endpoint is free).
        security_group_ids: One to five; they need no inbound rule, and 443 outbound to S3.
    """

    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        problems = [
            token_problem(f"network.{name}", "a list of known length, such as Fn.split(',', value, 2)")
            for name, ids in (("subnet_ids", self.subnet_ids), ("security_group_ids", self.security_group_ids))
            if any(item.startswith("#{Token[") for item in ids)  # a whole list that is one token
        ]
        if len(self.subnet_ids) < _MIN_SUBNETS and not problems:
            problems.append(
                Problem(
                    "network.subnet_ids",
                    f"got {len(self.subnet_ids)}; give {_MIN_SUBNETS} or more in different Availability Zones",
                )
            )
        if not self.security_group_ids:
            problems.append(Problem("network.security_group_ids", "got none; give one or more"))
        if problems:
            raise ConfigurationError(problems)

    @staticmethod
    @checked()
    def of(
        vpc: ec2.IVpc,
        *,
        subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup],
    ) -> EndpointNetwork:
        """Take subnets of a VPC.

        Args:
            vpc: The VPC.
            subnets: Which of its subnets; those without a route to the internet by default.
            security_groups: One or more.

        Raises:
            ConfigurationError: Fewer than two subnets were selected, or no security group given.
        """
        from aws_cdk import aws_ec2 as ec2  # noqa: PLC0415  a tenth of a second, for those who pass a VPC

        wanted = subnets or ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        selected = vpc.select_subnets(
            availability_zones=wanted.availability_zones,
            one_per_az=wanted.one_per_az,
            subnet_filters=wanted.subnet_filters,
            subnet_group_name=wanted.subnet_group_name,
            subnets=wanted.subnets,
            subnet_type=wanted.subnet_type,
        )
        return EndpointNetwork(
            subnet_ids=tuple(selected.subnet_ids),
            security_group_ids=tuple(group.security_group_id for group in security_groups),
        )

    def render(self) -> sagemaker.CfnEndpointConfig.VpcConfigProperty:
        """Return the VpcConfig of an endpoint config."""
        return sagemaker.CfnEndpointConfig.VpcConfigProperty(
            subnets=list(self.subnet_ids), security_group_ids=list(self.security_group_ids)
        )
