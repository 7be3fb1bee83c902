"""The artifact of a runtime: a zip of Python code that a deployment builds, or an image that is already in ECR."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_s3 as s3

from cdk_sglang.agents import permissions
from cdk_sglang.agents.package.sources import ENTRY, AgentSources
from cdk_sglang.agents.roles import allow
from cdk_sglang.arguments import checked_fields
from cdk_sglang.assets import find_folder
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.permissions import PULL_IMAGE, REGISTRY_LOGIN

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from constructs import Construct

_ENTRY_POINT: Final = ("opentelemetry-instrument", ENTRY)
"""One or two words are allowed (botocore 1.44.5, CodeConfiguration.entryPoint); the first loads ADOT, the second is ours."""


@dataclass(frozen=True, kw_only=True)
class BoundArtifact:
    """An artifact in a stack.

    Attributes:
        rendered: For the runtime.
        statements: What the runtime's role needs for it.
        wildcards: Resources in them that are all resources.
    """

    rendered: agentcore.AgentRuntimeArtifact
    statements: tuple[iam.PolicyStatement, ...]
    wildcards: tuple[str, ...] = ()


@checked_fields
@dataclass(frozen=True, kw_only=True)
class AgentCode:
    """A folder of Python with `main.py` and `requirements.lock`, as a zip for Python 3.13 on arm64.

    Synth hashes the folder, and neither builds nor downloads anything: the CDK CLI runs the packaging when it publishes assets, and only
    if the bucket has no zip of that hash.

    Attributes:
        folder: The folder; the project's own agent by default.
        mlflow: Whether the packages of `requirements-mlflow.lock` are shipped.
    """

    folder: Path | str | None = None
    mlflow: bool = False

    def sources(self) -> AgentSources:
        """Return the files that are shipped.

        Raises:
            ConfigurationError: The folder lacks a required file.
        """
        try:
            folder = find_folder("agent", holds=ENTRY) if self.folder is None else Path(self.folder)
        except FileNotFoundError as error:
            raise ConfigurationError([Problem("", f"{error}; name a folder of your own")]) from None
        return AgentSources.read(folder, mlflow=self.mlflow)

    def bind(self, scope: Construct) -> BoundArtifact:
        """Add the zip to the stack's assets.

        Args:
            scope: Construct of the runtime.
        """
        sources = self.sources()
        stack = cdk.Stack.of(scope)
        source_hash = sources.source_hash()
        asset = stack.synthesizer.add_file_asset(
            # The output of a command has no file name from which CDK could take the extension: the key is the hash alone.
            source_hash=f"{source_hash}.zip",
            executable=package_command(sources, source_hash),
            display_name="Agent",
        )
        arn = stack.format_arn(
            service="s3", region="", account="", resource=asset.bucket_name, resource_name=asset.object_key
        )
        return BoundArtifact(
            rendered=agentcore.AgentRuntimeArtifact.from_s3(
                s3.Location(bucket_name=asset.bucket_name, object_key=asset.object_key),
                agentcore.AgentCoreRuntime.PYTHON_3_13,
                list(_ENTRY_POINT),
            ),
            statements=(allow(permissions.READ_CODE, [arn], sid="ReadCode"),),
        )


@checked_fields
@dataclass(frozen=True, kw_only=True)
class AgentImage:
    """An arm64 image in ECR that listens on port 8080, by its digest.

    Attributes:
        repository: Name of the repository, in the stack's account and Region.
        digest: Digest of the image.
    """

    repository: str
    digest: str

    def bind(self, scope: Construct) -> BoundArtifact:
        """Name the image, and let the runtime pull it.

        Args:
            scope: Construct of the runtime.
        """
        repository = ecr.Repository.from_repository_name(scope, "Image", self.repository)
        return BoundArtifact(
            rendered=agentcore.AgentRuntimeArtifact.from_image_uri(repository.repository_uri_for_digest(self.digest)),
            statements=(
                allow(PULL_IMAGE, [repository.repository_arn], sid="PullImage"),
                allow(REGISTRY_LOGIN, ["*"], sid="LogInToRegistry"),
            ),
        )


def package_command(sources: AgentSources, source_hash: str) -> list[str]:
    """Return the command by which the CDK CLI builds the zip, with paths relative to the folder of the synth where possible."""
    command = [_from_here(Path(sys.executable)), "-m", "cdk_sglang.agents.package", _from_here(sources.folder)]
    return [*command, "--expect", source_hash, *(["--mlflow"] if sources.mlflow else [])]


def _from_here(path: Path) -> str:
    here = Path.cwd()
    absolute = path if path.is_absolute() else here / path  # not resolved: the Python of an environment is a link
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else absolute.as_posix()
