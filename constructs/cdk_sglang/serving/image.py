"""Where the serving container comes from, and what it was built for: CUDA, GPU generations, SGLang's version."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang import hardware
from cdk_sglang.arguments import checked
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.serving import permissions

if TYPE_CHECKING:  # loading a service's constructs takes time, and these are only named in annotations
    from aws_cdk import aws_ecr as ecr

    from cdk_sglang.serving.container_base import ContainerBase
    from cdk_sglang.serving.runtime_functions import LogOptions

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_CUDA: Final = re.compile(r"[0-9]+\.[0-9]+")


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What a serving image was built for.

    Args:
        sglang_version: SGLang inside the image, such as "0.5.17".
        cuda: CUDA toolkit of the image, such as "13.0"; decides the driver, thus the inference AMI.
        compute_capabilities: GPU generations its kernels were compiled for ("9.0" is Hopper); None when not known, which
            skips that check.
        kind: "dlc" has the entry script of AWS's container (one value a flag); "cdk-sglang" has this project's entry.
    """

    sglang_version: str
    cuda: str
    compute_capabilities: frozenset[str] | None
    kind: Literal["dlc", "cdk-sglang"]


class SglangDlc(Enum):
    """Tags of AWS's SGLang deep learning container (github.com/aws/deep-learning-containers, docs/sglang, read 2026-08-21)."""

    V0_5_17_UBUNTU = "0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker"
    """Built on lmsysorg/sglang; for every GPU family of SageMaker hosting."""

    V0_5_17_AL2023 = "server-sagemaker-cuda-v1.3"
    """Compiled for Hopper and Blackwell data-centre GPUs only: not for g5, g6, g6e, g7e and p4."""

    @property
    def facts(self) -> ImageFacts:
        """What this tag was built for."""
        hopper_and_blackwell = frozenset({"9.0", "10.0", "10.3"})
        # The Ubuntu image is upstream's own, whose kernels cover Ampere to Blackwell; its build arguments do not list them.
        return ImageFacts(
            sglang_version="0.5.17",
            cuda="13.0",
            compute_capabilities=hopper_and_blackwell if self is SglangDlc.V0_5_17_AL2023 else None,
            kind="dlc",
        )


class ServingImage(ABC):
    """The container that serves; make one with a `from_*` method. Bound once per endpoint.

    Args:
        facts: What the image can run on: CUDA, GPU generations, SGLang's release.
    """

    def __init__(self, facts: ImageFacts) -> None:
        self.facts = facts

    @staticmethod
    @checked()
    def from_dlc(tag: SglangDlc = SglangDlc.V0_5_17_UBUNTU) -> ServingImage:
        """AWS's own SGLang container, from the registry account of the stack's Region.

        Args:
            tag: Tag of AWS's image.
        """
        return _DlcImage(tag)

    @staticmethod
    @checked()
    def from_repository(
        repository: ecr.IRepository,
        *,
        digest: str | None = None,
        tag: str | None = None,
        cuda: str,
        sglang_version: str,
        compute_capabilities: frozenset[str] | None = None,
        kind: Literal["dlc", "cdk-sglang"] = "cdk-sglang",
    ) -> ServingImage:
        """An image in an ECR repository of yours.

        Args:
            repository: The repository; the endpoint's role may pull from it.
            digest: "sha256:…" of the image; a digest cannot move under a running endpoint, so prefer it.
            tag: A tag, when there is no digest; exactly one of the two.
            cuda: CUDA toolkit of the image, such as "12.8".
            sglang_version: SGLang inside the image.
            compute_capabilities: GPU generations it was compiled for; None skips that check.
            kind: Whose entry script it has.

        Raises:
            ConfigurationError: Not exactly one of digest and tag, or a value has the wrong form.
        """
        problems = []
        if (digest is None) == (tag is None):
            problems.append("image: give exactly one of digest and tag; a digest cannot move under a running endpoint")
        if digest is not None and not cdk.Token.is_unresolved(digest) and not _DIGEST.fullmatch(digest):
            problems.append(f"image.digest: {digest!r} is not a digest; use 'sha256:' and 64 hexadecimal digits")
        if cdk.Token.is_unresolved(cuda):
            problems.append("image.cuda: must be known at synth, got a token; give a literal such as '13.0'")
        elif not _CUDA.fullmatch(cuda):
            problems.append(f"image.cuda: {cuda!r} is not a CUDA version; use major.minor, such as '13.0'")
        if problems:
            raise ConfigurationError(problems)
        facts = ImageFacts(
            sglang_version=sglang_version, cuda=cuda, compute_capabilities=compute_capabilities, kind=kind
        )
        return _RepositoryImage(facts, repository, digest=digest, tag=tag)

    @staticmethod
    @checked()
    def from_build(
        *,
        repository: ecr.IRepository,
        base: ContainerBase,
        source: Path | None = None,
        log_options: LogOptions | None = None,
    ) -> ServingImage:
        """This project's image, with SageMaker's adapter and session contract, built by CodeBuild during the deployment.

        It is built when its content has changed and used by digest. Endpoints of one stack with the same repository share a build.

        Args:
            repository: Where the image goes; make its tags immutable and its scan on push.
            base: What it is built on, such as `ContainerBase.upstream(digest="sha256:…")`.
            source: Folder with the Dockerfile; this project's own by default.
            log_options: What becomes of the build's logs; kept for 30 days by default.
        """
        from cdk_sglang.serving.built_image import BuiltServingImage  # noqa: PLC0415  it builds on this module

        return BuiltServingImage(repository=repository, base=base, source=source, log_options=log_options)

    def region_problems(self, region: str) -> list[str]:  # noqa: ARG002  most images are wherever they were pushed
        """Say why the image cannot be pulled in a Region that is known at synth.

        Args:
            region: Region of the stack.
        """
        return []

    @abstractmethod
    def bind(self, scope: Construct, role: iam.IRole) -> str:
        """Let the role pull the image and return its URI.

        Args:
            scope: Construct below which the image's resources are created.
            role: Role that pulls the image.
        """


def grant_pull(role: iam.IRole, repository_arn: str) -> None:
    """Let a role pull from one repository."""
    role.add_to_principal_policy(
        iam.PolicyStatement(sid="PullImage", actions=list(permissions.PULL_IMAGE), resources=[repository_arn])
    )
    role.add_to_principal_policy(
        iam.PolicyStatement(sid="RegistryLogin", actions=list(permissions.REGISTRY_LOGIN), resources=["*"])
    )


class _DlcImage(ServingImage):
    def __init__(self, tag: SglangDlc) -> None:
        super().__init__(tag.facts)
        self._tag = tag.value

    def region_problems(self, region: str) -> list[str]:
        return dlc_region_problems(region)

    def bind(self, scope: Construct, role: iam.IRole) -> str:
        stack = cdk.Stack.of(scope)
        account = dlc_account(stack)
        grant_pull(
            role, stack.format_arn(service="ecr", account=account, resource="repository", resource_name="sglang")
        )
        return f"{account}.dkr.ecr.{stack.region}.{stack.url_suffix}/sglang:{self._tag}"


def dlc_region_problems(region: str) -> list[str]:
    """Say that a Region has none of AWS's deep learning containers."""
    if hardware.dlc_account(region) is not None:
        return []
    from aws_cdk import region_info  # noqa: PLC0415  CDK's facts take time to load, and the table has nearly all Regions

    if region_info.RegionInfo.get(region).dlc_repository_account is not None:
        return []
    return [
        (
            f"AWS publishes no deep learning containers in {region}; "
            "copy the image to a repository of yours and use from_repository"
        )
    ]


def dlc_account(stack: cdk.Stack) -> str:
    """Return the account of AWS's deep learning containers in a stack's Region, looked up at deployment where that is not known."""
    known = hardware.dlc_account(stack.region)
    if known is not None:
        return known
    from aws_cdk import region_info  # noqa: PLC0415  as above

    return stack.regional_fact(region_info.FactName.DLC_REPOSITORY_ACCOUNT)


class _RepositoryImage(ServingImage):
    def __init__(self, facts: ImageFacts, repository: ecr.IRepository, *, digest: str | None, tag: str | None) -> None:
        super().__init__(facts)
        self._repository = repository
        self._digest = digest
        self._tag = tag

    def bind(self, scope: Construct, role: iam.IRole) -> str:  # noqa: ARG002
        grant_pull(role, self._repository.repository_arn)
        # Not repository_uri_for_tag_or_digest: it takes a digest that is known at deployment for a tag.
        if self._digest is not None:
            return self._repository.repository_uri_for_digest(self._digest)
        return self._repository.repository_uri_for_tag(self._tag)
