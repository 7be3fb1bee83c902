"""The network of an environment for stacks other than the foundation: by ids, which the foundation publishes if it creates the network."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk

from cdk_sglang import EndpointNetwork
from cdk_sglang.environments.settings import Network


def endpoint_network(network: Network, read: Callable[[str], str]) -> EndpointNetwork | None:
    """Return subnets and security groups; None for SageMaker's own network.

    Args:
        network: The environment's network.
        read: Returns a value of the foundation by its name.
    """
    match network.vpc:
        case "none":
            return None
        case "existing":
            return EndpointNetwork(
                subnet_ids=network.subnet_ids or (), security_group_ids=network.security_group_ids or ()
            )
        case "create":
            zones = len(network.availability_zones or ("first", "second"))
            subnets = cdk.Fn.split(",", read("subnet-ids"), zones)
            return EndpointNetwork(subnet_ids=tuple(subnets), security_group_ids=(read("security-group-id"),))
