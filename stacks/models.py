"""Images, weights and adapters of a stack: an environment's specifications, bound to its buckets and secrets."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_sglang import AdapterSource, InferenceComponent, ModelSource
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.planning.own import Own
from cdk_sglang.spec.container_base import ContainerBase
from cdk_sglang.spec.image import Image
from cdk_sglang.spec.model import Model
from stacks.settings import Component, Environment

if TYPE_CHECKING:
    from aws_cdk import aws_secretsmanager as secretsmanager

_MIB_PER_GIB: Final = 1024


def builds_of(settings: Environment) -> dict[str, ContainerBase]:
    """Return the base of every image that the environment builds, by the name of the value that publishes its digest."""
    images = [settings.image, *(endpoint.image for endpoint in settings.endpoints.values())]
    bases = [image.build.container_base for image in images if isinstance(image, Image) and image.build is not None]
    return {digest_parameter(base): base for base in bases}


def digest_parameter(base: ContainerBase) -> str:
    """Return the name under which the foundation publishes the digest of the image that is built on a base."""
    return f"image-digest-{hashlib.sha256(base.name.encode()).hexdigest()[:8]}"


def needs_bucket(component: Component) -> bool:
    """Whether weights or adapters of a component are in the environment's own bucket."""
    return component.model.s3 is None or any(adapter.key is not None for adapter in component.adapters.values())


def model_source(scope: Construct, component: str, model: Model, bucket: s3.IBucket | None, own: Own) -> ModelSource:
    """Return the weights of a component.

    Args:
        scope: The stack.
        component: Name of the component.
        model: Its model.
        bucket: The environment's weights bucket; None where nothing of the stack is in it.
        own: Models of the user's own.
    """
    facts = own.known_facts(model.catalogue_id)
    token = _secret(scope, f"{component}-HubToken", model.token_secret)
    return ModelSource(
        _described(model, None if facts is None else facts.weights_gib), bucket=bucket, token=token, facts=facts
    )


def _described(model: Model, known_gib: float | None) -> Model:
    """Return a model without an id that nobody knows, which the planner refuses with its path, and with its size in whole MiB."""
    gib = known_gib if model.weights_gib is None else model.weights_gib
    size = None if gib is None else max(1, round(gib * _MIB_PER_GIB)) / _MIB_PER_GIB
    return model.replace(id=None if known_gib is None else model.id, weights_gib=size)


def add_adapters(component: InferenceComponent, settings: Component, bucket: s3.IBucket | None) -> None:
    """Put a component's adapters on it.

    Raises:
        ConfigurationError: Everything that is wrong with any of them.
    """
    problems: list[Problem] = []
    for name, adapter in settings.adapters.items():
        try:
            source = AdapterSource(adapter, bucket=bucket)
        except ConfigurationError as error:  # of the adapter's files, whose lines begin with the file
            problems += [Problem(f"{component.short_name}.adapters.{name}", line) for line in error.problems]
            continue
        try:
            component.add_adapter(name, source, base_model=adapter.base_model)
        except ConfigurationError as error:
            problems += error.problems
    raise_if_any(problems)


def _secret(scope: Construct, construct_id: str, name: str | None) -> secretsmanager.ISecret | None:
    if name is None:
        return None
    from aws_cdk import aws_secretsmanager as secretsmanager  # noqa: PLC0415  loading it takes time, and few need it

    if name.startswith("arn:"):
        return secretsmanager.Secret.from_secret_complete_arn(scope, construct_id, name)
    return secretsmanager.Secret.from_secret_name_v2(scope, construct_id, name)
