"""Application Auto Scaling of one component: its target with schedules, its policy, and the alarm and policy that wake it from zero.

The target has no role: Application Auto Scaling uses its service-linked role for SageMaker
(https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-service-linked-roles.html, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as autoscaling
from constructs import Construct

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.serving.alarms.alarms import make_alarm
from cdk_sglang.serving.alarms.metrics import INVOCATION_NAMESPACE
from cdk_sglang.serving.component.startup import pause_after_waking
from cdk_sglang.serving.scaling.actions import actions
from cdk_sglang.spec.scaling import ComponentScaling, Concurrency, InvocationsPerMinute, MetricMath

_DIMENSION: Final = "sagemaker:inference-component:DesiredCopyCount"
_NAMESPACE: Final = "sagemaker"
_CONCURRENCY: Final = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
_INVOCATIONS: Final = "SageMakerInferenceComponentInvocationsPerCopy"
"""Predefined metric: https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-add-code-define.html (read 2026-11)."""


@dataclass(frozen=True, kw_only=True)
class ScaledComponent:
    """The part of an inference component that its scaling needs.

    Args:
        scope: Parent of the scaling resources.
        name: Name of the inference component.
        resource: The component's resource, which must exist before its scaling target.
        instances: Instance types of its endpoint.
        weights_bytes: Size of the model if known; it determines how long a copy takes to start.
    """

    scope: Construct
    name: str
    resource: cdk.CfnResource
    instances: Sequence[GpuInstance]
    weights_bytes: float | None


def make_scaling(
    component: ScaledComponent, scaling: ComponentScaling, *, concurrency: float | None
) -> list[cdk.CfnResource]:
    """Create target, policy and, if there may be zero copies, the alarm and policy that wake the component.

    Args:
        component: The component whose copies are scaled.
        scaling: Bounds, target and schedules.
        concurrency: Requests in flight per copy, if the target is `Concurrency`.

    Returns:
        The resources, in the order of their creation.
    """
    low, high = scaling.own_bounds
    target = autoscaling.CfnScalableTarget(
        component.scope,
        "Copies",
        service_namespace=_NAMESPACE,
        scalable_dimension=_DIMENSION,
        resource_id=_resource_id(component),
        min_capacity=low,
        max_capacity=high,
        scheduled_actions=_scheduled(scaling) or None,
    )
    target.add_resource_dependency(component.resource)
    resources: list[cdk.CfnResource] = [target]
    if scaling.has_policy:
        policy = autoscaling.CfnScalingPolicy(
            component.scope,
            "Follow",
            policy_name=f"{component.name}-follow",
            policy_type="TargetTrackingScaling",
            service_namespace=_NAMESPACE,
            scalable_dimension=_DIMENSION,
            resource_id=_resource_id(component),
            target_tracking_scaling_policy_configuration=_tracking(component, scaling, concurrency),
        )
        policy.add_resource_dependency(target)
        resources.append(policy)
    if scaling.wakes:
        resources += _wake(component, target, after_seconds=scaling.wake_after_seconds)
    return resources


def _resource_id(component: ScaledComponent) -> str:
    return f"inference-component/{component.name}"


def _scheduled(scaling: ComponentScaling) -> list[autoscaling.CfnScalableTarget.ScheduledActionProperty]:
    return [
        autoscaling.CfnScalableTarget.ScheduledActionProperty(
            scheduled_action_name=action.name,
            schedule=action.schedule,
            timezone=scaling.time_zone,
            scalable_target_action=autoscaling.CfnScalableTarget.ScalableTargetActionProperty(
                min_capacity=action.bounds[0], max_capacity=action.bounds[1]
            ),
        )
        for action in actions(scaling.schedules.values(), scaling.own_bounds)
    ]


def _tracking(
    component: ScaledComponent, scaling: ComponentScaling, concurrency: float | None
) -> autoscaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty:
    cfn = autoscaling.CfnScalingPolicy
    predefined = custom = None
    match scaling.tracked:
        case Concurrency():
            assert concurrency is not None
            value = concurrency
            predefined = cfn.PredefinedMetricSpecificationProperty(predefined_metric_type=_CONCURRENCY)
        case InvocationsPerMinute(per_copy=value):
            predefined = cfn.PredefinedMetricSpecificationProperty(predefined_metric_type=_INVOCATIONS)
        case MetricMath() as math:
            value = math.target
            custom = cfn.CustomizedMetricSpecificationProperty(metrics=_queries(component.name, math))
    return cfn.TargetTrackingScalingPolicyConfigurationProperty(
        target_value=value,
        predefined_metric_specification=predefined,
        customized_metric_specification=custom,
        scale_out_cooldown=scaling.scale_out_cooldown_seconds,
        scale_in_cooldown=scaling.scale_in_cooldown_seconds,
    )


def _queries(
    component_name: str, math: MetricMath
) -> list[autoscaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty]:
    cfn = autoscaling.CfnScalingPolicy
    own = {"InferenceComponentName": component_name}
    queries = [
        cfn.TargetTrackingMetricDataQueryProperty(
            id=name,
            return_data=False,
            metric_stat=cfn.TargetTrackingMetricStatProperty(
                stat=metric.statistic,
                metric=cfn.TargetTrackingMetricProperty(
                    namespace=metric.namespace,
                    metric_name=metric.metric_name,
                    dimensions=[
                        cfn.TargetTrackingMetricDimensionProperty(name=key, value=value)
                        for key, value in (own if metric.dimensions is None else metric.dimensions).items()
                    ],
                ),
            ),
        )
        for name, metric in math.metrics.items()
    ]
    whole = cfn.TargetTrackingMetricDataQueryProperty(id="value", expression=math.expression, return_data=True)
    return [*queries, whole]


def _wake(component: ScaledComponent, target: cdk.CfnResource, *, after_seconds: int) -> list[cdk.CfnResource]:
    """Create the policy and the alarm that start the first copy: target tracking cannot, because zero copies have no concurrency to measure."""
    cfn = autoscaling.CfnScalingPolicy
    policy = autoscaling.CfnScalingPolicy(
        component.scope,
        "Wake",
        policy_name=f"{component.name}-wake",
        policy_type="StepScaling",
        service_namespace=_NAMESPACE,
        scalable_dimension=_DIMENSION,
        resource_id=_resource_id(component),
        step_scaling_policy_configuration=cfn.StepScalingPolicyConfigurationProperty(
            adjustment_type="ChangeInCapacity",
            metric_aggregation_type="Maximum",
            cooldown=pause_after_waking(component.weights_bytes, component.instances),
            step_adjustments=[
                cfn.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1),
            ],
        ),
    )
    policy.add_resource_dependency(target)
    alarm = make_alarm(
        component.scope,
        "Asleep",
        choice=None,
        description=(
            f"Somebody asked {component.name}, which has no copies: one is started. It is meant to happen; nobody has to act"
        ),
        namespace=INVOCATION_NAMESPACE,
        metric_name="NoCapacityInvocationFailures",
        dimensions={"InferenceComponentName": component.name},
        statistic="Sum",
        period_seconds=after_seconds,
        evaluation_periods=1,
        threshold=1,
        comparison="GreaterThanOrEqualToThreshold",
        actions=[policy.ref],
    )
    return [policy, alarm]
