"""Origins of a serving image: AWS's registry, or the author's own ECR repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.errors import Problem
from cdk_sglang.serving.image.registry import dlc_region_problems, dlc_registry, dlc_repository_arn, grant_pull

if TYPE_CHECKING:  # loading a service's constructs takes time, and these are only named in annotations
    from aws_cdk import aws_ecr as ecr

    from cdk_sglang.spec.image import PulledImage
    from cdk_sglang.spec.image_facts import SglangDlc


class ImageOrigin(Protocol):
    """The registry that an image is pulled from."""

    def region_problems(self, region: str) -> list[Problem]:
        """Return why the image cannot be pulled in a Region that is known at synth."""

    def bind(self, scope: Construct, role: iam.IRole) -> str:
        """Let a role pull the image, and return its URI."""


class DlcOrigin:
    """AWS's own SGLang container, in the registry of the stack's Region."""

    def __init__(self, tag: SglangDlc, digest: str | None) -> None:
        self._reference = f":{tag.value}" if digest is None else f"@{digest}"

    def region_problems(self, region: str) -> list[Problem]:
        """Return a problem if the Region has no such registry."""
        return dlc_region_problems(region)

    def bind(self, scope: Construct, role: iam.IRole) -> str:
        """Let the role pull from AWS's repository, and return the URI with tag or digest."""
        stack = cdk.Stack.of(scope)
        grant_pull(scope, role, dlc_repository_arn(stack))
        return f"{dlc_registry(stack)}/sglang{self._reference}"


class RepositoryOrigin:
    """An image in the author's own ECR repository."""

    def __init__(self, repository: ecr.IRepository, image: PulledImage) -> None:
        self._repository = repository
        self._image = image

    def region_problems(self, region: str) -> list[Problem]:  # noqa: ARG002  the image is where its author pushed it
        """Return no problem: every Region is allowed."""
        return []

    def bind(self, scope: Construct, role: iam.IRole) -> str:
        """Let the role pull from the repository, and return the URI by digest or tag."""
        grant_pull(scope, role, self._repository.repository_arn)
        # Not repository_uri_for_tag_or_digest: it mistakes a digest that is known only at deployment for a tag.
        if self._image.digest is not None:
            return self._repository.repository_uri_for_digest(self._image.digest)
        return self._repository.repository_uri_for_tag(self._image.tag)
