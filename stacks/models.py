"""From settings to the library's choices: where images, weights and adapters of a stack come from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_sglang import AdapterConfig, AdapterSource, InferenceComponent, ModelSource, SglangDlc
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.planning.own import Own
from cdk_sglang.serving.image.container_base import ContainerBase
from stacks.settings import Component, Environment
from stacks.settings_models import Adapter, Image, ImageBuild, Model

if TYPE_CHECKING:
    from aws_cdk import aws_secretsmanager as secretsmanager


def base_of(asked: ImageBuild) -> ContainerBase:
    """Return what an image is built on."""
    if asked.base == "dlc":
        return ContainerBase.dlc(SglangDlc.V0_5_17_UBUNTU, digest=asked.digest, unpinned=asked.unpinned)
    return ContainerBase.upstream(digest=asked.digest, unpinned=asked.unpinned)


def builds_of(settings: Environment) -> dict[str, ImageBuild]:
    """Return every image the environment has built, by the name of the value that hands its digest on."""
    images = [settings.image, *(endpoint.image for endpoint in settings.endpoints.values())]
    builds = [image.build for image in images if isinstance(image, Image) and image.build is not None]
    return {digest_parameter(build): build for build in builds}


def digest_parameter(asked: ImageBuild) -> str:
    """Return the name under which the foundation publishes the digest of an image."""
    return f"image-digest-{hashlib.sha256(base_of(asked).name.encode()).hexdigest()[:8]}"


def sglang_version_of(asked: Image) -> str:
    """Return SGLang's release in an image."""
    if asked.dlc is not None:
        return SglangDlc(asked.dlc).facts.sglang_version
    if asked.build is not None:
        return base_of(asked.build).facts.sglang_version
    assert asked.repository is not None
    return asked.repository.sglang_version


def needs_bucket(asked: Component) -> bool:
    """Whether something of a component is in the environment's own bucket."""
    return (
        asked.model.prefix is not None
        or asked.model.hugging_face is not None
        or any(adapter.key is not None for adapter in asked.adapters.values())
    )


def model_source(scope: Construct, component: str, asked: Model, bucket: s3.IBucket | None, own: Own) -> ModelSource:
    """Return where a component's weights come from.

    Args:
        scope: The stack.
        component: Name of the component.
        asked: Its model.
        bucket: The environment's weights bucket, where something is in it.
        own: Models of the user's own.
    """
    facts = own.known_facts(asked.catalogue_id)  # an id that nobody knows is refused with its path where it is planned
    model_id = None if facts is None else asked.id
    gib = asked.weights_gib if asked.weights_gib is not None or facts is None else facts.weights_gib
    size = None if gib is None else cdk.Size.mebibytes(max(1, round(gib * 1024)))
    if asked.s3 is not None:
        return ModelSource.from_s3(asked.s3, weights_size=size, model_id=model_id, facts=facts)
    assert bucket is not None
    if asked.hugging_face is not None:
        return ModelSource.from_hugging_face(
            asked.hugging_face,
            revision=asked.revision or "",
            bucket=bucket,
            token=_secret(scope, f"{component}-HubToken", asked.token_secret),
            weights_size=size,
            facts=facts,
            include=asked.include,
            exclude=asked.exclude,
            model_id=model_id,
        )
    return ModelSource.from_bucket(bucket, asked.prefix or "", weights_size=size, model_id=model_id, facts=facts)


def add_adapters(component: InferenceComponent, asked: Component, bucket: s3.IBucket | None) -> None:
    """Put a component's adapters on it.

    Raises:
        ConfigurationError: Everything that is wrong with any of them.
    """
    problems: list[Problem] = []
    for name, adapter in asked.adapters.items():
        path = f"{component.short_name}.adapters.{name}"
        try:
            component.add_adapter(
                name,
                _adapter_source(adapter, bucket),
                config=AdapterConfig.read(Path(adapter.config)) if adapter.config else None,
                base_model=adapter.base_model,
            )
        except ConfigurationError as error:
            problems += [
                problem if problem.startswith(path) else Problem(path, f"{problem}") for problem in error.problems
            ]
    if problems:
        raise ConfigurationError(problems)


def _adapter_source(asked: Adapter, bucket: s3.IBucket | None) -> AdapterSource:
    if asked.folder is not None:
        return AdapterSource.from_folder(asked.folder)
    if asked.key is not None:
        assert bucket is not None
        return AdapterSource.from_bucket(bucket, asked.key)
    return AdapterSource.from_s3(asked.s3 or "")


def _secret(scope: Construct, construct_id: str, name: str | None) -> secretsmanager.ISecret | None:
    if name is None:
        return None
    from aws_cdk import aws_secretsmanager as secretsmanager  # noqa: PLC0415  loading it takes time, and few need it

    if name.startswith("arn:"):
        return secretsmanager.Secret.from_secret_complete_arn(scope, construct_id, name)
    return secretsmanager.Secret.from_secret_name_v2(scope, construct_id, name)
