"""The CloudFormation resources of a component: its model, and its place on the endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct, IConstruct

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.serving.component.placement import render_caching, render_scheduling
from cdk_sglang.serving.rollout.rendering import render_component_rollout
from cdk_sglang.serving.rollout.rollback_alarms import make_rollback_alarms
from cdk_sglang.serving.shared.names import logical_digest
from cdk_sglang.serving.weights.model_source import ModelSource
from cdk_sglang.spec.placement import Placement
from cdk_sglang.spec.resources import HostResources
from cdk_sglang.spec.startup import StartupTimeouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.serving.component.component import InferenceComponent
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint


class ModelScopes:
    """Where an endpoint's models are made: those that wait for the same are beside each other, and what they wait for is said once.

    Said for each of a hundred models, the same dependency is a twentieth of their synth.
    """

    def __init__(self, endpoint: InferenceEndpoint) -> None:
        self._endpoint = endpoint
        self._scopes: dict[int, tuple[IConstruct | None, Construct]] = {}

    def after(self, ready: IConstruct | None) -> Construct:
        """Return the scope of models that come after the endpoint's role, and after `ready`."""
        if id(ready) not in self._scopes:
            made = Construct(self._endpoint, "Models" if ready is None else f"Models{ready.node.id}")
            made.node.add_dependency(self._endpoint.role, *(() if ready is None else (ready,)))
            self._scopes[id(ready)] = ready, made  # with `ready`, whose id is its own as long as it is kept
        return self._scopes[id(ready)][1]


def make_models(component: InferenceComponent, source: ModelSource, tags: list[cdk.CfnTag]) -> list[sagemaker.CfnModel]:
    """Create the models: image, weights and environment variables; one for each variant of the component."""
    weights = component.endpoint.shared.weights
    uri = source.bind(weights)
    scope = component.endpoint.shared.models.after(source.prepare(component, weights, component.endpoint.log_options))
    name = component.short_name
    return [
        # No component is named with a colon: the ids of a scope are one for each component, and must differ.
        _make_model(component, scope, f"{name}:tp{variant.server.tp_size}" if number else name, uri, variables, tags)
        for number, (variant, variables) in enumerate(zip(component.variants, component.environments, strict=True))
    ]


def _make_model(  # noqa: PLR0917  all of them its own
    component: InferenceComponent,
    scope: Construct,
    construct_id: str,
    uri: str,
    variables: Mapping[str, str],
    tags: list[cdk.CfnTag],
) -> sagemaker.CfnModel:
    endpoint = component.endpoint
    network = endpoint.network
    return sagemaker.CfnModel(
        scope,
        construct_id,
        execution_role_arn=endpoint.shared.role_arn,
        enable_network_isolation=endpoint.network_isolation,
        vpc_config=None
        if network is None
        else sagemaker.CfnModel.VpcConfigProperty(
            subnets=list(network.subnet_ids), security_group_ids=list(network.security_group_ids)
        ),
        primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
            image=endpoint.image_uri,
            environment=dict(sorted(variables.items())),
            model_data_source=sagemaker.CfnModel.ModelDataSourceProperty(
                s3_data_source=sagemaker.CfnModel.S3DataSourceProperty(
                    s3_uri=uri, s3_data_type="S3Prefix", compression_type="None"
                )
            ),
        ),
        tags=tags,
    )


def make_component(
    component: InferenceComponent,
    *,
    resources: HostResources | None,
    placement: Placement | None,
    startup: StartupTimeouts,
    tags: list[cdk.CfnTag],
) -> sagemaker.CfnInferenceComponent:
    """Create the component: its share of an instance, its copies, and how it is updated."""
    endpoint = component.endpoint
    cfn = sagemaker.CfnInferenceComponent
    start = cfn.InferenceComponentStartupParametersProperty(
        model_data_download_timeout_in_seconds=startup.download_seconds,
        container_startup_health_check_timeout_in_seconds=startup.health_check_seconds,
    )

    def compute(
        instance: GpuInstance,
    ) -> sagemaker.CfnInferenceComponent.InferenceComponentComputeResourceRequirementsProperty:
        gpus = component.gpus_by_type[instance.name]
        host = resources or HostResources.share_of(instance, gpus=gpus)
        return cfn.InferenceComponentComputeResourceRequirementsProperty(
            number_of_accelerator_devices_required=gpus,
            number_of_cpu_cores_required=host.cpu_cores,
            min_memory_required_in_mb=host.memory_mib,
        )

    instances = endpoint.capacity.instances
    models = {
        instance.name: name
        for variant, name in zip(component.variants, component.model_names, strict=True)
        for instance in variant.instances
    }
    scheduling = None if placement is None else render_scheduling(placement)
    caching = None if placement is None else render_caching(placement)
    one = per_type = None
    if endpoint.capacity.is_pool:
        per_type = [
            cfn.InferenceComponentSpecificationForInstanceTypeProperty(
                instance_type=instance.name,
                model_name=models[instance.name],
                compute_resource_requirements=compute(instance),
                startup_parameters=start,
                scheduling_config=scheduling,
                data_cache_config=caching,
            )
            for instance in instances
        ]
    else:
        one = cfn.InferenceComponentSpecificationProperty(
            model_name=component.model_names[0],
            compute_resource_requirements=compute(instances[0]),
            startup_parameters=start,
            scheduling_config=scheduling,
            data_cache_config=caching,
        )
    alarms = _make_alarms(component)
    # UpdateInferenceComponent cannot move a component to another endpoint or variant, though CloudFormation believes it can:
    # with both in the logical id, such a change makes a new component.
    return sagemaker.CfnInferenceComponent(
        component,
        f"On{logical_digest(endpoint.endpoint_name, endpoint.variant_name, component.component_name)}",
        inference_component_name=component.component_name,
        endpoint_name=endpoint.shared.endpoint_name,
        variant_name=endpoint.variant_name,
        runtime_config=cfn.InferenceComponentRuntimeConfigProperty(copy_count=_copies_to_send(component, alarms)),
        specification=one,
        specifications=per_type,
        deployment_config=None if component.rollout is None else render_component_rollout(component.rollout, alarms),
        tags=tags,
    )


def _make_alarms(component: InferenceComponent) -> list[str]:
    """Create the alarms of a component's rollout and return their names; none without a rollout."""
    if component.rollout is None:
        return []
    component.endpoint.allow_reading_alarms()
    return make_rollback_alarms(
        component,
        component.rollout.alarms,
        choice=component.endpoint.alarms,
        subject=f"Component {component.component_name}",
        dimensions={"InferenceComponentName": component.component_name},
        may_be_zero=component.copy_bounds[0] == 0,
    )


def _copies_to_send(component: InferenceComponent, alarm_names: Sequence[str]) -> float:
    """Return the copies CloudFormation sends: those there are, where anything but CloudFormation changes them."""
    fewest, most = component.copy_bounds
    if fewest == most:
        return component.copies
    from cdk_sglang.serving.component.copies import LiveCopies  # noqa: PLC0415  not every component scales

    return LiveCopies.of(component, log_options=component.endpoint.log_options).count(component, alarm_names)
