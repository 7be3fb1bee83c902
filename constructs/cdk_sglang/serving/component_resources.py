"""The CloudFormation resources of a component: its model, and its place on the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.serving.copies import copies_to_send
from cdk_sglang.serving.host import HostResources
from cdk_sglang.serving.model_source import ModelSource
from cdk_sglang.serving.names import logical_digest
from cdk_sglang.serving.placement import Placement
from cdk_sglang.serving.rollback_alarms import alarms_of_component
from cdk_sglang.serving.startup import StartupTimeouts

if TYPE_CHECKING:
    from cdk_sglang.serving.component import InferenceComponent


def make_model(component: InferenceComponent, source: ModelSource, tags: list[cdk.CfnTag]) -> sagemaker.CfnModel:
    """Create the model: image, weights and environment variables."""
    endpoint = component.endpoint
    network = endpoint.network
    model = sagemaker.CfnModel(
        component,
        "Model",
        execution_role_arn=endpoint.shared.role_arn,
        enable_network_isolation=endpoint.network_isolation,
        vpc_config=None
        if network is None
        else sagemaker.CfnModel.VpcConfigProperty(
            subnets=list(network.subnet_ids), security_group_ids=list(network.security_group_ids)
        ),
        primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
            image=endpoint.image_uri,
            environment=dict(sorted(component.environment.items())),
            model_data_source=sagemaker.CfnModel.ModelDataSourceProperty(
                s3_data_source=sagemaker.CfnModel.S3DataSourceProperty(
                    s3_uri=source.bind(endpoint.shared.weights), s3_data_type="S3Prefix", compression_type="None"
                )
            ),
        ),
        tags=tags,
    )
    ready = source.prepare(component, endpoint.shared.weights, endpoint.log_options)
    model.node.add_dependency(endpoint.role, *(() if ready is None else (ready,)))
    return model


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
        host = resources or HostResources.share_of(instance, gpus=component.gpus_per_copy)
        return cfn.InferenceComponentComputeResourceRequirementsProperty(
            number_of_accelerator_devices_required=component.gpus_per_copy,
            number_of_cpu_cores_required=host.cpu_cores,
            min_memory_required_in_mb=host.memory_mib,
        )

    instances = endpoint.capacity.instances
    model_name = component.model_name
    scheduling = None if placement is None else placement.scheduling()
    caching = None if placement is None else placement.caching()
    one = per_type = None
    if endpoint.capacity.is_pool:
        per_type = [
            cfn.InferenceComponentSpecificationForInstanceTypeProperty(
                instance_type=instance.name,
                model_name=model_name,
                compute_resource_requirements=compute(instance),
                startup_parameters=start,
                scheduling_config=scheduling,
                data_cache_config=caching,
            )
            for instance in instances
        ]
    else:
        one = cfn.InferenceComponentSpecificationProperty(
            model_name=model_name,
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
        runtime_config=cfn.InferenceComponentRuntimeConfigProperty(copy_count=copies_to_send(component, alarms)),
        specification=one,
        specifications=per_type,
        deployment_config=None if component.rollout is None else component.rollout.render(alarms),
        tags=tags,
    )
