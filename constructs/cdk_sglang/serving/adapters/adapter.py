"""Adapters: LoRA weights on top of a component, each invoked by its own name, all on the component's GPUs.

In SageMaker, an adapter is an inference component without compute resources. It is created after its base component and deleted before it,
and can be added, replaced and removed while the base serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.engine import LoraOptions, SglangOptions
from cdk_sglang.errors import Problem
from cdk_sglang.planning.component.host_memory import adapter_gib, known_adapters_problems
from cdk_sglang.serving.adapters.source import AdapterSource
from cdk_sglang.serving.alarms import metric_methods, metrics
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.invocation import grant, grant_invoke
from cdk_sglang.serving.shared.names import TEAM_TAG, logical_digest
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.taken_names import TakenNames
from cdk_sglang.spec.physical_names import name_problems
from cdk_sglang.weights import AdapterConfig, same_base_model

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

    from cdk_sglang.engine.rendering import ImageKind
    from cdk_sglang.models.facts import ModelFacts

_GIB: Final = 2**30


@dataclass(frozen=True, kw_only=True)
class BaseComponent:
    """The part of a component that its adapters need.

    Attributes:
        scope: Parent of the adapter's resource.
        resource: CloudFormation resource of the component, which the adapter is created after.
        path: Construct path of the component.
        short_name: Name of the component on its endpoint.
        component_name: Name of the component in SageMaker.
        endpoint_name: Name of the endpoint.
        variant_name: Production variant of the endpoint.
        team: Team that the component's cost is attributed to; None if unspecified.
        role: Execution role of the endpoint, which reads the adapter's files.
        arns: ARNs of the account and Region.
        names: Names that are already taken in the account and Region.
        image_kind: Which entry script the container has: AWS's or this project's.
        server: SGLang's options on the preferred instance type.
        model: Model that the component serves, as its catalogue id or its repository; None if unknown.
        facts: The catalogue's facts about the model; None if there are none.
        variants: SGLang's options on each group of instance types, each with the host memory in MiB that a copy reserves.
    """

    scope: Construct
    resource: sagemaker.CfnInferenceComponent
    path: str
    short_name: str
    component_name: str
    endpoint_name: str
    variant_name: str
    team: str | None
    role: iam.IRole
    arns: SageMakerArns
    names: TakenNames
    image_kind: ImageKind
    server: SglangOptions
    model: str | None
    facts: ModelFacts | None
    variants: tuple[tuple[SglangOptions, int], ...]


@dataclass(frozen=True, kw_only=True)
class Adapter(metric_methods.ServingMetricMethods):
    """One adapter of a component; created by `InferenceComponent.add_adapter`.

    A plain object, not a construct: a component may have hundreds.

    Attributes:
        adapter_name: Its name in SageMaker; pass it as `InferenceComponentName` when invoking.
        adapter_arn: Its ARN.
        component_name: Name of the component whose model it adapts.
        endpoint_name: Name of the endpoint.
        arns: ARNs of the endpoint's account and Region.
        config: Rank, modules and base model; None if unknown at synth.
        host_gib: Host memory that it takes in each GPU process of a copy, in GiB; None if unknown.
        resource: The CloudFormation resource.
    """

    adapter_name: str
    adapter_arn: str
    component_name: str
    endpoint_name: str
    arns: SageMakerArns
    config: AdapterConfig | None
    host_gib: float | None
    resource: sagemaker.CfnInferenceComponent

    @property
    def metrics(self) -> metrics.ServingMetrics:
        """Invocations and latencies of the adapter; GPU and memory metrics belong to its component."""
        return metrics.ServingMetrics(
            dimensions={"InferenceComponentName": self.adapter_name},
            utilization_namespace=metrics.COMPONENT_NAMESPACE,
            region=self.arns.region,
            account=self.arns.account,
        )

    @checked("{self.adapter_name}")
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke only this adapter, with or without streaming.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        return grant_invoke(grantee, self.arns, self.endpoint_name, self.adapter_name)

    @checked("{self.adapter_name}")
    def grant_describe(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee read status and specification of this adapter.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        arns = self.arns.allowed("inference-component", self.adapter_name)
        return grant(grantee, permissions.DESCRIBE_COMPONENT, arns)

    def _published(self, name: str, options: metric_methods.MetricOptions) -> cloudwatch.Metric:
        return self.metrics.published(name, options)


def make_adapter(
    base: BaseComponent,
    name: str,
    source: AdapterSource,
    *,
    config: AdapterConfig | None,
    base_model: str | None,
    adapter_name: str | None,
    others: Mapping[str, Adapter],
    readable: set[str],
) -> Adapter:
    """Create an adapter inference component.

    This creates one CloudFormation resource and no other construct: with hundreds of adapters, every further call into jsii counts.

    Args:
        base: The component.
        name: Short name, unique on the component.
        source: Its files.
        config: Rank, modules and base model; those of the source by default.
        base_model: Name of the base model to accept in addition to the component's own.
        adapter_name: Name in SageMaker; "<component name>-<name>" by default.
        others: The component's existing adapters, by short name.
        readable: S3 folders that the endpoint's role may already read; extended by this call.

    Raises:
        ConfigurationError: Any argument is wrong; lists every problem, before any resource exists.
    """
    known = config or source.config
    path = f"{base.short_name}.adapters.{name}"
    if adapter_name is None:
        adapter_name = f"{base.component_name}-{name}"
        problems = _name_problems(base, path, name, adapter_name, others)
    else:
        # The short name, which is part of the construct id, follows the same rule.
        problems = name_problems(path, name, "adapter") + _name_problems(
            base, f"{path}.adapter_name", name, adapter_name, others
        )
    problems += lora_problems(path, base.server, base.image_kind)
    if known is not None:
        problems += _config_problems(base, path, known, base_model)
    host_gib = _host_gib(base, source, known)
    team = source.team or base.team
    if not problems:
        problems += _host_problems(base, path, others, host_gib)
    raise_if_any(problems)
    cfn = sagemaker.CfnInferenceComponent
    resource = cfn(
        base.scope,
        # As with a component: properties that UpdateInferenceComponent cannot change are part of the logical id.
        f"{name}On{logical_digest(base.endpoint_name, base.variant_name, base.component_name, adapter_name)}",
        inference_component_name=adapter_name,
        endpoint_name=base.endpoint_name,
        tags=None if team is None else [cdk.CfnTag(key=TEAM_TAG, value=team)],
        specification=cfn.InferenceComponentSpecificationProperty(
            base_inference_component_name=base.component_name,
            container=cfn.InferenceComponentContainerSpecificationProperty(
                artifact_url=source.bind(base.scope, base.role, readable)
            ),
        ),
    )
    resource.add_resource_dependency(base.resource)
    base.names.take(adapter_name, "adapter", base.path)
    return Adapter(
        adapter_name=adapter_name,
        adapter_arn=base.arns.written("inference-component", adapter_name),
        component_name=base.component_name,
        endpoint_name=base.endpoint_name,
        arns=base.arns,
        config=known,
        host_gib=host_gib,
        resource=resource,
    )


def lora_problems(path: str, server: SglangOptions, image_kind: ImageKind) -> list[Problem]:
    """Return why a component cannot have adapters at all; empty if it can."""
    problems = []
    if image_kind != "cdk-sglang":
        problems.append(
            Problem(
                path,
                "AWS's own SGLang container has no adapter API, so SageMaker could not load the adapter; "
                "use the image that cdk-sglang builds (image.build)",
            )
        )
    if server.lora is None:
        problems.append(
            Problem(
                path,
                "the component's server.lora is not set, so SGLang starts without room for adapters; "
                "add lora with max_rank and target_modules",
            )
        )
    if server.attn_dp_size > 1:
        problems.append(
            Problem(
                path,
                f"server.attn_dp_size is {server.attn_dp_size}, with which SGLang accepts only pinned adapters; use 1",
            )
        )
    return problems


def _name_problems(
    base: BaseComponent, path: str, name: str, adapter_name: str, others: Mapping[str, Adapter]
) -> list[Problem]:
    if name in others:
        text = "the component has an adapter of this name already; choose another"
        return [Problem(f"{base.short_name}.adapters.{name}", text)]
    return name_problems(path, adapter_name, "adapter") or base.names.problems(
        path, adapter_name, "adapter", component=base.path
    )


def _config_problems(base: BaseComponent, path: str, config: AdapterConfig, base_model: str | None) -> list[Problem]:
    lora = base.server.lora or LoraOptions()
    problems = config.problems(path, max_rank=lora.max_rank, server_modules=lora.target_modules)
    accepted = base_model or base.model
    trained = config.base_model
    if trained and accepted and _is_hub_id(trained) and not same_base_model(trained, accepted):
        problems.append(
            Problem(
                path,
                f"was trained on {trained}, the component serves {base.model}; "
                f"an adapter fits only its own base model. If the weights are the same, set base_model: {trained}",
            )
        )
    return problems


def _host_gib(base: BaseComponent, source: AdapterSource, config: AdapterConfig | None) -> float | None:
    if source.weights_bytes is not None:
        return source.weights_bytes / _GIB
    return adapter_gib(base.server, base.facts, config)


def _host_problems(
    base: BaseComponent, path: str, others: Mapping[str, Adapter], host_gib: float | None
) -> list[Problem]:
    """Check all adapters together against the copy's host memory if nothing else limits them: SGLang keeps each one in memory."""
    lora = base.server.lora
    if lora is None or lora.max_loaded_loras is not None or host_gib is None:
        return []
    together = host_gib + sum(other.host_gib or 0.0 for other in others.values())
    problems = (
        problem
        for server, memory_mib in base.variants
        for problem in known_adapters_problems(
            path, server, adapters=len(others) + 1, adapters_gib=together, memory_mib=memory_mib
        )
    )
    return list(problems)[:1]


def _is_hub_id(name: str) -> bool:
    """Whether a base model's name identifies a model: a path on the machine where it was trained does not."""
    return not name.startswith((".", "/", "~")) and name.count("/") == 1
