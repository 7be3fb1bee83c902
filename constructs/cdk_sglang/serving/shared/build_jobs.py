"""Jobs of a deployment that take longer than CloudFormation's time-out: a CodeBuild build, and a chain of resources that wait for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.build_project import BuildProject
from cdk_sglang.serving.shared.custom_resources import make_provider
from cdk_sglang.serving.shared.helper_functions import shared_log_options
from cdk_sglang.serving.shared.keys import use_key
from cdk_sglang.serving.shared.own_policy import give
from cdk_sglang.serving.shared.runtime_functions import make_function
from cdk_sglang.serving.shared.singletons import singleton

_ID: Final = "CdkSglangBuildJobs"
_STAGE: Final = cdk.Duration.minutes(50)
"""Time for which one resource of the chain waits. CloudFormation and CDK's provider framework both allow 3,600 s
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-customresource.html)."""
_PROVIDER_TIMEOUT: Final = cdk.Duration.minutes(58)
_TIMEOUT: Final = cdk.Duration.minutes(4)
"""Allows a minute of work, and two until a permission that the deployment has just added takes effect."""
_ASK_EVERY: Final = cdk.Duration.seconds(30)
_STREAM: Final = "streams of the build project's own log group; CodeBuild chooses their names"
_WAITER_INVOKES: Final = "the waiter may invoke any version of the framework's own two functions"


@dataclass(frozen=True, kw_only=True)
class ImageResult:
    """Result of a job that pushes an image to a repository."""

    repository_name: str
    repository_arn: str
    tag: str


@dataclass(frozen=True, kw_only=True)
class ManifestResult:
    """Result of a job that writes a manifest to a bucket as its last step."""

    bucket_name: str
    manifest: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]


class BuildJobs(Construct):
    """The functions that start builds and wait for them: one pair per stack, shared by everything that needs a build."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        log_options = shared_log_options(self)
        self._begin = make_function(
            self,
            "Begin",
            source="build_jobs",
            entry="on_event",
            description="Starts the build of an image or the staging of weights, unless the result is there",
            timeout=_TIMEOUT,
            log_options=log_options,
            statements=[],
        )
        self._check = make_function(
            self,
            "Check",
            source="build_jobs",
            entry="is_complete",
            description="Says whether a build has ended, and how",
            timeout=_TIMEOUT,
            log_options=log_options,
            statements=[],
        )
        self._provider = make_provider(
            self,
            "Provider",
            on_event=self._begin,
            is_complete=self._check,
            query_interval=_ASK_EVERY,
            total_timeout=_PROVIDER_TIMEOUT,
            log_options=log_options,
        )
        self._acknowledge_waiter()

    @staticmethod
    def of(scope: Construct) -> BuildJobs:
        """Return the functions of the scope's stack, creating them on first use."""
        return singleton(scope, _ID, BuildJobs, BuildJobs)

    def allow_project(self, project: BuildProject) -> None:
        """Let the functions start and watch builds of a project."""
        streams = project.log_group.log_group_arn
        self._allow(self._begin, permissions.START_BUILD, [project.project_arn])
        self._allow(self._check, permissions.WATCH_BUILD, [project.project_arn])
        self._allow(self._check, permissions.READ_BUILD_LOG, [streams])
        role = self._check.role
        assert role is not None
        acknowledge_wildcards(self, role, [streams], _STREAM)

    def allow_image(self, result: ImageResult) -> None:
        """Let the functions look for an image."""
        for function in (self._begin, self._check):
            self._allow(function, permissions.FIND_IMAGE, [result.repository_arn])

    def allow_manifest(self, *, bucket_arn: str, prefix: str, key_arn: str | None) -> None:
        """Let the functions look for manifests below a prefix."""
        reason = "manifests of the models staged by this stack"
        for function in (self._begin, self._check):
            files = f"{bucket_arn}/{prefix}*"
            self._allow(function, permissions.READ_WEIGHTS, [files])
            self._allow(
                function,
                permissions.LIST_WEIGHTS,  # without it, a missing manifest looks like a forbidden one
                [bucket_arn],
                conditions={"StringLike": {"s3:prefix": [f"{prefix}*"]}},
            )
            role = function.role
            assert role is not None
            if key_arn is not None:
                give(role, use_key(cdk.Stack.of(self), key_arn, permissions.DECRYPT, through="s3"))
            acknowledge_wildcards(self, role, [files], reason)

    def run(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        project: BuildProject,
        fingerprint: str,
        result: ImageResult | ManifestResult,
        timeout: cdk.Duration,
        source: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> cdk.CustomResource:
        """Build a result, and return the resource after which it exists.

        Args:
            scope: Parent of the resources.
            construct_id: Prefix of their ids.
            name: Name of the result, for messages.
            project: The project that builds it.
            fingerprint: Digest of everything that the result depends on.
            result: How the functions recognise the result.
            timeout: How long a deployment waits, rounded up to stages of 50 minutes.
            source: Location of the project's source for this build; the project's own by default.
            variables: Environment variables of the build; never secrets.
        """
        stages = max(1, math.ceil(timeout.to_minutes() / _STAGE.to_minutes()))
        stack = cdk.Stack.of(scope)
        last: cdk.CustomResource | None = None
        for stage in range(stages):
            resource = cdk.CustomResource(
                scope,
                f"{construct_id}{stage}",
                resource_type="Custom::CdkSglangBuild",
                service_token=self._provider.service_token,
                service_timeout=cdk.Duration.hours(1),
                properties={
                    "Asked": stack.to_json_string(
                        {
                            "name": name,
                            "project": project.project_name,
                            "fingerprint": fingerprint,
                            "stage": stage,
                            "stages": stages,
                            "stage_seconds": _STAGE.to_seconds(),
                            "source": source or "",
                            "variables": dict(variables or {}),
                            "result": _rendered(result),
                        }
                    )
                },
            )
            resource.node.add_dependency(last if last is not None else project.resource)
            last = resource
        assert last is not None
        return last

    def _acknowledge_waiter(self) -> None:
        for part in ("framework-isComplete", "framework-onTimeout"):
            function = self._provider.node.find_child(part)
            assert isinstance(function, lambda_.Function)
            acknowledge_wildcards(self, self._provider, [f"{function.function_arn}:*"], _WAITER_INVOKES)

    @staticmethod
    def _allow(
        function: lambda_.Function,
        actions: tuple[str, ...],
        resources: list[str],
        conditions: Mapping[str, Mapping[str, list[str]]] | None = None,
    ) -> None:
        role = function.role
        assert role is not None
        give(role, iam.PolicyStatement(actions=list(actions), resources=resources, conditions=conditions))


def _rendered(result: ImageResult | ManifestResult) -> dict[str, object]:
    if isinstance(result, ImageResult):
        return {"repository": result.repository_name, "tag": result.tag}
    patterns = {"include": list(result.include), "exclude": list(result.exclude)}
    return {"bucket": result.bucket_name, "manifest": result.manifest, "patterns": patterns}
