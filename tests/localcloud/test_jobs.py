"""Outputs, quotas and faults of SageMaker's jobs, and the model registry."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cdk_sglang.benchmarking.aiperf.records import figures_of, records_of
from localcloud.aws import faults
from localcloud.aws.compute import job_outputs
from tests.localcloud.helpers import ROLE, SESSION, any_component, any_endpoint
from tests.support.accounts import LARGE

TYPE = "ml.g6e.12xlarge"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 300,
    "num_hidden_layers": 2,
}


@pytest.fixture
def s3(driven: Any) -> Any:
    client = SESSION.client("s3")
    client.create_bucket(Bucket="models")
    client.put_object(Bucket="models", Key="llama/config.json", Body=json.dumps(CONFIG))
    return client


@pytest.fixture(autouse=True)
def steps() -> Iterator[None]:
    before = dict(job_outputs._steps)
    yield
    job_outputs._steps.update(before)


def train(sagemaker: Any, name: str = "eagle", **more: Any) -> None:
    request = {
        "OptimizationJobName": name,
        "RoleArn": ROLE,
        "ModelSource": {"S3": {"S3Uri": "s3://models/llama/"}},
        "DeploymentInstanceType": TYPE,
        "OptimizationConfigs": [{"ModelSpeculativeDecodingConfig": {"Technique": "EAGLE"}}],
        "OutputConfig": {"S3OutputLocation": "s3://models/runs/r1/job/"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    sagemaker.create_optimization_job(**request | more)


def keys(s3: Any, prefix: str) -> list[str]:
    found = s3.list_objects_v2(Bucket="models", Prefix=prefix).get("Contents", [])
    return [item["Key"].removeprefix(prefix) for item in found]


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_training_job_leaves_a_draft_and_an_evaluation(sagemaker: Any, driven: Any, s3: Any) -> None:
    train(sagemaker)
    driven.advance(2)
    assert keys(s3, "runs/") == []
    driven.advance(2)
    names = [f"results/benchmark_{kind}_conc{n}.json" for kind in ("no_eagle", "trained_eagle") for n in (1, 8)]
    report = "results/benchmark_report.html"
    assert sorted(keys(s3, "runs/r1/job/")) == sorted(["draft/config.json", "draft/model.safetensors", report, *names])
    config = json.loads(s3.get_object(Bucket="models", Key="runs/r1/job/draft/config.json")["Body"].read())
    assert config["architectures"] == ["LlamaForCausalLMEagle3"]
    weights = s3.get_object(Bucket="models", Key="runs/r1/job/draft/model.safetensors")["Body"].read()
    size = int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8 : 8 + size])
    assert header["fc.weight"]["shape"] == [64, 192]
    assert max(tensor["data_offsets"][1] for tensor in header.values()) == len(weights) - 8 - size
    assert "stand_in" in config


def test_a_training_job_without_a_model_fails_and_says_why(sagemaker: Any, driven: Any, s3: Any) -> None:
    train(sagemaker, ModelSource={"S3": {"S3Uri": "s3://models/absent/"}})
    driven.advance(10)
    job = sagemaker.describe_optimization_job(OptimizationJobName="eagle")
    assert job["OptimizationJobStatus"] == "FAILED"
    assert job["FailureReason"] == "ClientError: no config.json at s3://models/absent/"


def test_a_test_may_replace_what_a_job_does(sagemaker: Any, driven: Any, s3: Any) -> None:
    job_outputs.use_step("OptimizationJob", lambda job: job.write("draft/config.json", b"{"))
    train(sagemaker)
    driven.advance(10)
    assert keys(s3, "runs/r1/job/") == ["draft/config.json"]


def test_a_stopped_job_writes_nothing(sagemaker: Any, driven: Any, s3: Any) -> None:
    train(sagemaker)
    sagemaker.stop_optimization_job(OptimizationJobName="eagle")
    driven.advance(10)
    assert sagemaker.describe_optimization_job(OptimizationJobName="eagle")["OptimizationJobStatus"] == "STOPPED"
    assert keys(s3, "runs/") == []


def test_a_quota_of_zero_is_shown_and_refuses_the_job(sagemaker: Any, s3: Any) -> None:
    quotas, name = SESSION.client("service-quotas"), f"{TYPE} for training job usage"
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker", MaxResults=10)
    found = [quota for page in pages for quota in page["Quotas"]]
    assert len(found) > 50
    assert f"{TYPE} for endpoint usage" in {quota["QuotaName"] for quota in found}
    (mine,) = [quota for quota in found if quota["QuotaName"] == name]
    assert mine["Value"] == LARGE["*"]

    faults.inject("job-quota-zero", target=TYPE)
    code_ = {"ServiceCode": "sagemaker", "QuotaCode": mine["QuotaCode"]}
    assert quotas.get_service_quota(**code_)["Quota"]["Value"] == 0
    with pytest.raises(ClientError) as error:
        train(sagemaker)
    assert code(error) == "ResourceLimitExceeded"
    assert f"'{name}' is 0 Instances" in error.value.response["Error"]["Message"]
    train(sagemaker, name="other", DeploymentInstanceType="ml.g5.12xlarge")


def bench(sagemaker: Any, name: str, component: str = "llama") -> None:
    target = {"Identifier": "fleet", "InferenceComponents": [{"Identifier": component}]}
    sagemaker.create_ai_benchmark_job(
        AIBenchmarkJobName=name,
        BenchmarkTarget={"Endpoint": target},
        OutputConfig={"S3OutputLocation": "s3://models/bench/"},
        AIWorkloadConfigIdentifier="w",
        RoleArn=ROLE,
    )


@pytest.fixture
def workload(sagemaker: Any, driven: Any, s3: Any) -> dict[str, Any]:
    any_endpoint(sagemaker)
    driven.advance(5)
    any_component(sagemaker)
    driven.advance(5)
    parameters = {"concurrency": 4, "request_count": 20, "prompt_input_tokens_mean": 500, "output_tokens_mean": 101}
    specification = json.dumps({"benchmark": {"type": "aiperf"}, "parameters": parameters})
    sagemaker.create_ai_workload_config(
        AIWorkloadConfigName="w", AIWorkloadConfigs={"WorkloadSpec": {"Inline": specification}}
    )
    return parameters


def archived(s3: Any, name: str) -> dict[str, bytes]:
    body = s3.get_object(Bucket="models", Key=f"bench/{name}/output/output.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as files:
        return {member.name: files.extractfile(member).read() for member in files}


def test_a_benchmark_job_leaves_the_records_that_the_library_reads(
    sagemaker: Any, driven: Any, s3: Any, workload: dict[str, Any]
) -> None:
    bench(sagemaker, "b1")
    driven.advance(10)
    assert sagemaker.describe_ai_benchmark_job(AIBenchmarkJobName="b1")["AIBenchmarkJobStatus"] == "Completed"
    records = archived(s3, "b1")["profile_export.jsonl"].decode().splitlines()
    figures = figures_of(records_of(records), goodput=None)
    assert (figures.requests, figures.failed, figures.input_tokens, figures.output_tokens) == (20, 0, 500, 101)
    seconds = 5 * (0.060 + 100 * 0.012)
    assert figures.output_tok_s == pytest.approx(20 * 101 / seconds, rel=1e-3)


def test_the_speed_of_each_component_can_be_chosen(sagemaker: Any, driven: Any, s3: Any, workload: Any) -> None:
    any_component(sagemaker, "draft")
    driven.advance(5)
    speeds = {"llama": job_outputs.Speed(), "draft": job_outputs.Speed(tpot_ms=8)}
    job_outputs.use_step("AIBenchmarkJob", lambda job: job_outputs.benchmark(job, speeds[job.components[0]], failed=2))
    for name in speeds:
        bench(sagemaker, f"b-{name}", name)
    driven.advance(10)
    found = [records_of(archived(s3, f"b-{name}")["profile_export.jsonl"].decode().splitlines()) for name in speeds]
    base, draft = (figures_of(records, goodput=None) for records in found)
    assert base.failed == draft.failed == 2
    assert draft.output_tok_s / base.output_tok_s == pytest.approx(1.26 / 0.86, rel=1e-3)


def test_a_third_benchmark_job_waits_for_its_place(sagemaker: Any, driven: Any, workload: dict[str, Any]) -> None:
    bench(sagemaker, "b1")
    bench(sagemaker, "b2")
    with pytest.raises(ClientError) as error:
        bench(sagemaker, "b3")
    assert code(error) == "ResourceLimitExceeded"
    driven.advance(10)
    bench(sagemaker, "b3")


def test_a_benchmark_job_of_an_unknown_component_is_refused(sagemaker: Any, workload: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as error:
        bench(sagemaker, "b1", "absent")
    assert code(error) == "ResourceNotFound"


def status_of(sagemaker: Any, name: str) -> str:
    return str(sagemaker.describe_ai_benchmark_job(AIBenchmarkJobName=name)["AIBenchmarkJobStatus"])


@pytest.mark.usefixtures("workload")
def test_a_benchmark_job_fails(sagemaker: Any, driven: Any, s3: Any) -> None:
    faults.inject("benchmark-job-failed", target="b1")
    bench(sagemaker, "b1")
    driven.advance(10)
    assert status_of(sagemaker, "b1") == "Failed"
    assert keys(s3, "bench/") == []


@pytest.mark.usefixtures("workload")
def test_a_benchmark_job_hangs_until_it_is_stopped(sagemaker: Any, driven: Any, s3: Any) -> None:
    faults.inject("benchmark-job-hangs", target="b1")
    bench(sagemaker, "b1")
    driven.advance(3600, step_s=10)
    assert status_of(sagemaker, "b1") == "InProgress"
    sagemaker.stop_ai_benchmark_job(AIBenchmarkJobName="b1")
    driven.advance(10)
    assert status_of(sagemaker, "b1") == "Stopped"
    assert keys(s3, "bench/") == []


def test_versions_are_counted_per_group_and_approved(sagemaker: Any) -> None:
    sagemaker.create_model_package_group(ModelPackageGroupName="prod-llama")
    arns = [
        sagemaker.create_model_package(
            ModelPackageGroupName="prod-llama", CustomerMetadataProperties={"run": f"r{number}", "note": "x"}
        )["ModelPackageArn"]
        for number in range(3)
    ]
    assert [arn.rsplit("/", 2)[1:] for arn in arns] == [["prod-llama", "1"], ["prod-llama", "2"], ["prod-llama", "3"]]
    assert sagemaker.describe_model_package(ModelPackageName=arns[1])["ModelApprovalStatus"] == "PendingManualApproval"
    sagemaker.update_model_package(
        ModelPackageArn=arns[1],
        ModelApprovalStatus="Approved",
        ApprovalDescription="faster",
        CustomerMetadataProperties={"usd": "12"},
        CustomerMetadataPropertiesToRemove=["note"],
    )
    described = sagemaker.describe_model_package(ModelPackageName=arns[1])
    assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == ("Approved", "faster")
    assert described["CustomerMetadataProperties"] == {"run": "r1", "usd": "12"}
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName="prod-llama", PaginationConfig={"PageSize": 2}
    )
    listed = [package["ModelPackageVersion"] for page in pages for package in page["ModelPackageSummaryList"]]
    assert sorted(listed) == [1, 2, 3]
    approved = sagemaker.list_model_packages(ModelPackageGroupName="prod-llama", ModelApprovalStatus="Approved")
    assert [package["ModelPackageArn"] for package in approved["ModelPackageSummaryList"]] == [arns[1]]

    with pytest.raises(ClientError) as error:
        sagemaker.delete_model_package_group(ModelPackageGroupName="prod-llama")
    assert code(error) == "ConflictException"
    for arn in arns:
        sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName="prod-llama")
    assert sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []


def test_a_group_of_versions_belongs_to_a_stack(sagemaker: Any) -> None:
    group = {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": {"ModelPackageGroupName": "prod-llama"}}
    cloudformation = SESSION.client("cloudformation")
    body = {"Resources": {"Versions": group}, "Outputs": {"Arn": {"Value": {"Ref": "Versions"}}}}
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(body))
    (stack,) = cloudformation.describe_stacks(StackName="s")["Stacks"]
    described = sagemaker.describe_model_package_group(ModelPackageGroupName="prod-llama")
    assert stack["Outputs"][0]["OutputValue"] == described["ModelPackageGroupArn"]
    cloudformation.delete_stack(StackName="s")
    with pytest.raises(ClientError):
        sagemaker.describe_model_package_group(ModelPackageGroupName="prod-llama")
