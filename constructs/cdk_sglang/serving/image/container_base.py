"""What the serving image is built on: AWS's SGLang container or upstream's, and what they were built for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

import aws_cdk as cdk

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.serving.image.image import ImageFacts, SglangDlc, dlc_account

UPSTREAM_TAG: Final = "lmsysorg/sglang:v0.5.23-cu130"
"""Docker Hub tag of the SGLang release whose options this library knows (0.5.23, 2026-11)."""

_UPSTREAM_CUDA: Final = "13.0"
"""lmsysorg/sglang images are built on CUDA 13.0 since 0.5.11 (sgl-project/sglang, docker/Dockerfile)."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@checked_fields
@dataclass(frozen=True, kw_only=True)
class ContainerBase:
    """A base image; make one with `upstream`, `dlc` or `of`, each with the digest that `cdk-sglang image pin` looks up.

    A tag moves: two builds of the same content would be two images, and a rollback would not go back. Whoever wants that all the
    same says why in `unpinned`.

    Attributes:
        name: Its reference without a registry that depends on the Region; part of the image's tag.
        facts: What an image built on it can run on.
        is_dlc: Whether it comes from AWS's own registry.
    """

    name: str
    facts: ImageFacts
    is_dlc: bool = False

    @staticmethod
    @checked()
    def upstream(*, digest: str | None = None, unpinned: str | None = None) -> ContainerBase:
        """SGLang's own image from Docker Hub: the release this library's options are checked against.

        Args:
            digest: "sha256:…" of the tag, so that the base cannot move.
            unpinned: Without a digest: why the base may move between two builds.

        Raises:
            ConfigurationError: Neither digest nor reason, both, or no digest at all.
        """
        return ContainerBase.of(
            UPSTREAM_TAG, digest=digest, unpinned=unpinned, cuda=_UPSTREAM_CUDA, sglang_version="0.5.23"
        )

    @staticmethod
    @checked()
    def dlc(
        tag: SglangDlc = SglangDlc.V0_5_17_UBUNTU, *, digest: str | None = None, unpinned: str | None = None
    ) -> ContainerBase:
        """AWS's SGLang container: patched by AWS, from a registry of the stack's Region, some releases behind.

        This project's entry is written against SGLang 0.5.23 and stops with one line on a release that lacks what it relies on.

        Args:
            tag: Which.
            digest: "sha256:…" of the tag, so that the base cannot move.
            unpinned: Without a digest: why the base may move between two builds.

        Raises:
            ConfigurationError: Neither digest nor reason, both, or no digest at all.
        """
        raise_if_any(pin_problems("base", digest=digest, unpinned=unpinned))
        name = f"sglang:{tag.value}" + (f"@{digest}" if digest else "")
        return ContainerBase(name=name, facts=replace(tag.facts, kind="cdk-sglang"), is_dlc=True)

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
        """Any image with SGLang inside that CodeBuild can pull without credentials, such as a mirror in ECR Public.

        Args:
            reference: "registry/name:tag".
            digest: "sha256:…" of the tag, so that the base cannot move.
            unpinned: Without a digest: why the base may move between two builds.
            cuda: CUDA toolkit of the image, such as "13.0".
            sglang_version: SGLang inside the image.
            compute_capabilities: GPU generations it was compiled for; None skips that check.

        Raises:
            ConfigurationError: A value has the wrong form.
        """
        problems = pin_problems("base", digest=digest, unpinned=unpinned)
        if not re.fullmatch(r"\d+\.\d+", cuda):
            problems.append(Problem("base.cuda", f"{cuda!r} is not a CUDA version; use major.minor, such as '13.0'"))
        raise_if_any(problems)
        facts = ImageFacts(
            sglang_version=sglang_version, cuda=cuda, compute_capabilities=compute_capabilities, kind="cdk-sglang"
        )
        return ContainerBase(name=f"{reference}@{digest}" if digest else reference, facts=facts)

    def reference(self, stack: cdk.Stack) -> str:
        """Return what `FROM` takes in a stack's Region.

        Args:
            stack: Stack whose Region decides the registry.
        """
        return f"{self.registries(stack)[0]}/{self.name}" if self.is_dlc else self.name

    def registries(self, stack: cdk.Stack) -> list[str]:
        """Return the registries to sign in to besides that of the result.

        Args:
            stack: Stack whose Region decides the registry.
        """
        return [f"{dlc_account(stack)}.dkr.ecr.{stack.region}.{stack.url_suffix}"] if self.is_dlc else []

    def repository_arns(self, stack: cdk.Stack) -> list[str]:
        """Return the repositories the build has to be allowed to pull from.

        Args:
            stack: Stack whose Region decides the registry.
        """
        if not self.is_dlc:
            return []
        return [
            stack.format_arn(service="ecr", account=dlc_account(stack), resource="repository", resource_name="sglang")
        ]


def pin_problems(path: str, *, digest: str | None, unpinned: str | None) -> list[Problem]:
    """Say why a base image is not held fast: no digest and no reason, both, or something that is none.

    Args:
        path: What to put before each.
        digest: The digest.
        unpinned: The reason there is none.
    """
    if digest is not None and not _DIGEST.fullmatch(digest):
        return [Problem(f"{path}.digest", f"{digest!r} is not a digest; use 'sha256:' and 64 hexadecimal digits")]
    if unpinned is not None and not unpinned.strip():
        return [
            Problem(f"{path}.unpinned", "is empty; say why the base may move between two builds, or give its digest")
        ]
    if (digest is None) == (unpinned is None):
        how = "digest (`cdk-sglang image pin` looks it up) and unpinned, the reason why the base may move between two builds"
        return [Problem(path, f"give exactly one of {how}")]
    return []
