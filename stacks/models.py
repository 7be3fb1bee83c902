"""Images, weights and adapters of a stack: an environment's specifications, bound to its buckets and secrets."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_sglang import AdapterSource, InferenceComponent, ModelSource
from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.naming import digest_parameter
from cdk_sglang.environments.settings import Environment
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.planning import ResolvedComponent
from cdk_sglang.spec.adapter import Adapter
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.image import Image, ImageBuild

if TYPE_CHECKING:
    from aws_cdk import aws_secretsmanager as secretsmanager


def builds_of(settings: Environment) -> dict[str, ImageBuild]:
    """Return every image that the environment builds, one per base, by the name of the parameter that publishes its digest."""
    images = [settings.image, *(endpoint.image for endpoint in settings.endpoints.values())]
    builds = [image.build for image in images if isinstance(image, Image) and image.build is not None]
    builds.sort(key=lambda build: build.docker_hub_secret is not None)  # builds with credentials win
    return {digest_parameter(build.container_base): build for build in builds}


def needs_bucket(component: Component) -> bool:
    """Whether weights, adapters or drafts of a component are in the environment's own bucket."""
    own = component.model.s3 is None or component.speculative is not None
    return own or any(adapter.key is not None for adapter in component.adapters.values())


def model_source(scope: Construct, plan: ResolvedComponent, bucket: s3.IBucket | None) -> ModelSource:
    """Return the weights of a component.

    Args:
        scope: The stack.
        plan: The component.
        bucket: The environment's weights bucket; None if nothing of the stack is in it.
    """
    model = plan.component.model
    token = secret_named(scope, f"{plan.name}-HubToken", model.token_secret)
    return ModelSource(model, bucket=bucket, token=token, facts=plan.facts)


def add_adapters(
    component: InferenceComponent,
    adapters: Mapping[str, Adapter],
    bucket: s3.IBucket | None,
    *,
    refused: Container[str] = (),
) -> None:
    """Add a component's adapters to it.

    Args:
        component: The component.
        adapters: Its adapters by name.
        bucket: The environment's weights bucket; None if nothing of the stack is in it.
        refused: Names in SageMaker of adapters that have already been refused; they are skipped.

    Raises:
        ConfigurationError: Adapters have problems; lists those of all adapters.
    """
    problems: list[Problem] = []
    for name, adapter in adapters.items():
        if f"{component.component_name}-{name}" in refused:
            continue
        try:
            source = AdapterSource(adapter, bucket=bucket)
        except ConfigurationError as error:  # about the adapter's files; these lines begin with the file
            problems += [Problem(f"{component.short_name}.adapters.{name}", line) for line in error.problems]
            continue
        try:
            component.add_adapter(name, source, base_model=adapter.base_model)
        except ConfigurationError as error:
            problems += error.problems
    raise_if_any(problems)


def secret_named(
    scope: Construct, construct_id: str, name: str | None, *, kms_key: str | None = None
) -> secretsmanager.ISecret | None:
    """Return a secret by name or ARN; None if there is none.

    Args:
        scope: The stack.
        construct_id: Id, unique in the stack.
        name: Name or ARN of the secret.
        kms_key: ARN of its KMS key; Secrets Manager's own by default.
    """
    if name is None:
        return None
    from aws_cdk import aws_secretsmanager as secretsmanager

    key = None if kms_key is None else kms.Key.from_key_arn(scope, f"{construct_id}Key", kms_key)
    if name.startswith("arn:"):
        return secretsmanager.Secret.from_secret_attributes(
            scope, construct_id, secret_complete_arn=name, encryption_key=key
        )
    if key is None:
        return secretsmanager.Secret.from_secret_name_v2(scope, construct_id, name)
    arn = cdk.Stack.of(scope).format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name=name,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
    return secretsmanager.Secret.from_secret_attributes(scope, construct_id, secret_partial_arn=arn, encryption_key=key)
