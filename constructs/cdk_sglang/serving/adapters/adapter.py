"""Adapters: LoRA weights on top of a component, each invoked by its own name, all on the component's GPUs.

SageMaker keeps an adapter as an inference component without compute. It is created after its base, deleted before it, and
can be added, replaced and removed while the base serves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.engine import LoraOptions, SglangOptions
from cdk_sglang.errors import Problem
from cdk_sglang.serving.adapters.source import AdapterSource
from cdk_sglang.serving.alarms import metrics
from cdk_sglang.serving.component.host_memory import adapter_gib, known_adapters_problems
from cdk_sglang.serving.shared.names import logical_digest, name_problems
from cdk_sglang.weights import AdapterConfig, same_base_model

if TYPE_CHECKING:
    from cdk_sglang.serving.component.component import InferenceComponent

_GIB: Final = 2**30


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One adapter of a component; made by `InferenceComponent.add_adapter`.

    A plain value, not a construct: a component may have hundreds.

    Attributes:
        adapter_name: Its name in SageMaker; pass it as `InferenceComponentName` when invoking.
        adapter_arn: Its ARN.
        component: The component whose model it changes.
        config: What is known of it at synth.
        host_gib: Host memory it takes in each GPU's process of a copy, GiB; None where nobody knows.
        resource: The CloudFormation resource.
    """

    adapter_name: str
    adapter_arn: str
    component: InferenceComponent
    config: AdapterConfig | None
    host_gib: float | None
    resource: sagemaker.CfnInferenceComponent

    @property
    def metrics(self) -> metrics.ServingMetrics:
        """Its own invocations and latencies; GPUs and memory are its component's."""
        return metrics.ServingMetrics(
            dimensions={"InferenceComponentName": self.adapter_name},
            utilization_namespace=metrics.COMPONENT_NAMESPACE,
        )

    @checked("{self.adapter_name}")
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke this adapter alone, streaming included.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        return self.component.endpoint.grant_components(grantee, self.adapter_name)


def make_adapter(
    component: InferenceComponent,
    name: str,
    source: AdapterSource,
    *,
    config: AdapterConfig | None,
    base_model: str | None,
    readable: set[str],
) -> Adapter:
    """Create an adapter inference component.

    One CloudFormation resource and no construct beside it: with hundreds of adapters, every further call into jsii counts.

    Args:
        component: Its base.
        name: Short name, unique on the component.
        source: Its files.
        config: Overrides what the source knows.
        base_model: Name of the base model to accept besides the component's own.
        readable: S3 folders the endpoint's role may read already; added to.

    Raises:
        ConfigurationError: With every problem, before anything exists.
    """
    known = config or source.config
    adapter_name = f"{component.component_name}-{name}"
    problems = _problems(component, name, adapter_name, config=known, base_model=base_model)
    host_gib = _host_gib(component, source, known)
    if not problems:
        problems += _host_problems(component, name, host_gib)
    raise_if_any(problems)
    endpoint = component.endpoint
    cfn = sagemaker.CfnInferenceComponent
    resource = cfn(
        component,
        # As with a component: what UpdateInferenceComponent cannot change is part of the logical id.
        f"{name}On{logical_digest(endpoint.endpoint_name, endpoint.variant_name, component.component_name, adapter_name)}",
        inference_component_name=adapter_name,
        endpoint_name=endpoint.endpoint_name,
        specification=cfn.InferenceComponentSpecificationProperty(
            base_inference_component_name=component.component_name,
            container=cfn.InferenceComponentContainerSpecificationProperty(
                artifact_url=source.bind(component, endpoint.role, readable)
            ),
        ),
    )
    resource.add_resource_dependency(component.resource)
    endpoint.shared.names.take(adapter_name, "adapter", component.path)
    return Adapter(
        adapter_name=adapter_name,
        adapter_arn=endpoint.shared.arns.written("inference-component", adapter_name),
        component=component,
        config=known,
        host_gib=host_gib,
        resource=resource,
    )


def lora_problems(path: str, server: SglangOptions, image_kind: str) -> list[Problem]:
    """Say why a component cannot have adapters at all; an empty list when it can."""
    problems = []
    if image_kind != "cdk-sglang":
        problems.append(
            Problem(
                path,
                "AWS's own SGLang container has no adapter API, so SageMaker could not load the adapter; "
                "give the endpoint image=ServingImage.from_build(...)",
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
                f"server.attn_dp_size is {server.attn_dp_size}, with which SGLang takes pinned adapters alone; use 1",
            )
        )
    return problems


def _problems(
    component: InferenceComponent, name: str, adapter_name: str, *, config: AdapterConfig | None, base_model: str | None
) -> list[Problem]:
    path = f"{component.short_name}.adapters.{name}"
    if name in component.adapters:
        problems = [Problem(path, "the component has an adapter of this name already; choose another")]
    else:
        problems = name_problems(path, adapter_name, "adapter") or component.endpoint.shared.names.problems(
            path, adapter_name, "adapter", component=component.path
        )
    problems += lora_problems(path, component.server, component.endpoint.image.facts.kind)
    if config is None:
        return problems
    lora = component.server.lora or LoraOptions()
    problems += config.problems(path, max_rank=lora.max_rank, server_modules=lora.target_modules)
    served = component.base_model
    accepted = base_model or served
    trained = config.base_model
    if trained and accepted and _is_hub_id(trained) and not same_base_model(trained, accepted):
        problems.append(
            Problem(
                path,
                f"was trained on {trained}, the component serves {accepted}; "
                f"an adapter fits its own base model alone. If they are the same weights, say so with base_model: {trained}",
            )
        )
    return problems


def _host_gib(component: InferenceComponent, source: AdapterSource, config: AdapterConfig | None) -> float | None:
    if source.weights_bytes is not None:
        return source.weights_bytes / _GIB
    return adapter_gib(component.server, component.variants[0].facts, config)


def _host_problems(component: InferenceComponent, name: str, host_gib: float | None) -> list[Problem]:
    """Hold all adapters together to the copy's host memory, where nothing else bounds them: SGLang keeps each one."""
    lora = component.server.lora
    if lora is None or lora.max_loaded_loras is not None or host_gib is None:
        return []
    together = host_gib + sum(other.host_gib or 0.0 for other in component.adapters.values())
    problems = (
        problem
        for variant in component.variants
        for problem in known_adapters_problems(
            f"{component.short_name}.adapters.{name}",
            variant.server,
            adapters=len(component.adapters) + 1,
            adapters_gib=together,
            memory_mib=variant.memory_mib,
        )
    )
    return list(problems)[:1]


def _is_hub_id(name: str) -> bool:
    """Whether a base model's name says which model it is: a path of the machine it was trained on does not."""
    return not name.startswith((".", "/", "~")) and name.count("/") == 1
