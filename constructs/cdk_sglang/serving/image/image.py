"""The serving container of an endpoint: AWS's own, the author's own image, or one that the deployment builds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.errors import Problem
from cdk_sglang.serving.image.origins import DlcOrigin, ImageOrigin, RepositoryOrigin
from cdk_sglang.spec.container_base import ContainerBase
from cdk_sglang.spec.image import Image, PulledImage
from cdk_sglang.spec.image_facts import ImageFacts, SglangDlc

if TYPE_CHECKING:  # loading a service's constructs takes time, and these are only named in annotations
    from aws_cdk import aws_ecr as ecr
    from aws_cdk import aws_secretsmanager as secretsmanager

    from cdk_sglang.serving.shared.log_options import LogOptions


class ServingImage:
    """The serving container; make one with a `from_*` method. It is bound once per endpoint.

    Args:
        facts: Versions and GPU generations it was built for.
        origin: Registry that it is pulled from.

    Attributes:
        facts: Versions and GPU generations it was built for.
    """

    def __init__(self, facts: ImageFacts, origin: ImageOrigin) -> None:
        self.facts = facts
        self._origin = origin

    @staticmethod
    @checked()
    def from_dlc(tag: SglangDlc = SglangDlc.V0_5_17_UBUNTU, *, digest: str | None = None) -> ServingImage:
        """AWS's own SGLang container, from the registry account of the stack's Region.

        Args:
            tag: Tag of AWS's image.
            digest: "sha256:…" of the tag, because AWS moves tags when it rebuilds an image; by default each instance pulls the image that the
                tag refers to when the instance starts.

        Raises:
            ConfigurationError: The digest has the wrong form.
        """
        image = Image(dlc=tag.value, digest=digest)
        return ServingImage(image.facts, DlcOrigin(tag, image.digest))

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
        """An image in your own ECR repository.

        Args:
            repository: The repository; the endpoint's role may pull from it.
            digest: "sha256:…" of the image; preferred, because a digest cannot change under a running endpoint.
            tag: A tag, if there is no digest; exactly one of the two.
            cuda: CUDA toolkit version of the image, such as "12.8".
            sglang_version: SGLang version in the image.
            compute_capabilities: GPU generations it was compiled for; unknown by default, which skips that check.
            kind: Which entry script it has: AWS's or this project's.

        Raises:
            ConfigurationError: Not exactly one of digest and tag, or a value has the wrong form.
        """
        image = PulledImage(
            digest=digest,
            tag=tag,
            cuda=cuda,
            sglang_version=sglang_version,
            compute_capabilities=compute_capabilities,
            kind=kind,
        )
        return ServingImage(image.facts, RepositoryOrigin(repository, image))

    @staticmethod
    @checked()
    def from_build(
        *,
        repository: ecr.IRepository,
        base: ContainerBase,
        source: Path | None = None,
        log_options: LogOptions | None = None,
        docker_hub: secretsmanager.ISecret | None = None,
    ) -> ServingImage:
        """This project's image, which supports SageMaker's adapters and sessions, built by CodeBuild during the deployment.

        It is built only if its content has changed, and used by digest. Endpoints of one stack with the same repository share a build.

        Args:
            repository: Repository that the image is pushed to; make its tags immutable and enable scan on push.
            base: The image it is built on, such as `ContainerBase.upstream(digest="sha256:…")`.
            source: Folder with the Dockerfile; this project's own by default.
            log_options: Retention, key and removal of the build's logs; those of `HelperFunctions` by default.
            docker_hub: Secret with credentials for Docker Hub, a JSON text with `username` and `password` (an access token); by default the
                build pulls without credentials, which Docker Hub rate-limits.
        """
        from cdk_sglang.serving.image.built_image import BuildOrigin

        return ServingImage(
            base.facts,
            BuildOrigin(
                repository=repository, base=base, source=source, log_options=log_options, docker_hub=docker_hub
            ),
        )

    def region_problems(self, region: str) -> list[Problem]:
        """Return why the image cannot be pulled in a Region that is known at synth; empty if it can.

        Args:
            region: Region of the stack.
        """
        return self._origin.region_problems(region)

    def bind(self, scope: Construct, role: iam.IRole) -> str:
        """Let the role pull the image, and return its URI.

        Args:
            scope: Construct in which the image's resources are created.
            role: Role that pulls the image.
        """
        return self._origin.bind(scope, role)
