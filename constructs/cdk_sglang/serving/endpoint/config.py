"""The configuration of an endpoint: instances and their bounds, AMI, routing, network, metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk_sglang.metrics.classic import VARIANT_NAME
from cdk_sglang.planning.amis import chosen_ami
from cdk_sglang.serving.capacity.rendering import (
    PROVISION_TIMEOUT_SECONDS,
    render_pools,
    render_reservation,
    render_scale_in,
)
from cdk_sglang.serving.endpoint.network import render_network
from cdk_sglang.serving.endpoint.options import EndpointOptions
from cdk_sglang.serving.endpoint.routing import render_routing
from cdk_sglang.serving.shared.acknowledge import acknowledge, in_packs
from cdk_sglang.serving.shared.lazies import lazy_number

if TYPE_CHECKING:
    from cdk_sglang.serving.capacity.reservation import ReservationGuard

_NO_KEY_ON_NVME: Final = (
    "CreateEndpointConfig refuses KmsKeyId for instance types with local storage, and every GPU type of this library has NVMe, "
    "which the hardware encrypts itself: "
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html"
)


@dataclass(frozen=True, kw_only=True)
class ConfiguredEndpoint:
    """An endpoint as its configuration needs it.

    Attributes:
        options: What the author chose.
        role: Execution role.
        role_arn: ARN of the role.
        least_instances: Returns, at synth, the number of instances that run regardless of load.
        guard: Guard of the reservation; None for on-demand instances.
    """

    options: EndpointOptions
    role: iam.IRole
    role_arn: str
    least_instances: Callable[[], int]
    guard: ReservationGuard | None


def make_config(scope: Construct, endpoint: ConfiguredEndpoint) -> sagemaker.CfnEndpointConfig:
    """Create the endpoint's configuration; a change that SageMaker cannot apply to an existing one creates another."""
    cfn = sagemaker.CfnEndpointConfig
    options, variant = endpoint.options, _variant(endpoint)
    network = None if options.network is None else render_network(options.network)
    # No name: replacing a config under the same name would leave the endpoint unchanged.
    config = sagemaker.CfnEndpointConfig(
        scope,
        "Config",
        execution_role_arn=endpoint.role_arn,
        enable_network_isolation=options.network_isolation,
        vpc_config=network,
        production_variants=[variant],
        metrics_config=cfn.MetricsConfigProperty(
            enable_enhanced_metrics=True,
            enable_detailed_observability=True,
            metric_publish_frequency_in_seconds=options.metric_frequency_seconds,
        ),
    )
    config.node.add_dependency(endpoint.role)
    if endpoint.guard is not None:
        values = [variant, options.network_isolation, network, options.metric_frequency_seconds]
        config.node.add_dependency(endpoint.guard.check(cdk.Stack.of(scope).resolve(values)))
    acknowledge(config, in_packs("SageMakerEndpointConfigurationKMSKeyConfigured"), _NO_KEY_ON_NVME)
    return config


def _variant(endpoint: ConfiguredEndpoint) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
    cfn = sagemaker.CfnEndpointConfig
    options, capacity = endpoint.options, endpoint.options.hosting.capacity
    return cfn.ProductionVariantProperty(
        variant_name=VARIANT_NAME,
        instance_type=None if capacity.is_pool else capacity.instances[0].name,
        instance_pools=render_pools(capacity),
        variant_instance_provision_timeout_in_seconds=PROVISION_TIMEOUT_SECONDS if capacity.is_pool else None,
        initial_instance_count=capacity.initial_instances,
        inference_ami_version=options.inference_ami or chosen_ami(capacity, options.image.facts),
        managed_instance_scaling=cfn.ManagedInstanceScalingProperty(
            status="ENABLED",
            min_instance_count=lazy_number(endpoint.least_instances),
            max_instance_count=capacity.max_instances,
            scale_in_policy=render_scale_in(capacity.scale_in),
        ),
        capacity_reservation_config=render_reservation(capacity),
        routing_config=render_routing(options.routing),
    )
