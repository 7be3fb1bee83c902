"""A serverless MLflow app that keeps the agent's traces, in addition to CloudWatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk_sglang.agents import permissions
from cdk_sglang.agents.roles import allow, make_role, service_principal
from cdk_sglang.arguments import checked
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, acknowledge_wildcards, in_packs
from cdk_sglang.serving.shared.permissions import ENCRYPT

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms

_PREFIX: Final = "artifacts/"
_KEYS: Final = "MLflow makes the keys of artifacts"
_NO_SECOND_COPY: Final = "traces are for looking at; what must be kept is in the reports"
_NO_ACCESS_LOGS: Final = (
    "MLflow's role alone reads and writes it; data events of CloudTrail show who else does, where that is wanted: "
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-cloudtrail-logging-for-s3.html"
)


class AgentMlflow(Construct):
    """An MLflow app with a bucket for its artifacts.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        name: Name of the app.
        key: KMS key of the bucket; S3's own encryption by default.
        removal: Whether the bucket outlives the stack; it does by default.

    Attributes:
        app_arn: ARN of the app.
        bucket: Bucket of its artifacts.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        key: kms.IKey | None = None,
        removal: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket: s3.Bucket = s3.Bucket(
            self,
            "Artifacts",
            encryption=s3.BucketEncryption.S3_MANAGED if key is None else s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=None if key is None else True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[s3.LifecycleRule(noncurrent_version_expiration=cdk.Duration.days(30))],
            removal_policy=removal,
        )
        acknowledge_all(
            self.bucket,
            (in_packs("S3BucketReplicationEnabled"), _NO_SECOND_COPY),
            (["AwsSolutions-S1", *in_packs("S3BucketLoggingEnabled")], _NO_ACCESS_LOGS),
            *(
                [(in_packs("S3DefaultEncryptionKMS"), "no key was given: S3 encrypts with its own")]
                if key is None
                else []
            ),
        )
        objects = self.bucket.arn_for_objects(f"{_PREFIX}*")
        role = make_role(
            self,
            "Role",
            description="Lets the MLflow app keep artifacts",
            principal=service_principal(cdk.Stack.of(self), "sagemaker.amazonaws.com"),
            statements={
                "Artifacts": [
                    allow(permissions.KEEP_ARTIFACTS, [objects], sid="KeepArtifacts"),
                    allow(permissions.LIST_ARTIFACTS, [self.bucket.bucket_arn], sid="ListArtifacts"),
                    *([] if key is None else [allow(ENCRYPT, [key.key_arn], sid="UseKey")]),
                ]
            },
        )
        acknowledge_wildcards(self, role, [objects], _KEYS)
        app = sagemaker.CfnMlflowApp(
            self,
            "App",
            name=name,
            artifact_store_uri=f"s3://{self.bucket.bucket_name}/{_PREFIX.rstrip('/')}",
            role_arn=role.role_arn,
        )
        self.node.default_child = app
        self.app_arn: str = app.attr_arn

    def statements(self) -> list[iam.PolicyStatement]:
        """Return what an agent's role needs to send traces."""
        return [allow(permissions.CALL_MLFLOW, [self.app_arn], sid="Mlflow")]

    def environment(self) -> dict[str, str]:
        """Return the variables with which MLflow's client finds the app and does not export again what ADOT exports."""
        return {"MLFLOW_TRACKING_URI": self.app_arn, "MLFLOW_ENABLE_OTLP_EXPORTER": "false"}
