"""The CloudFormation resources of a component: its models, and the inference component itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.serving.component.context import ComponentContext, EndpointContext
from cdk_sglang.serving.component.placement import render_caching, render_scheduling
from cdk_sglang.serving.rollout.rendering import render_component_rollout
from cdk_sglang.serving.rollout.rollback_alarms import make_rollback_alarms
from cdk_sglang.serving.shared.names import logical_digest
from cdk_sglang.serving.weights.model_source import ModelSource
from cdk_sglang.serving.weights.prepared import PreparedModel
from cdk_sglang.spec.resources import HostResources
from cdk_sglang.spec.startup import StartupTimeouts

if TYPE_CHECKING:
    from cdk_sglang.serving.component.promoted import PromotedDraft


def make_models(
    component: ComponentContext, source: ModelSource, tags: list[cdk.CfnTag], *, draft: PromotedDraft | None = None
) -> tuple[list[sagemaker.CfnModel], PreparedModel | None]:
    """Create the models (image, weights and environment variables), one for each variant of the component.

    Returns the models, and the copy or check of their weights.

    Args:
        component: The component.
        source: Its weights.
        tags: Tags of the models.
        draft: Draft that may be promoted; None if there is none.
    """
    endpoint = component.endpoint
    uri, added = source.bind(endpoint.weights), {}
    if draft is not None:
        assert source.bucket is not None
        uri, added = draft.uri(uri, source.bucket.bucket_name), draft.variables()
    prepared = source.prepare(component.scope, endpoint.weights)
    scope = endpoint.models.after(None if prepared is None else prepared.ready)
    name = component.plan.name
    models = [
        # Models of several components share a scope. Component names contain no colon, so these ids are unique in it.
        _make_model(
            endpoint, scope, f"{name}:tp{variant.server.tp_size}" if number else name, uri, {**variables, **added}, tags
        )
        for number, (variant, variables) in enumerate(zip(component.plan.variants, component.environments, strict=True))
    ]
    return models, prepared


def _make_model(  # noqa: PLR0917  all of them its own
    endpoint: EndpointContext,
    scope: Construct,
    construct_id: str,
    uri: str,
    variables: Mapping[str, str],
    tags: list[cdk.CfnTag],
) -> sagemaker.CfnModel:
    network = endpoint.options.network
    return sagemaker.CfnModel(
        scope,
        construct_id,
        execution_role_arn=endpoint.role_arn,
        enable_network_isolation=endpoint.options.network_isolation,
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
    component: ComponentContext,
    *,
    model_names: Sequence[str],
    startup: StartupTimeouts,
    tags: list[cdk.CfnTag],
) -> sagemaker.CfnInferenceComponent:
    """Create the component: its share of an instance, its copies, and how it is updated.

    Args:
        component: The component.
        model_names: Names of its models, one for each of its variants.
        startup: Start-up time-outs.
        tags: Tags of the resource.
    """
    endpoint, rollout = component.endpoint, component.plan.component.rollout
    cfn = sagemaker.CfnInferenceComponent
    shares = _specifications(component, model_names, startup)
    one = per_type = None
    if endpoint.capacity.is_pool:
        per_type = [
            cfn.InferenceComponentSpecificationForInstanceTypeProperty(instance_type=name, **share)
            for name, share in shares.items()
        ]
    else:
        one = cfn.InferenceComponentSpecificationProperty(**next(iter(shares.values())))
    alarms = _make_alarms(component)
    created: list[sagemaker.CfnInferenceComponent] = []
    copies = _copies_to_send(component, model_names, alarms, resource=lambda: created[0])
    created.append(
        # UpdateInferenceComponent cannot move a component to another endpoint or variant, although CloudFormation assumes that it can:
        # with both in the logical id, such a change creates a new component.
        sagemaker.CfnInferenceComponent(
            component.scope,
            f"On{logical_digest(endpoint.name, endpoint.variant_name, component.name)}",
            inference_component_name=component.name,
            endpoint_name=endpoint.reference,
            variant_name=endpoint.variant_name,
            runtime_config=cfn.InferenceComponentRuntimeConfigProperty(copy_count=copies),
            specification=one,
            specifications=per_type,
            deployment_config=None if rollout is None else render_component_rollout(rollout, alarms),
            tags=tags,
        )
    )
    return created[0]


def _specifications(
    component: ComponentContext, model_names: Sequence[str], startup: StartupTimeouts
) -> dict[str, dict[str, Any]]:
    """Return the fields of a copy's specification by instance type, in order of preference."""
    cfn = sagemaker.CfnInferenceComponent
    plan, sizes = component.plan, component.plan.gpus_by_type
    placement = plan.component.placement
    models = {
        instance.name: name
        for variant, name in zip(plan.variants, model_names, strict=True)
        for instance in variant.instances
    }
    same = {
        "startup_parameters": cfn.InferenceComponentStartupParametersProperty(
            model_data_download_timeout_in_seconds=startup.download_seconds,
            container_startup_health_check_timeout_in_seconds=startup.health_check_seconds,
        ),
        "scheduling_config": None if placement is None else render_scheduling(placement),
        "data_cache_config": None if placement is None else render_caching(placement),
    }

    def compute(
        instance: GpuInstance,
    ) -> sagemaker.CfnInferenceComponent.InferenceComponentComputeResourceRequirementsProperty:
        gpus = sizes[instance.name]
        host = plan.component.resources or HostResources.share_of(instance, gpus=gpus)
        return cfn.InferenceComponentComputeResourceRequirementsProperty(
            number_of_accelerator_devices_required=gpus,
            number_of_cpu_cores_required=host.cpu_cores,
            min_memory_required_in_mb=host.memory_mib,
        )

    return {
        instance.name: {
            "model_name": models[instance.name],
            "compute_resource_requirements": compute(instance),
            **same,
        }
        for instance in component.endpoint.capacity.instances
    }


def _make_alarms(component: ComponentContext) -> list[str]:
    """Create the alarms of a component's rollout and return their names; none without a rollout."""
    rollout = component.plan.component.rollout
    if rollout is None:
        return []
    component.endpoint.alarm_reader.allow()
    return make_rollback_alarms(
        component.scope,
        rollout.alarms,
        choice=component.endpoint.options.alarms,
        subject=f"Component {component.name}",
        dimensions={"InferenceComponentName": component.name},
        may_be_zero=component.plan.copy_bounds[0] == 0,
    )


def _copies_to_send(
    component: ComponentContext,
    model_names: Sequence[str],
    alarm_names: Sequence[str],
    *,
    resource: Callable[[], sagemaker.CfnInferenceComponent],
) -> float:
    """Return the number of copies that CloudFormation sends: the live number, if anything other than CloudFormation changes it."""
    fewest, most = component.plan.copy_bounds
    if fewest == most:
        return component.plan.copies
    from cdk_sglang.serving.component.copies import LiveCopies

    functions = component.endpoint.found.of(LiveCopies, lambda: LiveCopies.of(component.scope))
    return functions.count(component, model_names, alarm_names, resource=resource)
