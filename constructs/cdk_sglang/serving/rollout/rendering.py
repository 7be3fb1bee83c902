"""Render rollouts as properties of CloudFormation resources.

A policy applies only to updates: `CreateInferenceComponent` does not accept one (botocore 1.44.5), and CloudFormation, which offers the
property for both, sends it only with updates. Its alarms exist from the first deployment on, because the first update needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.spec.endpoint_rollout import EndpointRollout
from cdk_sglang.spec.rollout import BatchSize, ComponentRollout

_TRAFFIC_ROUTING: Final = {"all_at_once": "ALL_AT_ONCE", "canary": "CANARY", "linear": "LINEAR"}


def render_component_rollout(
    rollout: ComponentRollout, alarm_names: Sequence[str]
) -> sagemaker.CfnInferenceComponent.InferenceComponentDeploymentConfigProperty:
    """Return the deployment configuration of a component.

    Args:
        rollout: How a new version reaches the copies.
        alarm_names: Names of the alarms that trigger a rollback.
    """
    cfn = sagemaker.CfnInferenceComponent
    return cfn.InferenceComponentDeploymentConfigProperty(
        rolling_update_policy=cfn.InferenceComponentRollingUpdatePolicyProperty(
            maximum_batch_size=_batch(rollout.max_batch),
            wait_interval_in_seconds=rollout.wait_seconds,
            rollback_maximum_batch_size=None if rollout.rollback_batch is None else _batch(rollout.rollback_batch),
            maximum_execution_timeout_in_seconds=rollout.timeout_seconds,
        ),
        auto_rollback_configuration=cfn.AutoRollbackConfigurationProperty(
            alarms=[cfn.AlarmProperty(alarm_name=name) for name in alarm_names]
        ),
    )


def render_endpoint_rollout(
    rollout: EndpointRollout, alarm_names: Sequence[str]
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    """Return the deployment configuration of an endpoint.

    Args:
        rollout: How a new configuration reaches the instances.
        alarm_names: Names of the alarms that trigger a rollback.
    """
    cfn = sagemaker.CfnEndpoint
    rollback = cfn.AutoRollbackConfigProperty(alarms=[cfn.AlarmProperty(alarm_name=name) for name in alarm_names])
    step = _share(rollout.percent)
    if rollout.strategy == "rolling":
        assert step is not None
        return cfn.DeploymentConfigProperty(
            rolling_update_policy=cfn.RollingUpdatePolicyProperty(
                maximum_batch_size=step,
                wait_interval_in_seconds=rollout.wait_seconds,
                rollback_maximum_batch_size=_share(rollout.rollback_percent),
                maximum_execution_timeout_in_seconds=rollout.timeout_seconds,
            ),
            auto_rollback_configuration=rollback,
        )
    return cfn.DeploymentConfigProperty(
        blue_green_update_policy=cfn.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=cfn.TrafficRoutingConfigProperty(
                type=_TRAFFIC_ROUTING[rollout.strategy],
                wait_interval_in_seconds=rollout.wait_seconds,
                canary_size=step if rollout.strategy == "canary" else None,
                linear_step_size=step if rollout.strategy == "linear" else None,
            ),
            termination_wait_in_seconds=rollout.termination_wait_seconds or 0,
            maximum_execution_timeout_in_seconds=rollout.timeout_seconds,
        ),
        auto_rollback_configuration=rollback,
    )


def _batch(size: BatchSize) -> sagemaker.CfnInferenceComponent.InferenceComponentCapacitySizeProperty:
    cfn = sagemaker.CfnInferenceComponent
    if size.copies_value is not None:
        return cfn.InferenceComponentCapacitySizeProperty(type="COPY_COUNT", value=size.copies_value)
    assert size.percent_value is not None
    return cfn.InferenceComponentCapacitySizeProperty(type="CAPACITY_PERCENT", value=size.percent_value)


def _share(percent: int | None) -> sagemaker.CfnEndpoint.CapacitySizeProperty | None:
    if percent is None:
        return None
    return sagemaker.CfnEndpoint.CapacitySizeProperty(type="CAPACITY_PERCENT", value=percent)
