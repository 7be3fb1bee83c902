"""Storage of the history in AWS: a retained bucket, and a table that Athena queries without a crawler."""

from __future__ import annotations

import re
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.benchmarking.columns import PARTITIONS, columns
from cdk_sglang.benchmarking.history.query import DATABASE, TABLE, WORKGROUP
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.serving.shared.acknowledge import acknowledge, in_packs

PREFIX: Final = "history/"
QUERIES: Final = "queries/"
_FIRST_DAY: Final = "2026-01-01"
_GIB: Final = 2**30
_MOST_SCAN_GIB: Final = 1024
_SCAN_MIN_BYTES: Final = 10_000_000
"""Least bytes of a scan limit (https://docs.aws.amazon.com/athena/latest/ug/workgroups-setting-control-limits-cloudwatch.html, read 2026-11)."""
_DATABASE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_WORKGROUP: Final = re.compile(r"[a-zA-Z0-9._-]{1,128}")
_INPUT: Final = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
_OUTPUT: Final = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
_SERDE: Final = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
"""Classes of a Parquet table (https://docs.aws.amazon.com/athena/latest/ug/parquet-serde.html, read 2026-11)."""
_QUERY: Final = (
    "athena:StartQueryExecution",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:StopQueryExecution",
)
_CATALOGUE: Final = ("glue:GetDatabase", "glue:GetTable", "glue:GetPartitions")
"""What a query of one table takes of https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonAthenaFullAccess.html (read 2026-12)."""
_NO_SECOND_COPY: Final = (
    "results can be measured again; a second copy in another Region is the owner's choice, not a default"
)
_NO_ACCESS_LOGS: Final = "who reads results is in CloudTrail's data events, where the account records them"


class BenchmarkHistory(Construct):
    """Bucket, table and workgroup of benchmark results; `cdk-sglang bench run --history s3://<bucket>/history` writes there.

    The bucket and its key outlive the stack. Partitions are projected: a new run is found at once, and a query names environment and
    component, for example `SELECT * FROM measurements WHERE environment = 'prod' AND component = 'prod-chat-qwen'`.

    Args:
        scope: Parent.
        construct_id: Id within it.
        database_name: Name of the Glue database: lower-case letters, digits and underscores; cdk_sglang_bench by default.
        workgroup_name: Name of the Athena workgroup; cdk-sglang-bench by default.
        scan_limit_gib: Maximum GiB that a query may read, 1 to 1,024; 10 by default.
        encryption_key: KMS key of the bucket; a key of its own by default.

    Attributes:
        bucket: Bucket with the results below history/ and Athena's answers below queries/.
        location: Value for --history: s3://<bucket>/history.
        database_name: Name of the Glue database.
        table_name: Name of the Glue table.
        workgroup_name: Name of the Athena workgroup.

    Raises:
        ConfigurationError: A name that AWS would refuse, or a limit out of range.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        database_name: str = DATABASE,
        workgroup_name: str = WORKGROUP,
        scan_limit_gib: float = 10,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        raise_if_any(_problems(construct_id, database_name, workgroup_name, scan_limit_gib))
        super().__init__(scope, construct_id)
        key = encryption_key or kms.Key(
            self,
            "Key",
            description="Benchmark results of cdk-sglang",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        self.bucket: s3.Bucket = s3.Bucket(
            self,
            "Results",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    prefix=QUERIES,
                    expiration=cdk.Duration.days(30),
                    noncurrent_version_expiration=cdk.Duration.days(1),
                ),
                s3.LifecycleRule(abort_incomplete_multipart_upload_after=cdk.Duration.days(7)),
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        acknowledge(self.bucket, in_packs("S3BucketReplicationEnabled"), _NO_SECOND_COPY)
        acknowledge(self.bucket, ["AwsSolutions-S1", *in_packs("S3BucketLoggingEnabled")], _NO_ACCESS_LOGS)
        self.location: str = f"s3://{self.bucket.bucket_name}/{PREFIX.rstrip('/')}"
        database, table = self._build_table(database_name)
        self.database_name: str = database.ref
        self.table_name: str = table.ref
        workgroup = athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=workgroup_name,
            description="Queries about benchmark results of cdk-sglang",
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=max(_SCAN_MIN_BYTES, round(scan_limit_gib * _GIB)),
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{self.bucket.bucket_name}/{QUERIES}",
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=key.key_arn
                    ),
                ),
            ),
        )
        self.workgroup_name: str = workgroup.ref

    @checked()
    def grant_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a principal to write and read results, as `cdk-sglang bench run` does.

        Args:
            grantee: Role or user.
        """
        return self.bucket.grant_read_write(grantee, f"{PREFIX}*")

    @checked()
    def grant_query(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a principal to query results with Athena, as `cdk-sglang bench query --athena` does.

        Args:
            grantee: Role or user.
        """
        stack = cdk.Stack.of(self)
        catalogue = [
            stack.format_arn(service="glue", resource="catalog"),
            stack.format_arn(service="glue", resource="database", resource_name=self.database_name),
            stack.format_arn(service="glue", resource="table", resource_name=f"{self.database_name}/{self.table_name}"),
        ]
        workgroup = stack.format_arn(service="athena", resource="workgroup", resource_name=self.workgroup_name)
        self.bucket.grant_read(grantee, f"{PREFIX}*")
        self.bucket.grant_read_write(grantee, f"{QUERIES}*")
        iam.Grant.add_to_principal(grantee=grantee, actions=list(_CATALOGUE), resource_arns=catalogue)
        # Athena asks for the bucket's Region before it writes an answer.
        iam.Grant.add_to_principal(
            grantee=grantee, actions=["s3:GetBucketLocation"], resource_arns=[self.bucket.bucket_arn]
        )
        return iam.Grant.add_to_principal(grantee=grantee, actions=list(_QUERY), resource_arns=[workgroup])

    def _build_table(self, database_name: str) -> tuple[glue.CfnDatabase, glue.CfnTable]:
        account = cdk.Stack.of(self).account
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=database_name, description="Benchmark results of cdk-sglang"
            ),
        )
        location = f"s3://{self.bucket.bucket_name}/{PREFIX}"
        folders = "/".join(f"{name}=${{{name}}}" for name in PARTITIONS)
        column = glue.CfnTable.ColumnProperty
        table = glue.CfnTable(
            self,
            "Table",
            catalog_id=account,
            database_name=database_name,
            table_input=glue.CfnTable.TableInputProperty(
                name=TABLE,
                description="One row for each repeat of a step of a benchmark",
                table_type="EXTERNAL_TABLE",
                parameters={
                    "classification": "parquet",
                    "projection.enabled": "true",
                    # Names of environments and components are known to whoever asks: a query states both.
                    "projection.environment.type": "injected",
                    "projection.component.type": "injected",
                    "projection.date.type": "date",
                    "projection.date.format": "yyyy-MM-dd",
                    "projection.date.range": f"{_FIRST_DAY},NOW+1DAYS",
                    "storage.location.template": f"{location}{folders}/",
                },
                partition_keys=[column(name=name, type="string") for name in PARTITIONS],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    location=location,
                    input_format=_INPUT,
                    output_format=_OUTPUT,
                    serde_info=glue.CfnTable.SerdeInfoProperty(serialization_library=_SERDE),
                    columns=[column(name=one.name, type=one.glue) for one in columns() if one.name not in PARTITIONS],
                ),
            ),
        )
        table.add_dependency(database)
        return database, table


def _problems(construct_id: str, database_name: str, workgroup_name: str, scan_limit_gib: float) -> list[Problem]:
    problems = []
    if not cdk.Token.is_unresolved(database_name) and not _DATABASE.fullmatch(database_name):
        problems.append(
            Problem(
                f"{construct_id}.database_name",
                f"{database_name!r} is not allowed; use lower-case letters, digits and underscores, starting with a letter",
            )
        )
    if not cdk.Token.is_unresolved(workgroup_name) and not _WORKGROUP.fullmatch(workgroup_name):
        problems.append(
            Problem(
                f"{construct_id}.workgroup_name",
                f"{workgroup_name!r} is not allowed; use letters, digits, dots, underscores and hyphens, up to 128",
            )
        )
    if not 1 <= scan_limit_gib <= _MOST_SCAN_GIB:
        problems.append(
            Problem(f"{construct_id}.scan_limit_gib", f"{scan_limit_gib:g} is not allowed; use 1 to {_MOST_SCAN_GIB}")
        )
    return problems
