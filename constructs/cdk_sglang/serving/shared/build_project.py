"""A CodeBuild project with its own role, which has only the permissions that the build needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import (
    acknowledge,
    acknowledge_inline_policy,
    acknowledge_wildcards,
    in_packs,
)
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.serving.shared.runtime_functions import make_log_group

ComputeType = Literal[
    "BUILD_GENERAL1_MEDIUM", "BUILD_GENERAL1_LARGE", "BUILD_GENERAL1_XLARGE", "BUILD_GENERAL1_2XLARGE"
]
"""On-demand Linux machines: 4, 8, 36 and 72 vCPUs with 8, 16, 72 and 144 GiB of memory and 128, 128, 256 and 824 GB of disk
(https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-compute-types.html, read 2026-11)."""

_MACHINE_IMAGE: Final = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
"""Docker with buildx, the AWS CLI and Python 3.11 to 3.13
(https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html)."""

_STREAMS: Final = "streams of the build's own log group; CodeBuild chooses their names"
_PRIVILEGED: Final = (
    "building an image needs a Docker daemon; the build has a machine of its own that CodeBuild throws away"
)
_NO_ARTIFACTS: Final = "the build leaves no artifact with CodeBuild: what it makes goes to ECR or S3, which encrypt it"
_FROM_S3: Final = "the source is an archive in S3, uploaded with the deployment"


class BuildProject(Construct):
    """A project whose source is an asset, and whose log group the deployment's functions may read.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        description: What it builds, shown in the console.
        source: Files that it works on.
        commands: Commands that it runs, in bash; a failing command ends the build.
        variables: Environment variables of every build; never secrets.
        statements: Permissions of its role, in addition to logging and reading the source.
        compute_type: Type of the build machine.
        docker: Whether it needs a Docker daemon.
        timeout: Time after which CodeBuild ends a build; 5 minutes to 36 hours.
        log_options: Retention, key and removal of its logs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        source: assets.Asset,
        commands: Sequence[str],
        variables: Mapping[str, str],
        statements: Sequence[iam.PolicyStatement],
        compute_type: ComputeType,
        docker: bool = False,
        timeout: cdk.Duration,
        log_options: LogOptions,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self.log_group: logs.LogGroup = make_log_group(self, "Logs", log_options)
        self.role: iam.Role = self._make_role(description, stack.account)
        location = f"{source.bucket.bucket_arn}/{source.s3_object_key}"
        for statement in (
            iam.PolicyStatement(actions=list(permissions.READ_SOURCE), resources=[location]),
            iam.PolicyStatement(actions=list(permissions.WRITE_LOGS), resources=[self.log_group.log_group_arn]),
            *statements,
        ):
            self.role.add_to_principal_policy(statement)
        acknowledge_inline_policy(self.role)
        acknowledge_wildcards(self, self.role, [self.log_group.log_group_arn], _STREAMS)
        self.resource = codebuild.CfnProject(
            self,
            "Resource",
            description=description,
            service_role=self.role.role_arn,
            source=codebuild.CfnProject.SourceProperty(
                type="S3",
                location=f"{source.s3_bucket_name}/{source.s3_object_key}",
                build_spec=stack.to_json_string(
                    {
                        "version": "0.2",
                        "env": {"shell": "bash"},
                        "phases": {"build": {"commands": list(commands)}},
                    }
                ),
            ),
            artifacts=codebuild.CfnProject.ArtifactsProperty(type="NO_ARTIFACTS"),
            environment=_machine(compute_type, variables, docker=docker),
            logs_config=codebuild.CfnProject.LogsConfigProperty(
                cloud_watch_logs=codebuild.CfnProject.CloudWatchLogsConfigProperty(
                    status="ENABLED", group_name=self.log_group.log_group_name
                )
            ),
            timeout_in_minutes=timeout.to_minutes(),
        )
        # Until its policy is in place, a build that starts at once may not read its source.
        self.resource.node.add_dependency(self.role)
        self.project_name: str = self.resource.ref
        self.project_arn: str = self.resource.attr_arn
        acknowledge(self.resource, ["AwsSolutions-CB4"], _NO_ARTIFACTS)
        acknowledge(self.resource, in_packs("CodeBuildProjectSourceRepoUrl"), _FROM_S3)
        if docker:
            acknowledge(self.resource, ["AwsSolutions-CB3"], _PRIVILEGED)

    def _make_role(self, description: str, account: str) -> iam.Role:
        return iam.Role(
            self,
            "Role",
            description=description,
            assumed_by=iam.ServicePrincipal(
                "codebuild.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": account}}
            ),
        )


def _machine(
    compute_type: ComputeType, variables: Mapping[str, str], *, docker: bool
) -> codebuild.CfnProject.EnvironmentProperty:
    return codebuild.CfnProject.EnvironmentProperty(
        type="LINUX_CONTAINER",
        image=_MACHINE_IMAGE,
        compute_type=compute_type,
        privileged_mode=docker,
        environment_variables=[
            codebuild.CfnProject.EnvironmentVariableProperty(name=name, value=value, type="PLAINTEXT")
            for name, value in sorted(variables.items())
        ],
    )
