"""Models copied from Hugging Face to S3 while a stack is deployed: once, verified, and recorded in a manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
from cdk_sglang.serving.shared.dependencies import lazy_dependency
from cdk_sglang.serving.shared.helper_functions import shared_log_options
from cdk_sglang.serving.shared.keys import grant_secret, use_key
from cdk_sglang.serving.shared.other_accounts import share_with_account
from cdk_sglang.serving.shared.singletons import singleton
from cdk_sglang.serving.weights.hub import StagingOrder
from cdk_sglang.serving.weights.prepared import PreparedModel

MANIFEST: Final = "cdk-sglang-manifest.json"
"""Written last by the staging program (_runtime/weights/manifest.py), when all other files are in place."""

_ID: Final = "CdkSglangStaging"
_RUNTIME: Final = Path(__file__).parents[2] / "_runtime"
_BUILD_TIMEOUT: Final = cdk.Duration.hours(12)
_ONE_MODEL: Final = "the files of one model, under its own prefix"

_SCRIPT: Final = r"""
set -euf -o pipefail
python3 -m venv /tmp/stager
/tmp/stager/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r weights/requirements.txt
secret=()
if [ -n "$TOKEN_SECRET" ]; then secret=(--token-secret "$TOKEN_SECRET"); fi
/tmp/stager/bin/python -m weights stage "$REPO" --revision "$REVISION" --bucket "$BUCKET" "${secret[@]}" $PATTERNS
"""
"""`set -f`: the shell passes patterns on unexpanded."""


class WeightsStaging(Construct):
    """The CodeBuild project that stages models: one per stack, created when the first model needs it.

    It costs about $0.02 a minute while a model is copied, and nothing otherwise. Deleting the stack keeps the staged models.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        log_options = shared_log_options(self)
        self._users: dict[str, int] = {}
        program = assets.Asset(
            self,
            "Program",
            path=str(_RUNTIME),
            exclude=["*", "!weights", "!weights/*.py", "!weights/requirements.txt"],
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
        self._jobs = BuildJobs.of(self)
        self._jobs.allow_project(self.project)

    @staticmethod
    def of(scope: Construct) -> WeightsStaging:
        """Return the project of the scope's stack, creating it on first use."""
        return singleton(scope, _ID, WeightsStaging, WeightsStaging)

    def stage(self, order: StagingOrder) -> PreparedModel:
        """Stage a model for a component. The same model is staged once."""
        place = self._place(order)
        users = self._users[place.node.id] = self._users.get(place.node.id, 0) + 1

        def hold(waiting: Sequence[IConstruct]) -> IConstruct:
            if users == self._users[place.node.id] == 1:  # the component may wait for other users of the model
                place.node.add_dependency(
                    lazy_dependency(lambda: [root for one in waiting for root in one.node.dependencies])
                )
            return place

        return PreparedModel(ready=place, hold=hold)

    def _place(self, order: StagingOrder) -> IConstruct:
        patterns = [f"--include={pattern}" for pattern in order.include]
        patterns += [f"--exclude={pattern}" for pattern in order.exclude]
        patterns += ["--draft"] if order.draft else []
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
        role, bucket, stack = self.project.role, order.bucket, cdk.Stack.of(self)
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
            statements.append(use_key(stack, key.key_arn, permissions.ENCRYPT, through="s3"))
        for statement in statements:
            role.add_to_principal_policy(statement)
        acknowledge_wildcards(self, role, [files], _ONE_MODEL)
        share_with_account(
            self, bucket, prefix=order.prefix, actions=permissions.WRITE_WEIGHTS, key_actions=permissions.ENCRYPT
        )
        if order.token is not None:
            grant_secret(stack, order.token, role, key_arn=order.token_key_arn)
        self._jobs.allow_manifest(
            bucket_arn=bucket.bucket_arn, prefix=order.prefix, key_arn=None if key is None else key.key_arn
        )
