"""`ServingImage.from_build`: the image of a `ServingImageBuild` in the endpoint's stack."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.errors import Problem
from cdk_sglang.serving.image.build import ServingImageBuild
from cdk_sglang.serving.image.registry import dlc_region_problems, grant_pull
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.serving.shared.singletons import singleton
from cdk_sglang.spec.container_base import ContainerBase

if TYPE_CHECKING:  # loading a service's constructs takes time, and this one is only named in annotations
    from aws_cdk import aws_secretsmanager as secretsmanager


class BuildOrigin:
    """An image that is built while its endpoint's stack is deployed; endpoints of one stack share the build."""

    def __init__(
        self,
        *,
        repository: ecr.IRepository,
        base: ContainerBase,
        source: Path | None,
        log_options: LogOptions | None,
        docker_hub: secretsmanager.ISecret | None,
    ) -> None:
        self._repository = repository
        self._base = base
        self._source = source
        self._log_options = log_options
        self._docker_hub = docker_hub

    def region_problems(self, region: str) -> list[Problem]:
        """Return why the base cannot be pulled in a Region; empty if it can."""
        return dlc_region_problems(region) if self._base.is_dlc else []

    def bind(self, scope: Construct, role: iam.IRole) -> str:
        """Let the role pull the image, and return its URI by digest."""
        # The id depends on base and repository, not on the content: new content must update the build, not replace it.
        key = hashlib.sha256(f"{self._repository.node.path}\0{self._base.name}".encode()).hexdigest()[:8].upper()
        build = singleton(
            scope,
            f"ServingImage{key}",
            ServingImageBuild,
            lambda stack, construct_id: ServingImageBuild(
                stack,
                construct_id,
                repository=self._repository,
                base=self._base,
                source=self._source,
                log_options=self._log_options,
                docker_hub=self._docker_hub,
            ),
        )
        grant_pull(scope, role, self._repository.repository_arn)
        return self._repository.repository_uri_for_digest(build.image.digest)
