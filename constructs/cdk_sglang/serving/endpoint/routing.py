"""Routing as a CloudFormation property."""

from __future__ import annotations

from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.spec.routing import PrefixAwareRouting, Routing


def render_routing(routing: Routing) -> sagemaker.CfnEndpointConfig.RoutingConfigProperty:
    """Return RoutingConfig of a production variant."""
    cfn = sagemaker.CfnEndpointConfig
    if not isinstance(routing, PrefixAwareRouting):
        return cfn.RoutingConfigProperty(routing_strategy="LEAST_OUTSTANDING_REQUESTS")
    return cfn.RoutingConfigProperty(
        routing_strategy="PREFIX_AWARE",
        prefix_aware_routing_config=cfn.PrefixAwareRoutingConfigProperty(
            prefix_length=routing.prefix.prefix_length, concurrency_threshold=routing.prefix.concurrency_threshold
        ),
    )
