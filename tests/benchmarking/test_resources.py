"""The history's home in AWS: retained, encrypted, and a table that has the columns of the files."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template

from cdk_sglang import BenchmarkHistory, ConfigurationError
from cdk_sglang.benchmarking.columns import columns


@pytest.fixture(scope="module")
def template() -> Template:
    stack = cdk.Stack(cdk.App(), "Bench", env=cdk.Environment(account="111122223333", region="us-east-1"))
    history = BenchmarkHistory(stack, "History", scan_limit_gib=2)
    history.grant_write(iam.Role(stack, "Pipeline", assumed_by=iam.AccountRootPrincipal()))
    return Template.from_stack(stack)


def test_results_outlive_the_stack(template: Template) -> None:
    for kind in ("AWS::S3::Bucket", "AWS::KMS::Key"):
        template.has_resource(kind, {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"})
    template.has_resource_properties(
        "AWS::S3::Bucket",
        {
            "VersioningConfiguration": {"Status": "Enabled"},
            "PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "RestrictPublicBuckets": True},
            "BucketEncryption": Match.object_like({}),
        },
    )


def test_the_table_has_the_columns_of_the_files_and_projects_their_folders(template: Template) -> None:
    (table,) = template.find_resources("AWS::Glue::Table").values()
    content: dict[str, Any] = table["Properties"]["TableInput"]
    names = [column["Name"] for column in content["StorageDescriptor"]["Columns"]]
    assert names == [column.name for column in columns() if column.name not in {"environment", "component"}]
    assert [key["Name"] for key in content["PartitionKeys"]] == ["environment", "component", "date"]
    assert set(names) & {"environment", "component", "date"} == set()
    assert all(name == name.lower() for name in names)
    template_text = str(content["Parameters"]["storage.location.template"])
    assert "history/environment=${environment}/component=${component}/date=${date}/" in template_text
    assert content["Parameters"]["projection.enabled"] == "true"


def test_a_query_reads_no_more_than_the_limit_and_its_answer_is_encrypted(template: Template) -> None:
    template.has_resource_properties(
        "AWS::Athena::WorkGroup",
        {
            "WorkGroupConfiguration": {
                "EnforceWorkGroupConfiguration": True,
                "BytesScannedCutoffPerQuery": 2 * 2**30,
                "ResultConfiguration": {"EncryptionConfiguration": {"EncryptionOption": "SSE_KMS"}},
            }
        },
    )


def test_whoever_runs_benchmarks_writes_below_history_alone(template: Template) -> None:
    (policy,) = template.find_resources("AWS::IAM::Policy").values()
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    puts = [one for one in statements if "s3:PutObject" in one["Action"]]
    assert "history/*" in str(puts[0]["Resource"])
    assert not any("queries/" in str(one["Resource"]) for one in statements)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"database_name": "Bench-1"}, "History.database_name"),
        ({"workgroup_name": "a b"}, "History.workgroup_name"),
        ({"scan_limit_gib": 0}, "History.scan_limit_gib"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        BenchmarkHistory(cdk.Stack(cdk.App(), "Bench"), "History", **values)
    assert [problem.path for problem in error.value.problems] == [path]
