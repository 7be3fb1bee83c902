"""What the serving image is built on: AWS's SGLang container or upstream's, pinned by a digest."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, StringConstraints, WithJsonSchema, model_validator

from cdk_sglang.arguments import checked
from cdk_sglang.spec.image_facts import Cuda, Digest, ImageFacts, SglangDlc, SglangVersion
from cdk_sglang.validation import Spec
from cdk_sglang.wording import exactly_one

UPSTREAM_TAG: Final = "lmsysorg/sglang:v0.5.23-cu130"
"""Docker Hub tag of the SGLang release whose options this library supports (0.5.23, 2026-11)."""

_UPSTREAM_VERSION: Final = "0.5.23"
_UPSTREAM_CUDA: Final = "13.0"
"""CUDA version of lmsysorg/sglang images since 0.5.11 (sgl-project/sglang, docker/Dockerfile)."""

_REASON_MAX_LENGTH: Final = 200


def _reason(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; say why the base may move between two builds, or give its digest")
    if len(value) > _REASON_MAX_LENGTH:
        raise ValueError(f"has {len(value)} characters; use {_REASON_MAX_LENGTH} or fewer")
    return value


Reason = Annotated[
    str,
    AfterValidator(_reason),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _REASON_MAX_LENGTH}),
]
"""Why a base has no digest."""


def require_pin(digest: str | None, unpinned: str | None) -> None:
    """Reject a base image that has neither a digest nor a reason for not having one: two builds of the same content could produce two images.

    Raises:
        ValueError: Neither digest nor reason is given, or both are.
    """
    present_names = [name for name, value in (("digest", digest), ("unpinned", unpinned)) if value is not None]
    if len(present_names) != 1:
        names = [
            "digest (`cdk-sglang image pin` looks it up)",
            "unpinned, the reason why the base may move between two builds",
        ]
        raise ValueError(exactly_one(names, present_names))


class ContainerBase(Spec):
    """A base image; make one with `upstream`, `dlc` or `of`, each with the digest that `cdk-sglang image pin` looks up.

    A tag can move: two builds of the same content could produce two images, and a rollback would not restore the earlier one. If that is
    acceptable, state the reason in `unpinned`.
    """

    _noun: ClassVar[str] = "base"

    reference: Annotated[str, StringConstraints(min_length=1)]
    """Name and tag of the image, without a registry that depends on the Region."""
    digest: Digest | None = None
    """Digest of the tag, so that the base cannot move."""
    unpinned: Reason | None = None
    """Without a digest: why the base may move between two builds."""
    cuda: Cuda
    """CUDA toolkit of the image, such as "13.0"."""
    sglang_version: SglangVersion
    """SGLang inside the image."""
    compute_capabilities: frozenset[str] | None = None
    """GPU generations it was compiled for; None if unknown, which skips that check."""
    is_dlc: bool = False
    """Whether it comes from AWS's own registry in the stack's Region."""

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        require_pin(self.digest, self.unpinned)
        return self

    @property
    def name(self) -> str:
        """Reference, with the digest if there is one; part of the built image's tag."""
        return f"{self.reference}@{self.digest}" if self.digest else self.reference

    @property
    def facts(self) -> ImageFacts:
        """Facts that decide where an image built on this base can run."""
        return ImageFacts(
            sglang_version=self.sglang_version,
            cuda=self.cuda,
            compute_capabilities=self.compute_capabilities,
            kind="cdk-sglang",
        )

    @staticmethod
    @checked()
    def upstream(*, digest: str | None = None, unpinned: str | None = None) -> ContainerBase:
        """SGLang's own image from Docker Hub: the release that this library's options are checked against.

        Args:
            digest: "sha256:…" of the tag, so that the base cannot move.
            unpinned: Without a digest: why the base may move between two builds.

        Raises:
            ConfigurationError: Neither digest nor reason is given, both are, or the digest is malformed.
        """
        return ContainerBase(
            reference=UPSTREAM_TAG,
            digest=digest,
            unpinned=unpinned,
            cuda=_UPSTREAM_CUDA,
            sglang_version=_UPSTREAM_VERSION,
        )

    @staticmethod
    @checked()
    def dlc(
        tag: SglangDlc = SglangDlc.V0_5_17_UBUNTU, *, digest: str | None = None, unpinned: str | None = None
    ) -> ContainerBase:
        """AWS's SGLang container: patched by AWS, in a registry of the stack's Region, some releases behind upstream.

        This project's entry script is written for SGLang 0.5.23. On a release that lacks a feature it relies on, it stops with one line.

        Args:
            tag: The container's tag.
            digest: "sha256:…" of the tag, so that the base cannot move.
            unpinned: Without a digest: why the base may move between two builds.

        Raises:
            ConfigurationError: Neither digest nor reason is given, both are, or the digest is malformed.
        """
        return ContainerBase(
            reference=f"sglang:{tag.value}",
            digest=digest,
            unpinned=unpinned,
            cuda=tag.facts.cuda,
            sglang_version=tag.facts.sglang_version,
            compute_capabilities=tag.facts.compute_capabilities,
            is_dlc=True,
        )

    @staticmethod
    @checked()
    def of(
        reference: str,
        *,
        digest: str | None = None,
        unpinned: str | None = None,
        cuda: str,
        sglang_version: str,
        compute_capabilities: frozenset[str] | None = None,
    ) -> ContainerBase:
        """Any image that contains SGLang and that CodeBuild can pull without credentials, such as a mirror in ECR Public.

        Args:
            reference: "registry/name:tag".
            digest: "sha256:…" of the tag, so that the base cannot move.
            unpinned: Without a digest: why the base may move between two builds.
            cuda: CUDA toolkit of the image, such as "13.0".
            sglang_version: SGLang inside the image.
            compute_capabilities: GPU generations it was compiled for; unknown by default, which skips that check.

        Raises:
            ConfigurationError: A value has the wrong form.
        """
        return ContainerBase(
            reference=reference,
            digest=digest,
            unpinned=unpinned,
            cuda=cuda,
            sglang_version=sglang_version,
            compute_capabilities=compute_capabilities,
        )
