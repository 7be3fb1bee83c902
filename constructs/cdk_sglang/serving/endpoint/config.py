"""The configuration of an endpoint: instances and their bounds, AMI, routing, network, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.serving.capacity.rendering import (
    PROVISION_TIMEOUT_SECONDS,
    render_pools,
    render_reservation,
    render_scale_in,
)
from cdk_sglang.serving.endpoint.checks import chosen_ami
from cdk_sglang.serving.endpoint.network import render_network
from cdk_sglang.serving.endpoint.routing import render_routing
from cdk_sglang.serving.shared.acknowledge import acknowledge, in_packs
from cdk_sglang.spec.routing import Routing

if TYPE_CHECKING:
    from cdk_sglang.serving.capacity.reservation import ReservationGuard
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint

VARIANT_NAME: Final = "AllTraffic"
"""One variant per endpoint: rolling updates of an endpoint are refused with more than one
(https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html)."""

_NO_KEY_ON_NVME: Final = (
    "CreateEndpointConfig refuses KmsKeyId for instance types with local storage, and every GPU type of this library has NVMe, "
    "which the hardware encrypts itself: "
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html"
)


@jsii.implements(cdk.IStableNumberProducer)
class _Number:
    """A number that is known when the app is synthesised."""

    def __init__(self, produce: Callable[[], int]) -> None:
        self._produce = produce

    def produce(self) -> int:
        return self._produce()


def make_config(
    endpoint: InferenceEndpoint,
    *,
    routing: Routing,
    inference_ami: str | None,
    metric_frequency_seconds: int,
    role_arn: str,
    guard: ReservationGuard | None,
) -> sagemaker.CfnEndpointConfig:
    """Create the endpoint's configuration; what cannot be changed in one makes a new one."""
    cfn = sagemaker.CfnEndpointConfig
    capacity = endpoint.capacity
    ami = inference_ami or chosen_ami(capacity, endpoint.image.facts)
    variant = cfn.ProductionVariantProperty(
        variant_name=VARIANT_NAME,
        instance_type=None if capacity.is_pool else capacity.instances[0].name,
        instance_pools=render_pools(capacity),
        variant_instance_provision_timeout_in_seconds=PROVISION_TIMEOUT_SECONDS if capacity.is_pool else None,
        initial_instance_count=capacity.initial_instances,
        inference_ami_version=ami,
        managed_instance_scaling=cfn.ManagedInstanceScalingProperty(
            status="ENABLED",
            min_instance_count=cdk.Lazy.number(_Number(endpoint.least_instances)),
            max_instance_count=capacity.max_instances,
            scale_in_policy=render_scale_in(capacity.scale_in),
        ),
        capacity_reservation_config=render_reservation(capacity),
        routing_config=render_routing(routing),
    )
    network = None if endpoint.network is None else render_network(endpoint.network)
    # No name: a config that is replaced under the same name would leave the endpoint as it was.
    config = sagemaker.CfnEndpointConfig(
        endpoint,
        "Config",
        execution_role_arn=role_arn,
        enable_network_isolation=endpoint.network_isolation,
        vpc_config=network,
        production_variants=[variant],
        metrics_config=cfn.MetricsConfigProperty(
            enable_enhanced_metrics=True,
            enable_detailed_observability=True,
            metric_publish_frequency_in_seconds=metric_frequency_seconds,
        ),
    )
    config.node.add_dependency(endpoint.role)
    if guard is not None:
        said = cdk.Stack.of(endpoint).resolve([variant, endpoint.network_isolation, network, metric_frequency_seconds])
        config.node.add_dependency(guard.check(said))
    acknowledge(config, in_packs("SageMakerEndpointConfigurationKMSKeyConfigured"), _NO_KEY_ON_NVME)
    return config
