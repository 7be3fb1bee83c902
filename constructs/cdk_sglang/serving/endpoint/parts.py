"""Parts of an endpoint: role, image, configuration, logs, alarms, verification, and the endpoint resource itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.metrics.classic import VARIANT_NAME
from cdk_sglang.serving.alarms.choice import warn_of_silence
from cdk_sglang.serving.alarms.idle_alarm import make_idle_alarm
from cdk_sglang.serving.component.context import EndpointContext, ModelScopes
from cdk_sglang.serving.component.waiting import Waiting
from cdk_sglang.serving.endpoint.config import ConfiguredEndpoint, make_config
from cdk_sglang.serving.endpoint.execution_role import STREAMS, make_execution_role
from cdk_sglang.serving.endpoint.invocable import InvocableEndpoint
from cdk_sglang.serving.endpoint.options import EndpointOptions
from cdk_sglang.serving.rollout.alarm_reader import AlarmReader
from cdk_sglang.serving.rollout.rendering import render_endpoint_rollout
from cdk_sglang.serving.rollout.rollback_alarms import make_rollback_alarms
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.helper_functions import warn_of_shared_logs
from cdk_sglang.serving.shared.late_access import LateAccess
from cdk_sglang.serving.shared.log_keys import warn_of_foreign_log_key
from cdk_sglang.serving.shared.logs import COMPONENT_LOG_PREFIX, ENDPOINT_LOG_PREFIX, log_group_arns, make_log_group
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.singletons import FoundSingletons
from cdk_sglang.serving.shared.taken_names import TakenNames
from cdk_sglang.serving.verification.endpoint_check import EndpointVerification, VerifiedEndpoint
from cdk_sglang.serving.weights.access import WeightsAccess

if TYPE_CHECKING:  # what not every endpoint has is loaded with the first that has it
    from aws_cdk import aws_cloudwatch as cloudwatch

    from cdk_sglang.serving.capacity.reservation import ReservationGuard


@dataclass(frozen=True, kw_only=True)
class EndpointParts:
    """The parts of an endpoint.

    Attributes:
        config: Configuration of the endpoint.
        resource: The endpoint.
        idle_alarm: Alarm on idle GPUs.
        context: The endpoint as its components need it.
    """

    config: sagemaker.CfnEndpointConfig
    resource: sagemaker.CfnEndpoint
    idle_alarm: cloudwatch.CfnAlarm
    context: EndpointContext


def make_parts(
    endpoint: InvocableEndpoint,
    options: EndpointOptions,
    *,
    arns: SageMakerArns,
    names: TakenNames,
    least_instances: Callable[[], int],
) -> EndpointParts:
    """Create the parts of an endpoint.

    Args:
        endpoint: The endpoint, without parts.
        options: What the author chose.
        arns: ARNs of the stack's account and Region.
        names: Names that the account and Region have already.
        least_instances: Returns, at synth, the number of instances that run regardless of load.
    """
    if options.network is not None:
        options = replace(options, network=options.network.join(endpoint))
    name, log_options, stack = endpoint.endpoint_name, options.log_options, cdk.Stack.of(endpoint)
    endpoint_logs_arn, component_logs_arn = log_group_arns(stack, f"{ENDPOINT_LOG_PREFIX}{name}", COMPONENT_LOG_PREFIX)
    role = make_execution_role(
        endpoint, "ExecutionRole", log_group_arns=[endpoint_logs_arn], network=options.network, author_role=options.role
    )
    reader, image_uri = AlarmReader(endpoint, role), options.image.bind(endpoint, role)
    warn_of_foreign_log_key(endpoint, log_options.key)
    log_key_arn = None if log_options.key is None else log_options.key.key_arn
    role_arn = role.role_arn
    guard = _make_guard(endpoint, options, role_arn)
    config = make_config(
        endpoint,
        ConfiguredEndpoint(options=options, role=role, role_arn=role_arn, least_instances=least_instances, guard=guard),
    )
    resource = _make_resource(endpoint, options, config, reader)
    resource.add_resource_dependency(
        make_log_group(
            endpoint,
            "Logs",
            name=f"{ENDPOINT_LOG_PREFIX}{name}",
            retention_days=log_options.retention_days,
            key_arn=log_key_arn,
            removal=log_options.removal,
        )
    )
    if guard is not None:
        guard.watch(resource)
    warn_of_silence(endpoint, options.alarms)
    warn_of_shared_logs(endpoint, log_options)
    idle_alarm = make_idle_alarm(
        endpoint, options.idle_alarm, choice=options.alarms, endpoint_name=name, variant_name=VARIANT_NAME
    )
    cdk.Tags.of(endpoint).add("cdk-sglang:endpoint", name)
    verification = _make_verification(
        options,
        VerifiedEndpoint(
            scope=endpoint,
            resource=resource,
            name=name,
            config_name=config.attr_endpoint_config_name,
            image_uri=image_uri,
            arns=arns,
        ),
    )
    context = EndpointContext(
        scope=endpoint,
        options=options,
        name=name,
        reference=resource.attr_endpoint_name,
        variant_name=VARIANT_NAME,
        path=endpoint.node.path,
        image_uri=image_uri,
        role=role,
        role_arn=role_arn,
        arns=arns,
        names=names,
        alarm_reader=reader,
        log_key_arn=log_key_arn,
        log_writing=LateAccess(role, permissions.WRITE_LOGS, reason=STREAMS),
        component_logs_arn=component_logs_arn,
        weights=WeightsAccess(endpoint, role),
        models=ModelScopes(endpoint, role),
        verification=verification,
        waiting=Waiting(endpoint, resource, verification),
        found=FoundSingletons(),
    )
    return EndpointParts(config=config, resource=resource, idle_alarm=idle_alarm, context=context)


def _make_resource(
    endpoint: InvocableEndpoint, options: EndpointOptions, config: sagemaker.CfnEndpointConfig, reader: AlarmReader
) -> sagemaker.CfnEndpoint:
    return sagemaker.CfnEndpoint(
        endpoint,
        "Resource",
        endpoint_name=endpoint.endpoint_name,
        endpoint_config_name=config.attr_endpoint_config_name,
        deployment_config=_deployment_config(endpoint, options, reader),
        # Managed scaling may have changed the number of instances since the last deployment. Without this, UpdateEndpoint resets it to
        # InitialInstanceCount, and removes running copies with the instances:
        # https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
        retain_all_variant_properties=True,
    )


def _deployment_config(
    endpoint: InvocableEndpoint, options: EndpointOptions, reader: AlarmReader
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty | None:
    rollout, capacity = options.hosting.rollout, options.hosting.capacity
    if rollout is None:
        return None
    reader.allow()
    alarm_names = make_rollback_alarms(
        endpoint,
        rollout.alarms,
        choice=options.alarms,
        subject=f"Endpoint {endpoint.endpoint_name}",
        dimensions={"EndpointName": endpoint.endpoint_name, "VariantName": VARIANT_NAME},
        may_be_zero=capacity.min_instances == 0,
    )
    return render_endpoint_rollout(rollout, alarm_names)


def _make_verification(options: EndpointOptions, verified: VerifiedEndpoint) -> EndpointVerification | None:
    verification = options.verification
    if verification.none is not None:
        verified.resource.add_metadata("cdk-sglang:no-verification", verification.none)
        return None
    return EndpointVerification(verified, verification)


def _make_guard(endpoint: InvocableEndpoint, options: EndpointOptions, role_arn: str) -> ReservationGuard | None:
    capacity = options.hosting.capacity
    if capacity.reservation is None:
        return None
    from cdk_sglang.serving.capacity.context import ReservedEndpoint
    from cdk_sglang.serving.capacity.reservation import ReservationGuard

    reserved = ReservedEndpoint(
        name=endpoint.endpoint_name,
        reservation=capacity.reservation,
        move=capacity.on_demand_move,
        role_arn=role_arn,
        alarms=options.alarms,
        log_options=options.log_options,
    )
    return ReservationGuard(endpoint, reserved)
