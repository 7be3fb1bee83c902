"""An inference component: one model on an endpoint, with its share of GPUs, and as many copies as asked.

Deploying it downloads the weights to an instance and starts SGLang, which takes minutes; deleting it frees its GPUs and
keeps its weights and (unless the endpoint says otherwise) its logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.serving import metrics, permissions
from cdk_sglang.serving.adapter import Adapter, make_adapter
from cdk_sglang.serving.adapter_source import AdapterSource
from cdk_sglang.serving.autoscaling import make_scaling
from cdk_sglang.serving.capacity_checks import zero_copies_problems
from cdk_sglang.serving.copies import copies_to_send
from cdk_sglang.serving.host_cache import host_cache_problems, sized_for_host
from cdk_sglang.serving.logs import COMPONENT_LOG_PREFIX, make_log_group
from cdk_sglang.serving.model_source import ModelSource
from cdk_sglang.serving.names import logical_digest, name_problems
from cdk_sglang.serving.placement import Placement
from cdk_sglang.serving.planned import planned_concurrency
from cdk_sglang.serving.rollback_alarms import ROLLBACK_ALARM_IDS, alarms_of_component
from cdk_sglang.serving.rollout import ComponentRollout
from cdk_sglang.serving.runtime_functions import LogOptions
from cdk_sglang.serving.scaling import ComponentScaling, Concurrency
from cdk_sglang.serving.sglang import SglangOptions, environment_problems
from cdk_sglang.serving.startup import StartupTimeouts
from cdk_sglang.serving.tokens import is_token, token_problem
from cdk_sglang.serving.truth_check import TRUTH_ID, SmokeRequest
from cdk_sglang.serving.weights_access import WeightsAccess
from cdk_sglang.weights import AdapterConfig

if TYPE_CHECKING:
    from cdk_sglang.serving.endpoint import InferenceEndpoint

_HOST_SHARE: Final = 0.5
"""Of an instance's cores and memory that its copies reserve together. GPUs decide the packing; a reservation of cores or memory
that the instance cannot grant beside its own agents would leave a copy unplaced, and AWS does not publish what those take."""

_PARTS_OF_AN_ENDPOINT: Final = frozenset(
    {"Config", "ExecutionRole", "Idle", "Logs", "Resource", f"{TRUTH_ID}0", *ROLLBACK_ALARM_IDS}
)

_MIB_PER_GIB: Final = 1024
_MIN_MEMORY_MIB: Final = 128  # ComputeResourceRequirements.MinMemoryRequiredInMb: botocore 1.44.5
_MIN_CPU_CORES: Final = 0.25  # ComputeResourceRequirements.NumberOfCpuCoresRequired: botocore 1.44.5


@dataclass(frozen=True, kw_only=True)
class HostResources:
    """What one copy reserves of its instance besides GPUs.

    Args:
        cpu_cores: Cores; 0.25 or more.
        memory_mib: Host memory in MiB, not GPU memory; 128 or more.
    """

    cpu_cores: float
    memory_mib: int

    def __post_init__(self) -> None:
        problems = []
        if not self.cpu_cores >= _MIN_CPU_CORES and not is_token(self.cpu_cores):  # not >=: nan is refused too
            problems.append(f"resources.cpu_cores: {self.cpu_cores} is not allowed; use {_MIN_CPU_CORES} or more")
        if self.memory_mib < _MIN_MEMORY_MIB and not is_token(self.memory_mib):
            problems.append(f"resources.memory_mib: {self.memory_mib} is not allowed; use {_MIN_MEMORY_MIB} or more")
        if problems:
            raise ConfigurationError(problems)

    @staticmethod
    def share_of(instance: GpuInstance, *, gpus: int) -> HostResources:
        """Half of the cores and memory that go with so many of the instance's GPUs."""
        share = _HOST_SHARE * gpus / instance.gpu_count
        return HostResources(
            cpu_cores=max(1, int(instance.vcpus * share)), memory_mib=int(instance.memory_gib * _MIB_PER_GIB * share)
        )


@dataclass(frozen=True, kw_only=True)
class SharedValues:
    """What all components of an endpoint refer to, asked of CDK once: every question takes a good part of a millisecond."""

    role_arn: str
    endpoint_name: str
    component_arn_prefix: str
    log_key_arn: str | None
    weights: WeightsAccess


class InferenceComponent(Construct):
    """One model on an endpoint; made by `InferenceEndpoint.add_component`, whose arguments it takes."""

    def __init__(
        self,
        endpoint: InferenceEndpoint,
        construct_id: str,
        *,
        model: ModelSource,
        server: SglangOptions,
        copies: int | None,
        scaling: ComponentScaling | None,
        placement: Placement | None,
        component_name: str | None,
        resources: HostResources | None,
        startup: StartupTimeouts | None,
        environment: Mapping[str, str],
        rollout: ComponentRollout | None,
        smoke: SmokeRequest | None,
    ) -> None:
        name = component_name if component_name is not None else f"{endpoint.endpoint_name}-{construct_id}"
        memory_mib = _least_memory_mib(endpoint, resources, server.gpus_per_copy)
        server = sized_for_host(server, memory_mib)
        rendered = server.environment(image_kind=endpoint.image.facts.kind)
        if copies is None:
            copies = 1 if scaling is None else max(1, scaling.min_copies)
        scaling = _with_nightly_stop(construct_id, scaling, copies, endpoint)
        _check(
            endpoint,
            construct_id,
            name,
            server=server,
            memory_mib=memory_mib,
            copies=copies,
            scaling=scaling,
            added=environment,
            rendered=rendered,
            rollout=rollout,
        )
        concurrency = _concurrency(construct_id, scaling, model.model_id, server, endpoint)
        super().__init__(endpoint, construct_id)
        self.component_name: str = name
        self.gpus_per_copy: int = server.gpus_per_copy
        self.copies: int = copies
        self.scaling: ComponentScaling | None = scaling
        self.scaling_resources: list[cdk.CfnResource] = []
        self.short_name: str = construct_id
        self.endpoint: InferenceEndpoint = endpoint
        self.server: SglangOptions = server
        self.model_id: str | None = model.model_id
        self.adapters: dict[str, Adapter] = {}
        self.rollout: ComponentRollout | None = rollout
        self.smoke: SmokeRequest | None = smoke
        self.environment: dict[str, str] = {**rendered, **environment}
        self._readable: set[str] = set()
        self.component_arn: str = f"{endpoint.shared.component_arn_prefix}{name}"
        self.metrics = metrics.ServingMetrics(
            dimensions={"InferenceComponentName": name}, utilization_namespace=metrics.COMPONENT_NAMESPACE
        )
        tags = [cdk.CfnTag(key="cdk-sglang:component", value=construct_id)]
        log_group = make_log_group(
            self,
            "Logs",
            name=f"{COMPONENT_LOG_PREFIX}{name}",
            retention_days=endpoint.log_retention_days,
            key_arn=endpoint.shared.log_key_arn,
            removal=endpoint.log_removal,
            tags=tags,
        )
        if not name.startswith(f"{endpoint.endpoint_name}-"):  # else the endpoint's own statement covers it
            endpoint.role.add_to_principal_policy(
                iam.PolicyStatement(actions=list(permissions.WRITE_LOGS), resources=[log_group.attr_arn])
            )
        startup = startup or StartupTimeouts.for_weights(model.weights_bytes, endpoint.capacity.instances)
        self.startup_seconds: int = startup.download_seconds + startup.health_check_seconds
        self.fingerprint: str = logical_digest(*map(repr, (resources, placement, startup, rollout)))
        self._model = self._build_model(model, self.environment, tags)
        self.model_name: str = self._model.attr_model_name
        self.resource = self._build_component(resources, placement, startup, tags)
        self.resource.add_resource_dependency(log_group)
        if scaling is not None:
            make_scaling(self, scaling, concurrency=concurrency)
        if endpoint.truth is not None:
            endpoint.truth.add(self)

    @property
    def copy_bounds(self) -> tuple[int, int]:
        """Fewest and most copies that scaling and its schedules may set."""
        return (self.copies, self.copies) if self.scaling is None else self.scaling.copy_bounds

    @property
    def most_copies(self) -> int:
        """Most copies there can be at once, those of the first deployment included."""
        return max(self.copies, self.copy_bounds[1])

    @property
    def specified_types(self) -> tuple[str, ...]:
        """Instance types with a specification of their own; none where one is for all."""
        capacity = self.endpoint.capacity
        return tuple(instance.name for instance in capacity.instances) if capacity.is_pool else ()

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke this component, streaming included."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=list(permissions.INVOKE),
            resource_arns=[self.endpoint.endpoint_arn, self.component_arn],
        )

    def add_adapter(
        self,
        name: str,
        source: AdapterSource,
        *,
        config: AdapterConfig | None = None,
        base_model: str | None = None,
    ) -> Adapter:
        """Put a LoRA adapter on this component; callers reach it by its own name, "<component name>-<name>".

        It takes no GPU of its own. Adapters can be added, replaced and removed while the component serves.

        Args:
            name: Short name, such as "triage".
            source: Its files.
            config: Rank and modules, checked against `server.lora`; read from the folder by `from_folder`, unchecked at synth
                when nobody says.
            base_model: The base model to accept, when the adapter was trained on the same weights under another name.

        Raises:
            ConfigurationError: With every problem, before anything exists.
        """
        adapter = make_adapter(self, name, source, config=config, base_model=base_model, readable=self._readable)
        self.adapters[name] = adapter
        if self.endpoint.truth is not None:
            self.endpoint.truth.wait_for(self, adapter.resource)
        self._warn_of_reloads()
        return adapter

    def grant_invoke_adapters(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke every adapter of this component, those of later deployments included."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=list(permissions.INVOKE),
            resource_arns=[self.endpoint.endpoint_arn, f"{self.component_arn}-*"],
        )

    def _warn_of_reloads(self) -> None:
        places = self.server.lora.max_loaded_loras if self.server.lora is not None else None
        if places is not None and len(self.adapters) == places + 1:
            cdk.Annotations.of(self).add_warning_v2(
                "cdk-sglang:more-adapters-than-places",
                f"more adapters than server.lora.max_loaded_loras ({places}) keeps in host memory: SGLang drops one for each beyond, "
                "and reads it from disk again when a request names it, which that request waits for; raise max_loaded_loras, or leave it out",
            )

    def _build_model(
        self, source: ModelSource, variables: Mapping[str, str], tags: list[cdk.CfnTag]
    ) -> sagemaker.CfnModel:
        endpoint = self.endpoint
        network = endpoint.network
        model = sagemaker.CfnModel(
            self,
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
                environment=dict(sorted(variables.items())),
                model_data_source=sagemaker.CfnModel.ModelDataSourceProperty(
                    s3_data_source=sagemaker.CfnModel.S3DataSourceProperty(
                        s3_uri=source.bind(endpoint.shared.weights), s3_data_type="S3Prefix", compression_type="None"
                    )
                ),
            ),
            tags=tags,
        )
        ready = source.prepare(
            self,
            endpoint.shared.weights,
            LogOptions(retention_days=endpoint.log_retention_days, key=endpoint.log_key, removal=endpoint.log_removal),
        )
        model.node.add_dependency(endpoint.role, *(() if ready is None else (ready,)))
        return model

    def _build_component(
        self,
        resources: HostResources | None,
        placement: Placement | None,
        startup: StartupTimeouts,
        tags: list[cdk.CfnTag],
    ) -> sagemaker.CfnInferenceComponent:
        endpoint = self.endpoint
        cfn = sagemaker.CfnInferenceComponent
        start = cfn.InferenceComponentStartupParametersProperty(
            model_data_download_timeout_in_seconds=startup.download_seconds,
            container_startup_health_check_timeout_in_seconds=startup.health_check_seconds,
        )

        def compute(
            instance: GpuInstance,
        ) -> sagemaker.CfnInferenceComponent.InferenceComponentComputeResourceRequirementsProperty:
            host = resources or HostResources.share_of(instance, gpus=self.gpus_per_copy)
            return cfn.InferenceComponentComputeResourceRequirementsProperty(
                number_of_accelerator_devices_required=self.gpus_per_copy,
                number_of_cpu_cores_required=host.cpu_cores,
                min_memory_required_in_mb=host.memory_mib,
            )

        instances = endpoint.capacity.instances
        model_name = self.model_name
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
        alarms = alarms_of_component(self)
        # UpdateInferenceComponent cannot move a component to another endpoint or variant, though CloudFormation believes it can:
        # with both in the logical id, such a change makes a new component.
        return sagemaker.CfnInferenceComponent(
            self,
            f"On{logical_digest(endpoint.endpoint_name, endpoint.variant_name, self.component_name)}",
            inference_component_name=self.component_name,
            endpoint_name=endpoint.shared.endpoint_name,
            variant_name=endpoint.variant_name,
            runtime_config=cfn.InferenceComponentRuntimeConfigProperty(copy_count=copies_to_send(self, alarms)),
            specification=one,
            specifications=per_type,
            deployment_config=None if self.rollout is None else self.rollout.render(alarms),
            tags=tags,
        )


def _least_memory_mib(endpoint: InferenceEndpoint, resources: HostResources | None, gpus: int) -> int:
    """Host memory of a copy on the type that has least."""
    if resources is not None:
        return resources.memory_mib
    return min(HostResources.share_of(instance, gpus=gpus).memory_mib for instance in endpoint.capacity.instances)


def _check(
    endpoint: InferenceEndpoint,
    construct_id: str,
    name: str,
    *,
    server: SglangOptions,
    memory_mib: int,
    copies: int,
    scaling: ComponentScaling | None,
    added: Mapping[str, str],
    rendered: Mapping[str, str],
    rollout: ComponentRollout | None,
) -> None:
    """Collect everything wrong with a component before any of it exists."""
    problems = []
    if construct_id in endpoint.components or construct_id in _PARTS_OF_AN_ENDPOINT:
        problems.append(f"{construct_id}: the endpoint has something of this name already; choose another")
    if any(other.component_name == name for other in endpoint.components.values()):
        problems.append(f"{construct_id}: the endpoint has a component named {name!r} already; choose another name")
    problems += name_problems(construct_id, name, "component")
    if is_token(copies):
        raise ConfigurationError([*problems, token_problem(f"{construct_id}.copies", "the number itself")])
    if copies < 1:
        problems.append(f"{construct_id}.copies: {copies} is not allowed; a component is created with 1 or more")
    elif scaling is not None and not scaling.min_copies <= copies <= scaling.max_copies:
        problems.append(
            f"{construct_id}.copies: {copies} is outside of scaling, {scaling.min_copies} to {scaling.max_copies}; leave it out, or take one of those"
        )
    if scaling is not None and scaling.copy_bounds[0] == 0:
        problems += zero_copies_problems(f"{construct_id}.scaling.min_copies", endpoint)
    capabilities = sorted({instance.gpu.compute_capability for instance in endpoint.capacity.instances}, key=float)
    problems += server.problems(f"{construct_id}.server", gpu_capability=capabilities[0])
    problems += server.problems_for(endpoint.image.facts.kind, f"{construct_id}.server")
    problems += host_cache_problems(f"{construct_id}.server", server, memory_mib)
    problems += environment_problems(added, f"{construct_id}.environment", rendered=rendered)
    problems += endpoint.room_problems(
        construct_id,
        gpus_per_copy=server.gpus_per_copy,
        copies=max(copies, 0 if scaling is None else scaling.copy_bounds[1]),
        asked_by="copies" if scaling is None else "scaling.max_copies",
    )
    if rollout is not None:
        bounds = [(copies, copies)] if scaling is None else scaling.all_bounds
        problems += rollout.problems(f"{construct_id}.rollout", bounds=bounds)
    may_be_zero = scaling is not None and scaling.copy_bounds[0] == 0
    if may_be_zero and endpoint.rollout is not None and endpoint.rollout.alarms.no_capacity is not None:
        problems.append(
            f"{construct_id}.scaling: the component may have zero copies, and a request that wakes it would undo a rollout of the endpoint; "
            "set no_capacity of the endpoint's rollout.alarms to null, or keep a copy"
        )
    if problems:
        raise ConfigurationError(problems)


def _with_nightly_stop(
    path: str, scaling: ComponentScaling | None, copies: int, endpoint: InferenceEndpoint
) -> ComponentScaling | None:
    stop = endpoint.nightly_stop
    if stop is None:
        return scaling
    try:
        return (scaling or ComponentScaling(min_copies=copies, max_copies=copies)).stopped_nightly(stop)
    except ConfigurationError as error:
        raise ConfigurationError([f"{path}.{problem}" for problem in error.problems]) from None


def _concurrency(
    path: str,
    scaling: ComponentScaling | None,
    model_id: str | None,
    server: SglangOptions,
    endpoint: InferenceEndpoint,
) -> float | None:
    if scaling is None or not scaling.has_policy or not isinstance(scaling.target, Concurrency):
        return None
    target = scaling.target
    if target.requests_per_copy is not None:
        return target.requests_per_copy
    return planned_concurrency(
        path,
        model_id,
        server,
        endpoint.capacity.instances,
        input_tokens=target.input_tokens,
        output_tokens=target.output_tokens,
    )
