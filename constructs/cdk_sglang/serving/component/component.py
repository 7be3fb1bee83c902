"""An inference component: one model on an endpoint, with its share of GPUs and its copies.

Deploying it downloads the weights to an instance and starts SGLang, which takes minutes. Deleting it frees its GPUs and
keeps its weights and (unless the endpoint is configured otherwise) its logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.planning import ResolvedComponent
from cdk_sglang.serving.component.context import ComponentContext, EndpointContext
from cdk_sglang.serving.component.file_cache import warn_of_endless_files
from cdk_sglang.serving.component.foreign_parsers import warn_of_foreign_parsers
from cdk_sglang.serving.component.measured import tell_of_no_metrics
from cdk_sglang.serving.component.planned import PlannedComponent
from cdk_sglang.serving.component.resources import make_component, make_models
from cdk_sglang.serving.component.startup import timeouts_for_weights
from cdk_sglang.serving.component.waiting import WaitingComponent
from cdk_sglang.serving.endpoint.imported import ComponentReferences
from cdk_sglang.serving.endpoint.invocable import InvocableComponent, InvocableEndpoint
from cdk_sglang.serving.shared.dependencies import stand_for
from cdk_sglang.serving.shared.invocation import grant_invoke
from cdk_sglang.serving.shared.logs import COMPONENT_LOG_PREFIX, make_log_group
from cdk_sglang.serving.shared.names import TEAM_TAG, logical_digest
from cdk_sglang.serving.verification.endpoint_check import EndpointVerification, VerifiedComponent, VerifiedModel
from cdk_sglang.serving.weights.model_source import ModelSource

if TYPE_CHECKING:  # what not every component has is loaded with the first that has it
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_sagemaker as sagemaker

    from cdk_sglang.serving.adapters.adapter import Adapter, BaseComponent
    from cdk_sglang.serving.adapters.source import AdapterSource
    from cdk_sglang.serving.component.promoted import PromotedDraft
    from cdk_sglang.weights import AdapterConfig


@jsii.implements(cdk.ITaggableV2)
class InferenceComponent(ComponentReferences, PlannedComponent, InvocableComponent):
    """One model on an endpoint; created by `InferenceEndpoint.add_component`.

    Args:
        endpoint: The part of the endpoint that its components need.
        plan: The component, with every value resolved.
        model: Weights of the model.
        component_name: Name in SageMaker.

    Attributes:
        endpoint_name: Name of the endpoint.
        path: Construct path, for messages.
        plan: The component with every value resolved, and the resources that it takes on its instances.
        short_name: Construct id, which is the component's name within the endpoint.
        model_id: Catalogue id of the model; None if unknown.
        base_model: Model that adapters must have been trained on; None if unknown.
        adapters: Adapters by their short names.
        environments: Environment variables of the container, one mapping for each of `variants`.
        component_arn: ARN of the inference component.
        startup_seconds: Maximum time from the start of a new copy to its first health check, in seconds.
        fingerprint: Digest of the settings that SageMaker does not return, so that changes to them are verified too.
        draft: Parameter that selects the version of a draft that is served; None without `speculative`.
        model_names: Names of the SageMaker models, one for each of `variants`, known only at deployment.
    """

    def __init__(
        self,
        endpoint: EndpointContext,
        plan: ResolvedComponent,
        *,
        model: ModelSource,
        component_name: str,
    ) -> None:
        name = component_name
        super().__init__(
            endpoint.scope, plan.name, component_name=name, endpoint_name=endpoint.name, arns=endpoint.arns
        )
        self.path: str = f"{endpoint.path}/{plan.name}"
        endpoint.names.take(name, "component", self.path)
        self._endpoint = endpoint
        self.plan: ResolvedComponent = plan
        self.short_name: str = plan.name
        self.model_id: str | None = model.model_id
        self.base_model: str | None = model.repository or model.model_id
        self.adapters: dict[str, Adapter] = {}
        self._adapter_invokers: list[iam.IGrantable] = []
        self._readable: set[str] = set()
        component = plan.component
        self.environments: list[dict[str, str]] = [
            {**variant.rendered, **component.environment} for variant in plan.variants
        ]
        startup = component.startup or timeouts_for_weights(model.weights_bytes, endpoint.capacity.instances)
        self.startup_seconds: int = startup.download_seconds + startup.health_check_seconds
        self.fingerprint: str = logical_digest(
            *map(repr, (component.resources, component.placement, startup, component.rollout))
        )
        tags = [cdk.CfnTag(key="cdk-sglang:component", value=plan.name)]
        if component.team is not None:
            tags.append(cdk.CfnTag(key=TEAM_TAG, value=component.team))
        log_group = self._make_log_group(tags)
        context = ComponentContext(scope=self, endpoint=endpoint, name=name, plan=plan, environments=self.environments)
        self.draft: PromotedDraft | None = self._make_draft(model)
        self._models: list[sagemaker.CfnModel]
        self._models, prepared = make_models(context, model, tags, draft=self.draft)
        self.model_names: list[str] = [resource.attr_model_name for resource in self._models]
        self._resource = make_component(context, model_names=self.model_names, startup=startup, tags=tags)
        self._tag_manager: cdk.TagManager | None = None
        node = self.node  # each access to an attribute of CDK calls its process
        node.default_child = self._resource
        self._resource.add_resource_dependency(log_group)
        self._scaling_resources: list[cdk.CfnResource] = self._make_scaling(model.weights_bytes)
        endpoint.waiting.add(
            WaitingComponent(
                scope=self, node=node, name=name, resource=self._resource, models=self._models, prepared=prepared
            )
        )
        if endpoint.verification is not None:
            self._verify(endpoint.verification)
        if component.fit_check is not None:
            self._resource.add_metadata("cdk-sglang:no-fit-check", component.fit_check.reason)
        warn_of_endless_files(self, plan)
        warn_of_foreign_parsers(self, plan)
        tell_of_no_metrics(self, plan)

    def _make_draft(self, model: ModelSource) -> PromotedDraft | None:
        speculative = self.plan.component.speculative
        if speculative is None:
            return None
        from cdk_sglang.serving.component.promoted import PromotedDraft

        draft = PromotedDraft(
            self, component_name=self.component_name, speculative=speculative, model=model.specification
        )
        draft.allow(self._endpoint, model.bucket)
        draft.make_alarm(self, self._endpoint)
        return draft

    def _make_log_group(self, tags: list[cdk.CfnTag]) -> logs.CfnLogGroup:
        endpoint, name = self._endpoint, self.component_name
        log_group = make_log_group(
            self,
            "Logs",
            name=f"{COMPONENT_LOG_PREFIX}{name}",
            retention_days=endpoint.log_options.retention_days,
            key_arn=endpoint.log_key_arn,
            removal=endpoint.log_options.removal,
            tags=tags,
        )
        # Not the group's own attribute: the endpoint waits for its role, and must not wait for the component's dependencies.
        endpoint.log_writing.allow(lambda: [f"{endpoint.component_logs_arn}{name}:*"])
        return log_group

    def _make_scaling(self, weights_bytes: float | None) -> list[cdk.CfnResource]:
        if self.scaling is None:
            return []
        from cdk_sglang.serving.scaling.autoscaling import ScaledComponent, make_scaling

        scaled = ScaledComponent(
            scope=self,
            name=self.component_name,
            resource=self._resource,
            instances=self._endpoint.capacity.instances,
            weights_bytes=weights_bytes,
        )
        return make_scaling(scaled, self.scaling, concurrency=self.plan.concurrency)

    @property
    def cdk_tag_manager(self) -> cdk.TagManager:
        """Tags of the component itself, for CDK; `Tags.of(component)` also tags all of its resources."""
        if self._tag_manager is None:  # CDK reads it twice for each tag of the enclosing constructs
            self._tag_manager = cdk.TagManager.of(self._resource)
        assert self._tag_manager is not None
        return self._tag_manager

    @property
    def endpoint(self) -> InvocableEndpoint:
        """The endpoint that the component runs on."""
        return self._endpoint.scope

    @property
    def role(self) -> iam.IRole:
        """Execution role, which is that of the endpoint."""
        return self._endpoint.role

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables on the preferred instance type; `environments` has those of each variant."""
        return self.environments[0]

    @property
    def specified_types(self) -> tuple[str, ...]:
        """Instance types with their own specification; empty if one specification applies to all."""
        capacity = self._endpoint.capacity
        return tuple(instance.name for instance in capacity.instances) if capacity.is_pool else ()

    @checked("{self.short_name}.adapters.{name}")
    def add_adapter(
        self,
        name: str,
        source: AdapterSource,
        *,
        config: AdapterConfig | None = None,
        base_model: str | None = None,
        adapter_name: str | None = None,
    ) -> Adapter:
        """Add a LoRA adapter to this component; callers invoke it by its own name, "<component name>-<name>" by default.

        It needs no GPU of its own. Adapters can be added, replaced and removed while the component serves.

        Args:
            name: Short name, such as "triage".
            source: Its files.
            config: Rank and modules, checked against `server.lora`; `from_folder` reads them from the folder. If they are unspecified, they
                are not checked at synth.
            base_model: The base model to accept if the adapter was trained on the same weights under another name.
            adapter_name: Name in SageMaker, unique per account and Region; literal, up to 63 characters. Changing it creates another
                adapter.

        Raises:
            ConfigurationError: Any argument is wrong; lists every problem, before any resource exists.
        """
        from cdk_sglang.serving.adapters.adapter import make_adapter

        adapter = make_adapter(
            self._adapter_base(),
            name,
            source,
            config=config,
            base_model=base_model,
            adapter_name=adapter_name,
            others=self.adapters,
            readable=self._readable,
        )
        self.adapters[name] = adapter
        if not self._is_named_after_this(adapter):
            for grantee in self._adapter_invokers:
                adapter.grant_invoke(grantee)
        if self._endpoint.verification is not None:
            self._endpoint.verification.add_adapter(self.component_name, adapter.adapter_name, adapter.resource)
        self._warn_of_reloads()
        return adapter

    @checked("{self.short_name}")
    def grant_invoke_adapters(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke every adapter of this component, including adapters of later deployments.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.

        Raises:
            ConfigurationError: The name pattern would also match another component, or an adapter of one.
        """
        beginning = f"{self.component_name}-"
        raise_if_any(self._endpoint.names.reach(self.short_name, beginning, self.path))
        self._adapter_invokers.append(grantee)
        others = [one.adapter_name for one in self.adapters.values() if not self._is_named_after_this(one)]
        return grant_invoke(grantee, self._endpoint.arns, self.endpoint_name, f"{beginning}*", *others)

    def _is_named_after_this(self, adapter: Adapter) -> bool:
        """Whether a pattern of the component's name matches an adapter; case-insensitive, as in SageMaker."""
        return adapter.adapter_name.lower().startswith(f"{self.component_name}-".lower())

    def _adapter_base(self) -> BaseComponent:
        from cdk_sglang.serving.adapters.adapter import BaseComponent

        endpoint = self._endpoint
        return BaseComponent(
            scope=self,
            resource=self._resource,
            path=self.path,
            short_name=self.short_name,
            component_name=self.component_name,
            endpoint_name=endpoint.name,
            variant_name=endpoint.variant_name,
            team=self.plan.component.team,
            role=endpoint.role,
            arns=endpoint.arns,
            names=endpoint.names,
            image_kind=endpoint.hosting.image.kind,
            server=self.server,
            model=self.base_model,
            facts=self.variants[0].facts,
            variants=tuple((variant.server, variant.memory_mib) for variant in self.variants),
        )

    def _verify(self, verification: EndpointVerification) -> None:
        verification.add(self._verified())
        stand_for(self, lambda: [self, verification.resource_of(self.component_name)])

    def _verified(self) -> VerifiedComponent:
        """Return what the endpoint's verification compares with the live component."""
        models = [
            VerifiedModel(
                name=name,
                environment=environment,
                instance_types=[instance.name for instance in variant.instances],
                draft=self.draft,
            )
            for name, environment, variant in zip(self.model_names, self.environments, self.variants, strict=True)
        ]
        return VerifiedComponent(
            name=self.component_name,
            resources=(self._resource, *self._scaling_resources),
            models=models,
            instance_types=self.specified_types,
            copy_bounds=self.copy_bounds,
            scaling_bounds=() if self.scaling is None else self.scaling.all_bounds,
            startup_seconds=self.startup_seconds,
            fingerprint=self.fingerprint,
            smoke=self.smoke,
            task=self.plan.task,
            sees=self.plan.sees,
        )

    def _warn_of_reloads(self) -> None:
        places = self.server.lora.max_loaded_loras if self.server.lora is not None else None
        if places is not None and len(self.adapters) == places + 1:
            cdk.Annotations.of(self).add_warning_v2(
                "cdk-sglang:more-adapters-than-places",
                f"more adapters than server.lora.max_loaded_loras ({places}) keeps in host memory: SGLang drops one for each beyond, "
                "and reads it from disk again when a request names it, which that request waits for; raise max_loaded_loras, or leave it out",
            )
