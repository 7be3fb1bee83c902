"""Models copied from Hugging Face to S3 while a stack is deployed: once, verified, and recorded in a manifest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct, IConstruct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.build_jobs import BuildJobs, ManifestResult
from cdk_sglang.serving.shared.build_project import BuildProject
from cdk_sglang.serving.shared.runtime_functions import LogOptions
from cdk_sglang.serving.shared.singletons import singleton
from cdk_sglang.serving.weights.hub import StagingOrder

MANIFEST: Final = "cdk-sglang-manifest.json"
"""Written by the staging program (_runtime/weights/manifest.py) when everything else is there."""

_ID: Final = "CdkSglangStaging"
_RUNTIME: Final = Path(__file__).parents[2] / "_runtime"
_BUILD_TIMEOUT: Final = cdk.Duration.hours(12)
_PACKAGES: Final = "boto3==1.44.5 urllib3==2.8.0"
_ONE_MODEL: Final = "the files of one model, under its own prefix"

_SCRIPT: Final = rf"""
set -euf -o pipefail
python3 -m venv /tmp/stager
/tmp/stager/bin/pip install --quiet --disable-pip-version-check {_PACKAGES}
secret=()
if [ -n "$TOKEN_SECRET" ]; then secret=(--token-secret "$TOKEN_SECRET"); fi
/tmp/stager/bin/python -m weights stage "$REPO" --revision "$REVISION" --bucket "$BUCKET" "${{secret[@]}}" $PATTERNS
"""
"""`set -f`: the shell hands patterns over unexpanded."""


class WeightsStaging(Construct):
    """The CodeBuild project that stages models: one in a stack, created when the first model needs it.

    It costs about $0.02 a minute while a model is copied, and nothing otherwise. Deleting the stack keeps the staged models.
    """

    def __init__(self, scope: Construct, construct_id: str, *, log_options: LogOptions) -> None:
        super().__init__(scope, construct_id)
        self._log_options = log_options
        program = assets.Asset(
            self,
            "Program",
            path=str(_RUNTIME),
            exclude=["*", "!weights", "!weights/*.py"],
            ignore_mode=cdk.IgnoreMode.GIT,
        )
        self._program = program
        self.project = BuildProject(
            self,
            "Project",
            description="Copies models from Hugging Face to S3",
            source=program,
            commands=[_SCRIPT],
            variables={},
            statements=[],
            compute_type="BUILD_GENERAL1_LARGE",
            timeout=_BUILD_TIMEOUT,
            log_options=log_options,
        )
        self._jobs = BuildJobs.of(self, log_options=log_options)
        self._jobs.allow_project(self.project)

    @staticmethod
    def of(scope: Construct, *, log_options: LogOptions) -> WeightsStaging:
        """Return the project of the scope's stack, creating it on first use."""
        return singleton(
            scope,
            _ID,
            WeightsStaging,
            lambda stack, construct_id: WeightsStaging(stack, construct_id, log_options=log_options),
        )

    def stage(self, order: StagingOrder) -> IConstruct:
        """Have a model staged, and return the construct after which it is in the bucket. The same model is staged once."""
        patterns = [f"--include={pattern}" for pattern in order.include]
        patterns += [f"--exclude={pattern}" for pattern in order.exclude]
        key = hashlib.sha256(f"{order.bucket.node.path}\x00{order.repository}".encode()).hexdigest()[:8].upper()
        model_id = f"Model{key}{order.revision[:8]}"
        existing = self.node.try_find_child(model_id)
        if existing is not None:
            return existing
        place = Construct(self, model_id)
        self._allow(order)
        fingerprint = hashlib.sha256("\0".join((order.repository, order.revision, *patterns)).encode()).hexdigest()[:24]
        staged = self._jobs.run(
            place,
            "Staged",
            name=f"staging of {order.repository}",
            project=self.project,
            fingerprint=fingerprint,
            result=ManifestResult(
                bucket_name=order.bucket.bucket_name,
                manifest=f"{order.prefix}{MANIFEST}",
                include=order.include,
                exclude=order.exclude,
            ),
            timeout=order.wait,
            source=f"{self._program.s3_bucket_name}/{self._program.s3_object_key}",
            variables={
                "REPO": order.repository,
                "REVISION": order.revision,
                "BUCKET": order.bucket.bucket_name,
                "TOKEN_SECRET": "" if order.token is None else order.token.secret_arn,
                "PATTERNS": " ".join(patterns),
            },
        )
        staged.node.add_dependency(self.project.role)
        return place

    def _allow(self, order: StagingOrder) -> None:
        role, bucket = self.project.role, order.bucket
        files = f"{bucket.bucket_arn}/{order.prefix}*"
        key = bucket.encryption_key
        statements = [
            iam.PolicyStatement(actions=list(permissions.WRITE_WEIGHTS), resources=[files]),
            iam.PolicyStatement(
                actions=list(permissions.LIST_WEIGHTS),
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": [f"{order.prefix}*"]}},
            ),
        ]
        if key is not None:
            statements.append(iam.PolicyStatement(actions=list(permissions.ENCRYPT), resources=[key.key_arn]))
        for statement in statements:
            role.add_to_principal_policy(statement)
        acknowledge_wildcards(self, role, [files], _ONE_MODEL)
        if order.token is not None:
            order.token.grant_read(role)
        self._jobs.allow_manifest(
            bucket_arn=bucket.bucket_arn, prefix=order.prefix, key_arn=None if key is None else key.key_arn
        )
