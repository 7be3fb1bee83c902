"""An inference component: one model on an endpoint, with its share of GPUs, and as many copies as asked.

Deploying it downloads the weights to an instance and starts SGLang, which takes minutes; deleting it frees its GPUs and
keeps its weights and (unless the endpoint says otherwise) its logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.engine import SglangOptions
from cdk_sglang.serving.alarms import metrics
from cdk_sglang.serving.component.checks import check_component, chosen_concurrency, with_nightly_stop
from cdk_sglang.serving.component.file_cache import warn_of_endless_files
from cdk_sglang.serving.component.host import HostResources
from cdk_sglang.serving.component.resources import ModelScopes, make_component, make_models
from cdk_sglang.serving.component.startup import StartupTimeouts
from cdk_sglang.serving.component.variants import ModelVariant, gpus_by_type, model_variants, tp_size_problems
from cdk_sglang.serving.rollout.rollout import ComponentRollout
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.logs import COMPONENT_LOG_PREFIX, make_log_group
from cdk_sglang.serving.shared.names import logical_digest
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.taken_names import TakenNames
from cdk_sglang.serving.verification.check import SmokeRequest
from cdk_sglang.serving.weights.access import WeightsAccess
from cdk_sglang.serving.weights.model_source import ModelSource

if TYPE_CHECKING:  # what not every component has is loaded with the first that has it
    from aws_cdk import aws_sagemaker as sagemaker

    from cdk_sglang.serving.adapters.adapter import Adapter
    from cdk_sglang.serving.adapters.source import AdapterSource
    from cdk_sglang.serving.component.placement import Placement
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint
    from cdk_sglang.spec.load import Load
    from cdk_sglang.spec.scaling import ComponentScaling
    from cdk_sglang.spec.slo import Slo
    from cdk_sglang.weights import AdapterConfig


@dataclass(frozen=True, kw_only=True)
class SharedValues:
    """What all components of an endpoint refer to, asked of CDK once: every question takes a good part of a millisecond."""

    role_arn: str
    endpoint_name: str
    region: str
    path: str
    arns: SageMakerArns
    names: TakenNames
    log_key_arn: str | None
    weights: WeightsAccess
    models: ModelScopes


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
        load: Load | None,
        slo: Slo | None,
        placement: Placement | None,
        component_name: str | None,
        resources: HostResources | None,
        startup: StartupTimeouts | None,
        environment: Mapping[str, str],
        rollout: ComponentRollout | None,
        smoke: SmokeRequest | None,
        tp_size_by_type: Mapping[str, int],
    ) -> None:
        name = component_name if component_name is not None else f"{endpoint.endpoint_name}-{construct_id}"
        instances = endpoint.capacity.instances
        problems = tp_size_problems(construct_id, tp_size_by_type, instances)
        variants = model_variants(
            server,
            model=model,
            tp_size_by_type={} if problems else tp_size_by_type,
            instances=instances,
            resources=resources,
            image=endpoint.image,
            added=environment,
        )
        if copies is None:
            copies = 1 if scaling is None else max(1, scaling.min_copies)
        if endpoint.nightly_stop is not None:
            scaling = with_nightly_stop(construct_id, scaling, copies, endpoint.nightly_stop)
        check_component(
            endpoint,
            construct_id,
            name,
            model=model,
            variants=variants,
            copies=copies,
            scaling=scaling,
            added=environment,
            rollout=rollout,
            problems=problems,
        )
        concurrency = chosen_concurrency(
            construct_id,
            scaling,
            model,
            variants,
            instances=instances,
            load=load,
            slo=slo,
            engine_version=endpoint.image.facts.sglang_version,
        )
        super().__init__(endpoint, construct_id)
        self.path: str = f"{endpoint.shared.path}/{construct_id}"
        endpoint.shared.names.take(name, "component", self.path)
        self.component_name: str = name
        self.variants: tuple[ModelVariant, ...] = variants
        self.gpus_by_type: dict[str, int] = gpus_by_type(variants)
        self.copies: int = copies
        self.scaling: ComponentScaling | None = scaling
        self.scaling_resources: list[cdk.CfnResource] = []
        self.short_name: str = construct_id
        self.endpoint: InferenceEndpoint = endpoint
        self.server: SglangOptions = variants[0].server
        self.model_id: str | None = model.model_id
        self.base_model: str | None = model.repository or model.model_id
        self.adapters: dict[str, Adapter] = {}
        self.rollout: ComponentRollout | None = rollout
        self.smoke: SmokeRequest | None = smoke
        self.environments: list[dict[str, str]] = [{**variant.rendered, **environment} for variant in variants]
        self._readable: set[str] = set()
        self.component_arn: str = endpoint.shared.arns.written("inference-component", name)
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
        self.models: list[sagemaker.CfnModel] = make_models(self, model, tags)
        self.model_names: list[str] = [made.attr_model_name for made in self.models]
        self.resource = make_component(self, resources=resources, placement=placement, startup=startup, tags=tags)
        self.resource.add_resource_dependency(log_group)
        if scaling is not None:
            from cdk_sglang.serving.scaling.autoscaling import ScaledComponent, make_scaling  # noqa: PLC0415  see above

            scaled = ScaledComponent(
                scope=self, name=name, resource=self.resource, instances=instances, weights_bytes=model.weights_bytes
            )
            self.scaling_resources += make_scaling(scaled, scaling, concurrency=concurrency)
        if endpoint.truth is not None:
            endpoint.truth.add(self)
        warn_of_endless_files(self, environment)

    @property
    def gpus_per_copy(self) -> int:
        """GPUs of a copy on the most wanted instance type; `gpus_by_type` has those of all types."""
        return self.variants[0].server.gpus_per_copy

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables on the most wanted instance type; `environments` has those of each variant."""
        return self.environments[0]

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

    @checked("{self.short_name}")
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke this component, streaming included."""
        return self.endpoint.grant_components(grantee, self.component_name)

    @checked("{self.short_name}.adapters.{name}")
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
        from cdk_sglang.serving.adapters.adapter import make_adapter  # noqa: PLC0415  see above

        adapter = make_adapter(self, name, source, config=config, base_model=base_model, readable=self._readable)
        self.adapters[name] = adapter
        if self.endpoint.truth is not None:
            self.endpoint.truth.wait_for(self, adapter.resource)
        self._warn_of_reloads()
        return adapter

    @checked("{self.short_name}")
    def grant_invoke_adapters(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke every adapter of this component, those of later deployments included.

        Raises:
            ConfigurationError: A component or an adapter of another one is named so that it would be among them.
        """
        beginning = f"{self.component_name}-"
        raise_if_any(self.endpoint.shared.names.reach(self.short_name, beginning, self.path))
        return self.endpoint.grant_components(grantee, f"{beginning}*")

    def _warn_of_reloads(self) -> None:
        places = self.server.lora.max_loaded_loras if self.server.lora is not None else None
        if places is not None and len(self.adapters) == places + 1:
            cdk.Annotations.of(self).add_warning_v2(
                "cdk-sglang:more-adapters-than-places",
                f"more adapters than server.lora.max_loaded_loras ({places}) keeps in host memory: SGLang drops one for each beyond, "
                "and reads it from disk again when a request names it, which that request waits for; raise max_loaded_loras, or leave it out",
            )
