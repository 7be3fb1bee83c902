"""`cdk-sglang bench run --runner sagemaker` on the embedded AWS: jobs made, awaited and read by the command, and every way in which one fails."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import Result
from typer.testing import CliRunner

from cdk_sglang import ConfigurationError
from cdk_sglang.benchmarking import runner
from cdk_sglang.benchmarking.history.store import History
from cdk_sglang.benchmarking.jobs import runner as jobs
from cdk_sglang.benchmarking.jobs.parameters import NAME
from cdk_sglang.benchmarking.result import Measurement, Outcome
from cdk_sglang.cli.aws import client
from cdk_sglang.cli.main import app
from localcloud.aws import faults
from localcloud.aws.compute import job_outputs
from tests.localcloud.helpers import ROLE, SESSION, any_component, any_endpoint

ENDPOINT, COMPONENT, BUCKET = "test-chat", "test-chat-qwen", "results-1"


class Bench:
    """An environment that is deployed, and the command that measures it; only the waiting moves the clock."""

    def __init__(self, clock: Any, folder: Path) -> None:
        self.clock, self.folder = clock, folder
        self.sagemaker = SESSION.client("sagemaker")
        self.on_sleep: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.on_sleep()
        self.clock.advance(seconds)

    def write(self, region: str = "us-east-1", **workload: Any) -> None:
        content = {
            "region": region,
            "network": {"vpc": "none"},
            "endpoints": {
                "chat": {
                    "capacity": {"type": "ml.g6e.12xlarge", "max_instances": 1},
                    "components": {
                        "qwen": {
                            "model": {"id": "Qwen/Qwen3-8B", "prefix": "weights/qwen/"},
                            "server": {"context_length": 4096, "tp_size": 2},
                        }
                    },
                }
            },
            "bench": {"ladder": {"concurrency": [1, 4], "requests": 20, "repeats": 1, **workload}},
        }
        (self.folder / "test.yaml").write_text(json.dumps(content), encoding="utf-8")

    def run(self, *words: str) -> Result:
        command = ["bench", "run", "--env", "test", "--environments", str(self.folder), "--runner", "sagemaker"]
        command += ["--role", ROLE, "--output", f"s3://{BUCKET}/jobs", "--history", str(self.folder / "history")]
        return CliRunner().invoke(app, [*command, *words])

    def kept(self) -> list[Measurement]:
        found, notes = History(location=str(self.folder / "history"), s3=lambda: None).read(environment="test")
        assert notes == []
        return found

    def jobs(self) -> dict[str, str]:
        found = self.sagemaker.list_ai_benchmark_jobs()["AIBenchmarkJobs"]
        return {one["AIBenchmarkJobName"]: one["AIBenchmarkJobStatus"] for one in found}

    def job(self, name: str) -> None:
        """Start a job of somebody else."""
        configurations = self.sagemaker.list_ai_workload_configs()["AIWorkloadConfigs"]
        if not configurations:
            self.sagemaker.create_ai_workload_config(
                AIWorkloadConfigName="other", AIWorkloadConfigs={"WorkloadSpec": {"Inline": "{}"}}
            )
        self.sagemaker.create_ai_benchmark_job(
            AIBenchmarkJobName=name,
            BenchmarkTarget={"Endpoint": {"Identifier": ENDPOINT, "InferenceComponents": [{"Identifier": COMPONENT}]}},
            OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/other/"},
            AIWorkloadConfigIdentifier="other",
            RoleArn=ROLE,
        )


@pytest.fixture
def bench(driven: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(driven, tmp_path)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("cdk_sglang.cli.bench.run.FOLDER", tmp_path / "runs")
    monkeypatch.setattr("cdk_sglang.cli.bench.run.seconds_until_answer", lambda *_, **__: 2.0)
    monkeypatch.setattr(jobs, "JobRunner", functools.partial(jobs.JobRunner, sleep=bench.sleep, clock=driven.now))
    monkeypatch.setattr(runner, "Setup", functools.partial(runner.Setup, now=driven.utc, elapsed=driven.now))
    SESSION.client("s3").create_bucket(Bucket=BUCKET)
    any_endpoint(bench.sagemaker, ENDPOINT)
    driven.advance(5)
    any_component(bench.sagemaker, COMPONENT, endpoint=ENDPOINT)
    driven.advance(5)
    bench.write()
    before = job_outputs.use_step("AIBenchmarkJob", job_outputs.benchmark)
    monkeypatch.setattr(job_outputs, "_steps", {**job_outputs._steps})
    job_outputs.use_step("AIBenchmarkJob", before)
    return bench


def test_jobs_are_made_awaited_read_and_kept(bench: Bench) -> None:
    done = bench.run()
    assert done.exit_code == 0, done.output
    assert "completed" in done.output
    assert "the jobs' own instances are in no figure and not in max_usd: AWS publishes neither" in done.output
    rows = bench.kept()
    assert [(one.concurrency, one.figures.requests, one.figures.failed) for one in rows] == [(1, 20, 0), (4, 20, 0)]
    assert {one.runner for one in rows} == {"sagemaker"}
    assert [one.figures.tpot_ms.mean for one in rows if one.figures.tpot_ms is not None] == [12, 12]
    assert all(one.planned is not None and one.wake_seconds == 2.0 for one in rows)
    assert set(bench.jobs().values()) == {"Completed"}
    names = [
        *bench.jobs(),
        *(one["AIWorkloadConfigName"] for one in bench.sagemaker.list_ai_workload_configs()["AIWorkloadConfigs"]),
    ]
    assert len(names) == 4
    assert all(NAME.fullmatch(name) for name in names)
    again = bench.run()  # the configurations that are there are used
    assert again.exit_code == 0, again.output
    assert len(bench.sagemaker.list_ai_workload_configs()["AIWorkloadConfigs"]) == 2
    compared = CliRunner().invoke(
        app, ["bench", "compare", "--env", "test", "--history", str(bench.folder / "history")]
    )
    assert compared.exit_code == 0, compared.output


def test_a_job_waits_for_its_place_among_those_of_the_account(bench: Bench) -> None:
    bench.job("other-1")
    bench.job("other-2")
    done = bench.run()
    assert done.exit_code == 0, done.output
    assert len(bench.kept()) == 2


def test_a_failed_job_ends_the_run_with_its_reason_and_keeps_what_was_measured(bench: Bench) -> None:
    faults.inject("benchmark-job-failed", target="*-1-0")
    done = bench.run()
    assert done.exit_code == 1
    assert "tool-failed: AIPerf ended with exit code 1 and no request" in done.output
    assert "Failed: ClientError: the job failed (injected fault)" in done.output
    assert [one.figures.requests for one in bench.kept()] == [20, 0]
    assert {one.outcome for one in bench.kept()} == {Outcome.TOOL_FAILED}


def test_a_job_that_hangs_is_stopped_and_told_as_such(bench: Bench) -> None:
    faults.inject("benchmark-job-hangs", target="*-1-0")
    done = bench.run("--job-minutes", "2")
    assert done.exit_code == 1
    assert "tool-failed: the job did not end within 120 s" in done.output
    assert sorted(bench.jobs().values()) == ["Completed", "Stopped"]
    assert [one.is_partial for one in bench.kept()] == [False, True]


def test_ctrl_c_stops_the_job_and_keeps_what_was_measured(bench: Bench) -> None:
    def interrupt() -> None:
        if len(bench.jobs()) > 1 and "InProgress" in bench.jobs().values():
            raise KeyboardInterrupt

    bench.on_sleep = interrupt
    done = bench.run()
    assert done.exit_code == 1
    assert "interrupted; what was measured until then is kept" in done.output
    assert sorted(bench.jobs().values()) == ["Completed", "Stopped"]
    assert [(one.figures.requests, one.is_partial) for one in bench.kept()] == [(20, False), (0, True)]


def test_the_ceiling_stops_the_job(bench: Bench) -> None:
    faults.inject("benchmark-job-hangs")
    done = bench.run("--max-usd", "0.5")
    assert done.exit_code == 1
    assert "ceiling-reached: $0.5" in done.output
    assert list(bench.jobs().values()) == ["Stopped"]


def test_an_endpoint_that_goes_away_during_a_job_is_named(bench: Bench) -> None:
    def gone(job: job_outputs.Job) -> None:
        job_outputs.benchmark(job, failed=3)
        with contextlib.suppress(ClientError):  # it is being deleted already
            bench.sagemaker.delete_inference_component(InferenceComponentName=COMPONENT)

    job_outputs.use_step("AIBenchmarkJob", gone)
    done = bench.run()
    assert done.exit_code == 1
    assert f"endpoint-ended: {COMPONENT} " in done.output
    assert "3 of 20 requests failed" in done.output


def test_an_endpoint_that_goes_away_between_two_jobs_is_named_and_the_first_is_kept(bench: Bench) -> None:
    def gone(job: job_outputs.Job) -> None:
        job_outputs.benchmark(job)
        with contextlib.suppress(ClientError):  # it is being deleted already
            bench.sagemaker.delete_inference_component(InferenceComponentName=COMPONENT)

    job_outputs.use_step("AIBenchmarkJob", gone)
    bench.write(concurrency=[1, 2, 4])
    done = bench.run()
    assert done.exit_code == 1
    assert "endpoint-ended: " in done.output
    assert {one.outcome for one in bench.kept()} == {Outcome.ENDPOINT_ENDED}


def test_throttled_requests_of_a_job_end_the_run_as_such(bench: Bench) -> None:
    job_outputs.use_step(
        "AIBenchmarkJob", lambda job: job_outputs.benchmark(job, failed=1, error=job_outputs.THROTTLED)
    )
    done = bench.run()
    assert done.exit_code == 1
    assert "throttled: 1 of 20 requests were throttled; raise the account's quota of InvokeEndpoint" in done.output
    assert [(one.figures.requests, one.outcome) for one in bench.kept()] == [(19, Outcome.THROTTLED)]


def test_a_job_without_a_success_names_the_kinds_of_errors(bench: Bench) -> None:
    job_outputs.use_step("AIBenchmarkJob", lambda job: job_outputs.benchmark(job, failed=20))
    done = bench.run()
    assert done.exit_code == 1
    assert "no-successes: no request of 20 was answered: 20 x 503" in done.output
    assert [one.figures.failed for one in bench.kept()] == [20]


def test_a_refusal_after_the_first_job_keeps_what_was_measured(bench: Bench) -> None:
    def refused(job: job_outputs.Job) -> None:
        job_outputs.benchmark(job)
        faults.inject("access-denied", target="CreateAIBenchmarkJob")

    job_outputs.use_step("AIBenchmarkJob", refused)
    done = bench.run()
    assert done.exit_code == 1
    assert "bench: tool-failed: An error occurred (AccessDenied" in done.output
    assert [one.figures.requests for one in bench.kept()] == [20]


def test_a_refusal_of_the_first_job_is_one_line(bench: Bench) -> None:
    faults.inject("access-denied", target="CreateAIBenchmarkJob")
    done = bench.run()
    assert done.exit_code == 1
    assert "sagemaker:CreateAIBenchmarkJob: not allowed" in done.output
    assert bench.kept() == []


def test_a_job_that_nobody_may_look_at_is_stopped(bench: Bench) -> None:
    def deny() -> None:
        faults.inject("access-denied", target="DescribeAIBenchmarkJob")

    faults.inject("benchmark-job-hangs")
    bench.on_sleep = deny
    done = bench.run()
    assert done.exit_code == 1
    faults.clear()
    bench.clock.advance(60)
    assert list(bench.jobs().values()) == ["Stopped"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not repeat a request by themselves, which would take real seconds."""
    monkeypatch.setattr("cdk_sglang.cli.bench.run.aws_client", functools.partial(client, attempts=1))


@pytest.mark.usefixtures("impatient")
def test_what_sagemaker_throttles_is_asked_for_again(bench: Bench) -> None:
    for operation in ("CreateAIWorkloadConfig", "CreateAIBenchmarkJob", "DescribeAIBenchmarkJob"):
        faults.inject("throttling", target=operation, times=2)
    done = bench.run()
    assert done.exit_code == 0, done.output
    assert [(one.figures.requests, one.outcome) for one in bench.kept()] == [(20, Outcome.COMPLETED)] * 2
    assert faults.active() == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("operation", ["CreateAIWorkloadConfig", "CreateAIBenchmarkJob"])
def test_a_job_that_sagemaker_throttles_until_its_time_is_over_was_never_created(bench: Bench, operation: str) -> None:
    faults.inject("throttling", target=operation)
    done = bench.run("--job-minutes", "2")
    assert done.exit_code == 1
    message = (
        f"tool-failed: the job did not end within 120 s, since it was never created: SageMaker throttles {operation}"
    )
    assert message in done.output
    assert bench.jobs() == {}
    assert [(one.is_partial, one.figures.requests) for one in bench.kept()] == [(True, 0)]


@pytest.mark.usefixtures("impatient")
def test_a_job_is_stopped_although_sagemaker_throttles_that(bench: Bench) -> None:
    faults.inject("benchmark-job-hangs", target="*-1-0")
    faults.inject("throttling", target="StopAIBenchmarkJob", times=3)
    done = bench.run("--job-minutes", "2")
    assert done.exit_code == 1
    assert sorted(bench.jobs().values()) == ["Completed", "Stopped"]
    assert [one.figures.requests for one in bench.kept()] == [20, 0]


def test_an_output_place_that_does_not_exist_is_the_jobs_reason(bench: Bench) -> None:
    done = bench.run("--output", "s3://absent-1/jobs")
    assert done.exit_code == 1
    assert "cannot write to s3://absent-1/" in done.output or "NoSuchBucket" in done.output


def test_what_a_job_cannot_do_is_refused_before_anything_is_made(bench: Bench) -> None:
    bench.write(turns={"mean": 3})
    error = bench.run().exception
    assert isinstance(error, ConfigurationError)
    assert "bench.ladder.turns: is not among the documented parameters" in str(error)
    assert bench.jobs() == {}
