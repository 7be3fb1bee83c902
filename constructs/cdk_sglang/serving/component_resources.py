"""The CloudFormation resources of a component: its model, and its place on the endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.serving.host import HostResources
from cdk_sglang.serving.model_source import ModelSource
from cdk_sglang.serving.names import logical_digest
from cdk_sglang.serving.rollback_alarms import alarms_of_component
from cdk_sglang.serving.startup import StartupTimeouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.serving.component import InferenceComponent
    from cdk_sglang.serving.placement import Placement


def make_models(component: InferenceComponent, source: ModelSource, tags: list[cdk.CfnTag]) -> list[sagemaker.CfnModel]:
    """Create the models: image, weights and environment variables; one for each variant of the component."""
    weights = component.endpoint.shared.weights
    uri = source.bind(weights)
    models = [
        _make_model(component, "Model" if number == 0 else f"ModelTp{variant.server.tp_size}", uri, variables, tags)
        for number, (variant, variables) in enumerate(zip(component.variants, component.environments, strict=True))
    ]
    ready = source.prepare(component, weights, component.endpoint.log_options)
    for model in models:
        model.node.add_dependency(component.endpoint.role, *(() if ready is None else (ready,)))
    return models


def _make_model(
    component: InferenceComponent, construct_id: str, uri: str, variables: Mapping[str, str], tags: list[cdk.CfnTag]
) -> sagemaker.CfnModel:
    endpoint = component.endpoint
    network = endpoint.network
    return sagemaker.CfnModel(
        component,
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
    scheduling = None if placement is None else placement.scheduling()
    caching = None if placement is None else placement.caching()
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
    alarms = alarms_of_component(component)
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
        deployment_config=None if component.rollout is None else component.rollout.render(alarms),
        tags=tags,
    )


def _copies_to_send(component: InferenceComponent, alarm_names: Sequence[str]) -> float:
    """Return the copies CloudFormation sends: those there are, where anything but CloudFormation changes them."""
    fewest, most = component.copy_bounds
    if fewest == most:
        return component.copies
    from cdk_sglang.serving.copies import LiveCopies  # noqa: PLC0415  not every component scales

    return LiveCopies.of(component, log_options=component.endpoint.log_options).count(component, alarm_names)
