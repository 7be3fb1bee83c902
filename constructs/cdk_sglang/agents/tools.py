"""The resources of the project's own tools: a table of patients, a bucket of reports, and the function that uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_sglang.agents import permissions
from cdk_sglang.agents.gateway import ToolTarget
from cdk_sglang.agents.roles import allow, service_principal
from cdk_sglang.agents.schemas import read_tools
from cdk_sglang.arguments import checked
from cdk_sglang.serving.shared.access_logs import make_access_logs
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, in_packs
from cdk_sglang.serving.shared.log_options import LogOptions, allowed_days
from cdk_sglang.serving.shared.permissions import ENCRYPT
from cdk_sglang.serving.shared.runtime_functions import make_function, runtime_file
from cdk_sglang.spec.agent import REFERENCE_TARGET

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_logs as logs

REPORTS_PREFIX: Final = "reports/"
BY_NAME: Final = "by_name"
_SOURCE: Final = "clinical"
_TIMEOUT: Final = cdk.Duration.seconds(29)
"""Of one call; the gateway waits longer, a person does not."""

_NO_SECOND_COPY: Final = "a copy of patients' data in another Region is the owner's decision, not a default"
_POINT_IN_TIME: Final = (
    "the table has point-in-time recovery; a backup plan belongs to the account, which has its own rules for such data"
)
_ONE_REPORT_EACH: Final = "the function makes the keys of reports out of patient and request"


class ClinicalTools(Construct):
    """The reference tools: look a patient up, save a report.

    Reports are written once: the bucket refuses every upload that does not ask for a new key (`If-None-Match: *`), and keeps versions, so a deletion
    only adds a delete marker. It has no Object Lock: that could not be switched off again, and would prevent erasing a
    person's data, which the law may require.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        key: KMS key of table, reports and logs.
        log_retention_days: Days that the function's logs are kept; 30 by default.
        removal: Whether patients, reports and logs outlive the stack; they do by default.

    Attributes:
        patients: Table of patients.
        reports: Bucket of reports.
        function: The function.
        target: The function as a target of a gateway.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        log_retention_days: int | logs.RetentionDays = 30,
        removal: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
    ) -> None:
        days = allowed_days(f"{construct_id}.log_retention_days", log_retention_days)
        super().__init__(scope, construct_id)
        self._key = key
        self._removal = removal
        self.patients: dynamodb.Table = self._make_table()
        self.reports: s3.Bucket = self._make_bucket()
        logs = LogOptions(retention_days=days, key=key, removal=removal)
        self.function: lambda_.Function = self._make_function(logs)
        self.target: ToolTarget = ToolTarget(
            name=REFERENCE_TARGET,
            function=self.function,
            tools=read_tools(runtime_file(_SOURCE, "tools.json"), target=REFERENCE_TARGET),
            description="Looks patients up and saves reports",
        )

    def _make_table(self) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Patients",
            partition_key=dynamodb.Attribute(name="patient_id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self._key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=self._removal,
        )
        table.add_global_secondary_index(
            index_name=BY_NAME,
            partition_key=dynamodb.Attribute(name="name_prefix", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="name_lower", type=dynamodb.AttributeType.STRING),
        )
        acknowledge_all(table, (in_packs("DynamoDBInBackupPlan"), _POINT_IN_TIME))
        return table

    def _make_bucket(self) -> s3.Bucket:
        access_logs = make_access_logs(self, "AccessLogs", removal=self._removal)
        bucket = s3.Bucket(
            self,
            "Reports",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=self._removal,
        )
        _log_accesses(bucket, access_logs)
        bucket.add_to_resource_policy(write_once(bucket))
        acknowledge_all(bucket, (in_packs("S3BucketReplicationEnabled"), _NO_SECOND_COPY))
        return bucket

    def _make_function(self, logs: LogOptions) -> lambda_.Function:
        reports = self.reports.arn_for_objects(f"{REPORTS_PREFIX}*")
        index = f"{self.patients.table_arn}/index/{BY_NAME}"
        return make_function(
            self,
            "Function",
            source=_SOURCE,
            entry="handler",
            files=("*.json",),
            description="Looks patients up and saves reports for the agent",
            timeout=_TIMEOUT,
            log_options=logs,
            principal=service_principal(cdk.Stack.of(self), "lambda.amazonaws.com"),
            statements=[
                allow(permissions.READ_PATIENT, [self.patients.table_arn], sid="ReadPatient"),
                allow(permissions.FIND_PATIENTS, [index], sid="FindPatients"),
                allow(permissions.SAVE_REPORT, [reports], sid="SaveReport"),
                allow(permissions.FIND_REPORT, [reports], sid="FindReport"),
                allow(ENCRYPT, [self._key.key_arn], sid="UseKey"),
            ],
            wildcards=[reports],
            wildcard_reason=_ONE_REPORT_EACH,
            environment={
                "PATIENTS_TABLE": self.patients.table_name,
                "REPORTS_BUCKET": self.reports.bucket_name,
                "REPORTS_PREFIX": REPORTS_PREFIX,
                "KEY_ARN": self._key.key_arn,
            },
        )


def write_once(bucket: s3.IBucket) -> iam.PolicyStatement:
    """Return the statement that makes a bucket accept only new keys, whoever writes.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html (read 2026-11): parts of an upload carry no such header,
    the request that completes it does.
    """
    return iam.PolicyStatement(
        sid="WriteOnce",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["s3:PutObject"],
        resources=[bucket.arn_for_objects("*")],
        conditions={"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
    )


def _log_accesses(bucket: s3.Bucket, logs: s3.Bucket) -> None:
    """Let S3 log who reads and writes a bucket. CDK's own method needs a feature flag in the app, or else ACLs on the bucket of logs."""
    resource = bucket.node.default_child
    assert isinstance(resource, s3.CfnBucket)
    resource.logging_configuration = s3.CfnBucket.LoggingConfigurationProperty(
        destination_bucket_name=logs.bucket_name, log_file_prefix=REPORTS_PREFIX
    )
    logs.add_to_resource_policy(
        iam.PolicyStatement(
            sid="DeliverLogs",
            principals=[iam.ServicePrincipal("logging.s3.amazonaws.com")],
            actions=["s3:PutObject"],
            resources=[logs.arn_for_objects(f"{REPORTS_PREFIX}*")],
            conditions={
                "ArnLike": {"aws:SourceArn": bucket.bucket_arn},
                "StringEquals": {"aws:SourceAccount": cdk.Stack.of(bucket).account},
            },
        )
    )
