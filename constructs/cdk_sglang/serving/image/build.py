"""This project's serving image, built by CodeBuild when its content has changed. Synth needs no Docker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from cdk_sglang import assets as shipped
from cdk_sglang.serving.image.registry import base_reference, dlc_registry, dlc_repository_arn
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.build_jobs import BuildJobs, ImageResult
from cdk_sglang.serving.shared.build_project import BuildProject, ComputeType
from cdk_sglang.serving.shared.helper_functions import shared_log_options
from cdk_sglang.serving.shared.keys import grant_secret
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.spec.container_base import ContainerBase

if TYPE_CHECKING:  # loading a service's constructs takes time, and few builds have credentials
    from aws_cdk import aws_secretsmanager as secretsmanager

_BUILD_TIMEOUT: Final = cdk.Duration.hours(3)
_WAIT: Final = cdk.Duration.hours(3)
_EXCLUDE: Final = ["**/__pycache__", "**/*.pyc", "**/.DS_Store", "**/.pytest_cache", "**/.ruff_cache", "**/.mypy_cache"]

_SCRIPT: Final = r"""
set -euo pipefail
for registry in $REGISTRIES; do
  aws ecr get-login-password | docker login --username AWS --password-stdin "$registry"
done
if [ -n "${DOCKER_HUB_SECRET:-}" ]; then
  secret=$(aws secretsmanager get-secret-value --secret-id "$DOCKER_HUB_SECRET" --output json --query SecretString)
  of_secret() { python3 -c 'import json, sys; print(json.loads(json.load(sys.stdin))[sys.argv[1]])' "$1" <<<"$secret"; }
  of_secret password | docker login --username "$(of_secret username)" --password-stdin
fi
last=$(aws ecr describe-images --repository-name "$REPOSITORY" --filter tagStatus=TAGGED --output json \
  --query 'sort_by(imageDetails[?!starts_with(imageTags[0], `sbom-`)], &imagePushedAt)[-1].imageTags[0]' | tr -d '"')
cache=()
if [ "$last" != null ]; then cache=(--cache-from "type=registry,ref=$IMAGE:$last"); fi
builder=(docker buildx create --name cdk-sglang --driver docker-container --use)
pulled=no
for pause in 0 5 20; do
  sleep "$pause"
  if docker pull --quiet "$BUILDKIT_IMAGE"; then pulled=yes; break; fi
done
if [ "$pulled" = no ]; then BUILDKIT_IMAGE=${BUILDKIT_IMAGE#public.ecr.aws/vend/}; fi
"${builder[@]}" --driver-opt "image=$BUILDKIT_IMAGE"
build=(docker buildx build --progress plain --platform linux/amd64 --build-arg "BASE_IMAGE=$BASE_IMAGE"
  --label "com.github.cdk-sglang.fingerprint=$CDK_SGLANG_FINGERPRINT" "${cache[@]}")
"${build[@]}" --provenance=false --sbom=false --cache-to type=inline \
  --output "type=image,name=$IMAGE:$IMAGE_TAG,push=true,oci-mediatypes=false" .
echo "pushed $IMAGE:$IMAGE_TAG; what follows is its bill of materials"
"${build[@]}" --provenance=mode=max --sbom=true --output "type=image,name=$IMAGE:sbom-$IMAGE_TAG,push=true" . \
  || echo "the image is there, its bill of materials is not"
"""
"""Builds and pushes the image, then its bill of materials.

- Credentials for Docker Hub are used for every pull from there: the base, BuildKit if its mirror does not answer, and the generator of the
  bill of materials. Without credentials, Docker Hub limits pulls per IP address, which CodeBuild's builds share
  (https://docs.docker.com/docker-hub/usage/pulls/, read 2026-11).
- The AWS CLI returns JSON: with text output it applies `--query` to each page and prints one line per page
  (https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-filter.html, read 2026-11).
- `--cache-from` uses the last image, whose layers carry their cache keys (`type=inline`). Nothing else is stored for the cache, and a build
  that changes only Python files neither pulls nor pushes the 17 GB below them.
- The image has Docker's own media types and no attestations, which would turn it into an index; SageMaker's documentation does not
  mention indexes. The attestations (SPDX list of packages, provenance) are pushed separately under `sbom-<tag>`.
"""

_BUILDKIT: Final = (
    "public.ecr.aws/vend/moby/buildkit@sha256:28a898719c18a33f4e8000685287fa36fd0dd9560c6440227d3a732d79bb41d8"
)
"""BuildKit 0.32.2 by the digest of its index, from a mirror in ECR Public (https://gallery.ecr.aws/vend/moby/buildkit, as in
ika-rwth-aachen/docker-ros#42), else from Docker Hub, which has the same digest. More than five public repositories that pin moby/buildkit:v0.32.2
agree on the digest (read 2026-12); whether the mirror keeps it was not verified."""

_LOGIN: Final = "ecr:GetAuthorizationToken has no resource types"


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """The image that a build pushes.

    Attributes:
        repository: Repository of the image.
        digest: Digest of the image, known only at deployment.
        tag: Tag of the image, which identifies the content it was built from and never moves.
    """

    repository: ecr.IRepository
    digest: str
    tag: str


class ServingImageBuild(Construct):
    """Builds the serving image during the deployment of the stack, unless an image with the same content exists.

    It creates a CodeBuild project, which costs about $0.02 a minute while it builds and nothing otherwise. The repository keeps every
    image that was ever built: an endpoint, a rollback or an older endpoint config may use any of them, images share their large layers,
    and no lifecycle rule can tell which ones are in use. Deleting the stack keeps the images too.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        repository: Repository that the image is pushed to; make its tags immutable and enable scan on push.
        base: Base image.
        source: Folder with the Dockerfile; this project's own by default.
        compute_type: Build machine; 8 vCPUs and 128 GB of disk by default, enough for a base of 17 GB compressed.
        wait: How long a deployment waits for the build; three hours by default, although CloudFormation's own limit is one hour.
        log_options: Retention, key and removal of the build's logs; those of `HelperFunctions` by default.
        docker_hub: Secret with credentials for Docker Hub, a JSON text with `username` and `password` (an access token); by default the build
            pulls without credentials, which Docker Hub rate-limits.

    Attributes:
        image: The image that the build pushes.
        project: The CodeBuild project.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        repository: ecr.IRepository,
        base: ContainerBase,
        source: Path | None = None,
        compute_type: ComputeType = "BUILD_GENERAL1_LARGE",
        wait: cdk.Duration = _WAIT,
        log_options: LogOptions | None = None,
        docker_hub: secretsmanager.ISecret | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        options = log_options or shared_log_options(self)
        folder = source or shipped.find_folder("container", holds="Dockerfile")
        content = assets.Asset(self, "Content", path=str(folder), exclude=_EXCLUDE)
        base_image = base_reference(base, cdk.Stack.of(self))
        # The base's name, not its URI: the same content has the same tag in every Region.
        fingerprint = hashlib.sha256(f"{content.asset_hash}\x00{base.name}\x00{_SCRIPT}".encode()).hexdigest()[:24]
        tag = f"{base.facts.sglang_version}-{fingerprint}"
        self.project = self._build_project(repository, base, content, compute_type, options, docker_hub=docker_hub)
        jobs = BuildJobs.of(self)
        result = ImageResult(
            repository_name=repository.repository_name, repository_arn=repository.repository_arn, tag=tag
        )
        jobs.allow_project(self.project)
        jobs.allow_image(result)
        built = jobs.run(
            self,
            "Built",
            name=f"serving image {tag}",
            project=self.project,
            fingerprint=fingerprint,
            result=result,
            timeout=wait,
            source=f"{content.s3_bucket_name}/{content.s3_object_key}",
            variables={"IMAGE_TAG": tag, "BASE_IMAGE": base_image},
        )
        self.image = BuiltImage(repository=repository, digest=built.get_att_string("Digest"), tag=tag)

    def _build_project(
        self,
        repository: ecr.IRepository,
        base: ContainerBase,
        content: assets.Asset,
        compute_type: ComputeType,
        options: LogOptions,
        *,
        docker_hub: secretsmanager.ISecret | None,
    ) -> BuildProject:
        stack = cdk.Stack.of(self)
        uri = repository.repository_uri
        registries = [dlc_registry(stack)] if base.is_dlc else []
        base_arns = [dlc_repository_arn(stack)] if base.is_dlc else []
        project = BuildProject(
            self,
            "Project",
            description="Builds the SGLang serving image",
            source=content,
            commands=[_SCRIPT],
            variables={
                "REGISTRIES": cdk.Fn.join(" ", [cdk.Fn.select(0, cdk.Fn.split("/", uri)), *registries]),
                "REPOSITORY": repository.repository_name,
                "IMAGE": uri,
                "BUILDKIT_IMAGE": _BUILDKIT,
                **({} if docker_hub is None else {"DOCKER_HUB_SECRET": docker_hub.secret_arn}),
            },
            statements=[
                iam.PolicyStatement(actions=list(permissions.PUSH_IMAGE), resources=[repository.repository_arn]),
                iam.PolicyStatement(actions=list(permissions.REGISTRY_LOGIN), resources=["*"]),
                *(iam.PolicyStatement(actions=list(permissions.PULL_IMAGE), resources=[arn]) for arn in base_arns),
            ],
            compute_type=compute_type,
            docker=True,
            timeout=_BUILD_TIMEOUT,
            log_options=options,
        )
        acknowledge_wildcards(self, project.role, ["*"], _LOGIN)
        if docker_hub is not None:
            grant_secret(stack, docker_hub, project.role)
        return project
