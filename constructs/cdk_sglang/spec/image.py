"""The serving container of an endpoint, for both environment files and `ServingImage`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, StringConstraints, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.engine.rendering import ImageKind
from cdk_sglang.errors import Problem
from cdk_sglang.spec.alternatives import OneOf, exactly_one_of
from cdk_sglang.spec.container_base import ContainerBase, Reason, require_pin
from cdk_sglang.spec.image_facts import Cuda, Digest, DigestOrToken, DlcTag, ImageFacts, SglangDlc, SglangVersion
from cdk_sglang.spec.secrets import KeyArn, SecretId
from cdk_sglang.validation import Spec
from cdk_sglang.wording import exactly_one


class ImageBuild(Spec):
    """This project's image, which CodeBuild builds when its content changes; exactly one of digest and unpinned."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("digest", "unpinned"))

    base: Literal["upstream", "dlc"] = "upstream"
    """Base image: SGLang's own, or AWS's, which is patched by AWS and some releases behind."""
    digest: Digest | None = None
    """Digest of the base image, so that it cannot move; `cdk-sglang image pin` looks it up."""
    unpinned: Reason | None = None
    """Without a digest: why the base image may move between two builds."""
    docker_hub_secret: SecretId | None = None
    """Name or ARN of a secret with credentials for Docker Hub, {"username": ..., "password": an access token}. Without credentials, Docker Hub
    limits pulls per IP address, and other builds in AWS share that address."""
    docker_hub_kms_key: KeyArn | None = None
    """With docker_hub_secret: ARN of the KMS key that encrypts the secret, unless it is Secrets Manager's own."""

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        require_pin(self.digest, self.unpinned)
        if self.docker_hub_kms_key is not None and self.docker_hub_secret is None:
            raise ValueError("docker_hub_kms_key goes with docker_hub_secret; remove it, or name the secret")
        return self

    @property
    def container_base(self) -> ContainerBase:
        """The base image."""
        make = ContainerBase.dlc if self.base == "dlc" else ContainerBase.upstream
        return make(digest=self.digest, unpinned=self.unpinned)


class RepositoryImage(Spec):
    """An image in an ECR repository of the same account and Region, built on this project's container."""

    name: Annotated[str, StringConstraints(min_length=2, max_length=256)]
    """Name of the repository."""
    digest: Digest
    """Digest of the image."""
    cuda: Cuda
    """CUDA toolkit version of the image, such as "13.0", in quotes."""
    sglang_version: SglangVersion
    """SGLang version in the image."""

    @property
    def facts(self) -> ImageFacts:
        """Facts that decide where the image can run."""
        return ImageFacts(
            sglang_version=self.sglang_version, cuda=self.cuda, compute_capabilities=None, kind="cdk-sglang"
        )


class Image(OneOf):
    """The serving container; exactly one of build, dlc and repository."""

    _noun: ClassVar[str] = "image"
    _alternatives: ClassVar[tuple[str, ...]] = ("build", "dlc", "repository")

    build: ImageBuild | None = None
    """This project's image, with adapters, sticky sessions and deep health checks."""
    dlc: DlcTag | None = None
    """Tag of AWS's own SGLang container, without adapters and sessions; nothing is built."""
    digest: Digest | None = None
    """With dlc: digest of the tag, because AWS moves tags when it rebuilds an image; `cdk-sglang image pin --base dlc` looks it up."""
    repository: RepositoryImage | None = None
    """An image you built."""

    @model_validator(mode="after")
    def _digest_fits(self) -> Self:
        if self.digest is not None and self.dlc is None:
            raise_if_any(
                [Problem("digest", "goes with dlc; remove it: build and repository have a digest of their own")]
            )
        return self

    @property
    def facts(self) -> ImageFacts:
        """Facts that decide where the container can run."""
        if self.dlc is not None:
            return SglangDlc(self.dlc).facts
        if self.build is not None:
            return self.build.container_base.facts
        assert self.repository is not None
        return self.repository.facts


class PulledImage(Spec):
    """An image in a repository that Python code holds as an object; exactly one of digest and tag.

    `RepositoryImage` is the equivalent in environment files; it takes the repository's name and the image's digest.
    """

    _noun: ClassVar[str] = "image"

    digest: DigestOrToken | None = None
    """Digest of the image, which cannot change under a running endpoint; may be known only at deployment."""
    tag: str | None = None
    """Tag of the image, if there is no digest."""
    cuda: Cuda
    """CUDA toolkit version of the image, such as "12.8"."""
    sglang_version: SglangVersion
    """SGLang version in the image."""
    compute_capabilities: frozenset[str] | None = None
    """GPU generations it was compiled for; None if unknown, which skips that check."""
    kind: ImageKind = "cdk-sglang"
    """Which entry script it has: AWS's or this project's."""

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        present_names = [name for name in ("digest", "tag") if getattr(self, name) is not None]
        if len(present_names) != 1:
            why = " (a digest cannot move under a running endpoint)"
            raise ValueError(exactly_one(["digest", "tag"], present_names, why=why))
        return self

    @property
    def facts(self) -> ImageFacts:
        """What the image can run on."""
        return ImageFacts(
            sglang_version=self.sglang_version,
            cuda=self.cuda,
            compute_capabilities=self.compute_capabilities,
            kind=self.kind,
        )
