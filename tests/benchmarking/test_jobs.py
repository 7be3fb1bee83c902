"""SageMaker AI benchmark jobs: every request and response is held against botocore's model of the API."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from cdk_sglang import ConfigurationError, Goodput, Load, SharedPrefix, Workload
from cdk_sglang.benchmarking.aiperf.process import INTERRUPTED
from cdk_sglang.benchmarking.jobs.parameters import (
    NAME,
    REGIONS,
    configuration_name,
    job_problems,
    workload_specification,
)
from cdk_sglang.benchmarking.jobs.runner import JobRunner, unpack
from cdk_sglang.benchmarking.resolved import ResolvedWorkload, resolve_workload
from cdk_sglang.benchmarking.senders import JobSender
from cdk_sglang.benchmarking.target import Target
from cdk_sglang.cli.bench.senders import check_usage
from cdk_sglang.hardware import GpuInstance

DATA = Path(__file__).parent / "data"
ROLE = "arn:aws:iam::111122223333:role/bench"
JOB = "20261130t120000-aaaa-0-1"
TARGET = Target(
    environment="prod", path="chat/qwen", endpoint_name="prod-chat", component_name="prod-chat-qwen", region="us-east-1",
    load=Load(), slo=None, model="Qwen/Qwen3-8B", model_revision="r", sglang_version="0.5.20",
    instance=GpuInstance.named("ml.g6e.2xlarge"), gpus=1, request=None,
)  # fmt: skip


def resolved(**values: Any) -> ResolvedWorkload:
    return resolve_workload("steady", Workload(**values), load=Load(), slo=None)


def archive(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as out:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def described(status: str, **more: Any) -> dict[str, Any]:
    return {
        "AIBenchmarkJobName": JOB,
        "AIBenchmarkJobArn": f"arn:aws:sagemaker:us-east-1:111122223333:ai-benchmark-job/{JOB}",
        "AIBenchmarkJobStatus": status,
        "BenchmarkTarget": {"Endpoint": {"Identifier": "prod-chat"}},
        "OutputConfig": {"S3OutputLocation": "s3://results-1/jobs/"},
        "AIWorkloadConfigIdentifier": "c",
        "RoleArn": ROLE,
        "CreationTime": 0,
        **more,
    }


class Account:
    """Stubbed SageMaker and S3, and a runner of jobs that does not wait."""

    def __init__(self) -> None:
        keys = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
        self.sagemaker, self.s3 = boto3.client("sagemaker", **keys), boto3.client("s3", **keys)
        self.stub, self.s3_stub = Stubber(self.sagemaker), Stubber(self.s3)
        self.slept: list[float] = []
        self.jobs = JobRunner(
            sagemaker=self.sagemaker, s3=self.s3, target=TARGET, role_arn=ROLE, output="s3://results-1/jobs",
            timeout_seconds=60, sleep=self.slept.append, clock=lambda: sum(self.slept),
        )  # fmt: skip

    def accepts_job(self) -> None:
        arn = "arn:aws:sagemaker:us-east-1:111122223333:ai-workload-config/c"
        self.stub.add_response("create_ai_workload_config", {"AIWorkloadConfigArn": arn}, self.configuration())
        self.creates()

    def configuration(self) -> dict[str, Any]:
        return {"AIWorkloadConfigName": ANY, "AIWorkloadConfigs": {"WorkloadSpec": {"Inline": ANY}}}

    def creates(self) -> None:
        self.stub.add_response(
            "create_ai_benchmark_job",
            {"AIBenchmarkJobArn": described("x")["AIBenchmarkJobArn"]},
            {
                "AIBenchmarkJobName": JOB,
                "AIWorkloadConfigIdentifier": ANY,
                "BenchmarkTarget": {
                    "Endpoint": {"Identifier": "prod-chat", "InferenceComponents": [{"Identifier": "prod-chat-qwen"}]}
                },
                "OutputConfig": {"S3OutputLocation": f"s3://results-1/jobs/{JOB}/"},
                "RoleArn": ROLE,
            },
        )

    def is_described(self, *statuses: str, **more: Any) -> None:
        for status in statuses:
            self.stub.add_response("describe_ai_benchmark_job", described(status, **more), {"AIBenchmarkJobName": JOB})

    def has_written(self, content: bytes | None) -> None:
        key = f"jobs/{JOB}/somewhere/output/output.tar.gz"
        found = {} if content is None else {"Contents": [{"Key": key, "Size": len(content)}]}
        self.s3_stub.add_response("list_objects_v2", found, {"Bucket": "results-1", "Prefix": f"jobs/{JOB}/"})
        if content is not None:
            self.s3_stub.add_response("get_object", {"Body": io.BytesIO(content)}, {"Bucket": "results-1", "Key": key})

    def run(self, folder: Path, stop: Any = lambda: None) -> Any:
        workload = resolved(concurrency=(4,))
        sender = JobSender(
            jobs=self.jobs, environment="prod", run="20261130T120000-aaaa", workload=workload, tokenizer="Qwen/Qwen3-8B"
        )
        return sender(workload.steps[0], 1, folder, stop)


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    with account.stub, account.s3_stub:
        yield account
        account.stub.assert_no_pending_responses()
        account.s3_stub.assert_no_pending_responses()


def test_a_job_is_awaited_and_its_records_are_read(account: Account, tmp_path: Path) -> None:
    account.accepts_job()
    account.is_described("InProgress", "InProgress", "Completed")
    records = (DATA / "good" / "profile_export.jsonl").read_bytes()
    account.has_written(
        archive(artifacts__profile_export__jsonl=b"", plots__a=b"x", **{"out__profile_export.jsonl": records})
    )
    ended = account.run(tmp_path)
    assert (ended.code, ended.reason, len(account.slept)) == (0, None, 2)
    assert (tmp_path / "profile_export.jsonl").read_bytes() == records
    assert [path.name for path in tmp_path.iterdir()] == ["profile_export.jsonl"]


def test_a_configuration_that_is_there_is_used(account: Account, tmp_path: Path) -> None:
    account.stub.add_client_error("create_ai_workload_config", "ResourceInUse", expected_params=account.configuration())
    account.creates()
    account.is_described("Completed")
    account.has_written(None)
    assert account.run(tmp_path).code == 0


def test_a_job_waits_for_its_place_among_two(account: Account, tmp_path: Path) -> None:
    arn = "arn:aws:sagemaker:us-east-1:111122223333:ai-workload-config/c"
    account.stub.add_response("create_ai_workload_config", {"AIWorkloadConfigArn": arn})
    account.stub.add_client_error("create_ai_benchmark_job", "ResourceLimitExceeded")
    account.creates()
    account.is_described("Completed")
    account.has_written(None)
    assert (account.run(tmp_path).code, len(account.slept)) == (0, 1)


def test_a_job_that_failed_says_why(account: Account, tmp_path: Path) -> None:
    account.accepts_job()
    account.is_described("Failed", FailureReason="no such endpoint")
    account.has_written(None)
    ended = account.run(tmp_path)
    assert (ended.code, ended.log) == (1, f"job {JOB}: Failed: no such endpoint")


@pytest.mark.parametrize(
    ("stop", "reason"),
    [(lambda: "$9 are spent", r"$9 are spent"), (lambda: None, "the job did not end within 60 s")],
)
def test_the_ceiling_and_a_hanging_job_stop_the_job(account: Account, tmp_path: Path, stop: Any, reason: str) -> None:
    account.accepts_job()
    account.is_described(*["InProgress"] * (1 if stop() else 5))
    account.stub.add_response(
        "stop_ai_benchmark_job", {"AIBenchmarkJobArn": described("x")["AIBenchmarkJobArn"]}, {"AIBenchmarkJobName": JOB}
    )
    account.is_described("Stopping", "Stopped", "Stopped")
    account.has_written(None)
    assert account.run(tmp_path, stop).reason == reason


def test_ctrl_c_stops_the_job(account: Account, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    account.accepts_job()
    account.is_described("InProgress")
    account.stub.add_response("stop_ai_benchmark_job", {"AIBenchmarkJobArn": described("x")["AIBenchmarkJobArn"]})
    account.is_described("Stopped", "Stopped")
    account.has_written(None)
    assert account.run(tmp_path, interrupt).reason == INTERRUPTED


def test_another_refusal_is_the_callers(account: Account, tmp_path: Path) -> None:
    account.stub.add_client_error("create_ai_workload_config", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        account.run(tmp_path)


def test_an_archive_writes_nothing_outside_of_its_folder(tmp_path: Path) -> None:
    unpack(
        archive(**{"..__..__profile_export.jsonl": b"{}", "phases__profile_export.jsonl": b"no", "..__evil": b"x"}),
        tmp_path / "in",
    )
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["in", "in/profile_export.jsonl"]
    assert (tmp_path / "in" / "profile_export.jsonl").read_bytes() == b"{}"
    unpack(b"no archive", tmp_path / "in")


def test_the_specification_states_the_step() -> None:
    workload = resolved(request_rate=(2.5,), max_in_flight=8, seconds=30, goodput=Goodput(ttft_ms=100, tpot_ms=10.5))
    content = json.loads(workload_specification(workload, workload.steps[0], tokenizer="Qwen/Qwen3-8B", repeat=2))
    assert set(content) <= {"benchmark", "parameters", "secrets", "tooling"}
    assert content["parameters"] == {
        "streaming": True, "tokenizer": "Qwen/Qwen3-8B", "prompt_input_tokens_mean": 1024, "prompt_input_tokens_stddev": 0,
        "output_tokens_mean": 256, "output_tokens_stddev": 0, "random_seed": 2, "request_timeout_seconds": 120, "concurrency": 8,
        "request_rate": 2.5, "request_rate_mode": "poisson", "benchmark_duration": 30, "warmup_request_count": 2,
        "extra_inputs": "ignore_eos:true", "goodput": "time_to_first_token:100 inter_token_latency:10.5",
    }  # fmt: skip


@pytest.mark.parametrize("workload", ["a", "w" * 40])
def test_names_of_configurations_are_lower_case_and_follow_the_content(workload: str) -> None:
    names = {configuration_name("production" * 4, workload, content) for content in ("{}", "[]")}
    assert len(names) == 2
    assert all(NAME.fullmatch(name) for name in names)


def test_what_a_job_cannot_do_is_refused_before_anything_is_made() -> None:
    assert job_problems(resolved(), REGIONS[0]) == []
    lines = job_problems(resolved(shared_prefix=SharedPrefix(tokens=5)), "eu-north-1")
    assert [line.path for line in lines] == ["region", "bench.steady.shared_prefix"]


def test_options_that_go_together_are_checked() -> None:
    check_usage(runner="aiperf", api="streaming", role=None, output=None)
    with pytest.raises(ConfigurationError) as error:
        check_usage(runner="sagemaker", api="grpc", role=None, output="bucket")
    assert [problem.path for problem in error.value.problems] == ["--api", "--role", "--output"]
