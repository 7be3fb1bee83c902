"""The history's home in AWS: retained, encrypted, and a table that has the columns of the files."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from cdk_sglang import (
    BenchmarkHistory,
    BenchmarkJobs,
    Capacity,
    ConfigurationError,
    InferenceEndpoint,
    Load,
    ModelSource,
    NoVerification,
    ServingImage,
    Turns,
    Workload,
)
from cdk_sglang.benchmarking.columns import columns
from cdk_sglang.benchmarking.jobs.parameters import configuration_name, workload_specification
from cdk_sglang.benchmarking.resolved import resolve_workload


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


# --- jobs ---------------------------------------------------------------------------------------------------------


def build(*, region: str = "us-east-1", **values: Any) -> tuple[cdk.Stack, BenchmarkJobs]:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account="111122223333", region=region))
    endpoint = InferenceEndpoint(
        stack,
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=1),
        image=ServingImage.from_dlc(),
        endpoint_name="prod-chat",
        verification=NoVerification(reason="a test"),
    )
    component = endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/", check=False))
    options: dict[str, Any] = {
        "workloads": {"ladder": Workload(concurrency=(1, 8), repeats=2)},
        "tokenizer": "me/llama",
    }
    bucket = s3.Bucket.from_bucket_name(stack, "Results", "results-1")
    return stack, BenchmarkJobs(
        stack, "Jobs", component=component, environment="prod", bucket=bucket, **{**options, **values}
    )


def test_every_repeat_of_a_step_is_a_configuration_that_the_command_finds() -> None:
    stack, jobs = build()
    workload = resolve_workload("ladder", Workload(concurrency=(1, 8), repeats=2), load=Load(), slo=None)
    expected = {
        configuration_name(
            "prod", "ladder", workload_specification(workload, step, tokenizer="me/llama", repeat=repeat)
        )
        for step in workload.steps
        for repeat in range(2)
    }
    found = Template.from_stack(stack).find_resources("AWS::SageMaker::AIWorkloadConfig")
    assert {one["Properties"]["AIWorkloadConfigName"] for one in found.values()} == expected
    assert len(set(jobs.configuration_names)) == 4
    assert jobs.output == "s3://results-1/jobs"


def test_the_role_sends_to_the_component_and_writes_below_jobs() -> None:
    stack, _ = build()
    (policy,) = [
        one
        for name, one in Template.from_stack(stack).find_resources("AWS::IAM::Policy").items()
        if name.startswith("Jobs")
    ]
    statements = {
        str(one["Action"]): str(one["Resource"]) for one in policy["Properties"]["PolicyDocument"]["Statement"]
    }
    assert any("InvokeEndpoint" in action and "prod-chat-llama" in resource for action, resource in statements.items())
    assert any("s3:PutObject" in action and "/jobs/*" in resource for action, resource in statements.items())
    assert statements["servicequotas:GetServiceQuota"] == "*"


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"workloads": {}}, ["Jobs.workloads"]),
        ({"tokenizer": None}, ["Jobs.tokenizer"]),
        ({"region": "eu-north-1"}, ["region"]),
        ({"workloads": {"talk": Workload(turns=Turns(mean=2))}}, ["bench.talk.turns"]),
    ],
)
def test_what_no_job_can_send_is_refused(values: dict[str, Any], paths: list[str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        build(**values)
    assert [problem.path for problem in error.value.problems] == paths
