"""Whatever goes wrong in a run ends in a named state with the next step, leaves nothing running and nothing half promoted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from cdk_sglang.cli.main import app
from localcloud.aws import faults
from localcloud.aws.compute import job_outputs
from tests.localcloud.helpers import SESSION
from tests.support import drafts
from tests.support.speculative import BUCKET, TYPE, Pipeline, base_files, trained

BASE: tuple[str, dict[str, str]] = ("s3://weights/base/", {})


def ends(pipeline: Pipeline, run: str, state: str, *, step_s: float = 60) -> dict[str, Any]:
    """Let a run end, and look at what every failed run has to leave behind."""
    end = pipeline.end(run, step_s=step_s)
    assert (end["status"], end.get("state"), end["error"]) == ("FAILED", state, state), end
    assert end["reason"], end
    assert end["next"], end
    assert end["run"] == run
    assert (pipeline.serves(), pipeline.parameter(), pipeline.versions()) == (BASE, "base,,,,,,", set())
    assert pipeline.left() == []
    return end


def _put(pipeline: Pipeline, key: str, body: bytes) -> None:
    pipeline.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def _architecture(pipeline: Pipeline) -> None:
    _put(pipeline, "base/config.json", base_files(architectures=["MambaForCausalLM"])["config.json"])


def _wrong_dataset(pipeline: Pipeline) -> None:
    _put(pipeline, "data/chat.jsonl", b'{"question": "?"}\nnot json\n' * 20)


def _no_dataset(pipeline: Pipeline) -> None:
    pipeline.s3.delete_object(Bucket=BUCKET, Key="data/chat.jsonl")


def _quota(_: Pipeline) -> None:
    faults.inject("job-quota-zero", target=TYPE)


@pytest.mark.parametrize(
    ("harm", "says"),
    [(_architecture, "MambaForCausalLM"), (_wrong_dataset, "chat.jsonl:1"), (_no_dataset, "data/"), (_quota, TYPE)],
)
def test_bad_input_is_refused_before_anything_is_paid_for(
    plain: Pipeline, harm: Callable[[Pipeline], None], says: str
) -> None:
    harm(plain)
    end = ends(plain, plain.start(), "InputsRefused")
    assert says in json.dumps(end)
    assert plain.sagemaker.list_optimization_jobs()["OptimizationJobSummaries"] == []


def test_an_empty_capture_is_refused(plain: Pipeline) -> None:
    with plain.changes_to("training", dataset="captured", captured_prefix="captured/plain/"):
        end = ends(plain, plain.start(), "InputsRefused")
    assert "captured/plain/" in json.dumps(end)


def test_a_job_that_fails_says_why(plain: Pipeline) -> None:
    faults.inject("optimization-job-failed")
    assert "injected fault" in ends(plain, plain.start(), "JobFailed")["reason"]


def test_a_job_that_somebody_stops(plain: Pipeline) -> None:
    run = plain.start()
    plain.at(run, "watch_training")
    (job,) = plain.sagemaker.list_optimization_jobs()["OptimizationJobSummaries"]
    plain.sagemaker.stop_optimization_job(OptimizationJobName=job["OptimizationJobName"])
    ends(plain, run, "JobStopped")


def test_the_ceiling_stops_a_job_that_hangs_and_says_what_was_spent(plain: Pipeline) -> None:
    faults.inject("optimization-job-hangs")
    with plain.changes_to("training", max_hours=2):
        end = ends(plain, plain.start(), "CeilingReached", step_s=300)
    (job,) = plain.sagemaker.list_optimization_jobs()["OptimizationJobSummaries"]
    assert job["OptimizationJobStatus"] == "STOPPED"
    price = json.loads(next(iter(plain.configurations().values())))["training"]["usd_per_hour"]
    assert end["spent_usd"] == pytest.approx(2 * price, rel=0.05)
    assert f"${end['spent_usd']:.2f}" in end["reason"]


def test_throttling_is_waited_out(plain: Pipeline) -> None:
    for operation in ("CreateOptimizationJob", "DescribeOptimizationJob", "CreateInferenceComponent"):
        faults.inject("throttling", target=operation, times=6)
    assert plain.end(plain.start())["state"] == "Promoted"


def test_throttling_without_an_end_is_a_failure(plain: Pipeline) -> None:
    faults.inject("throttling", target="CreateOptimizationJob")
    assert "hrottl" in json.dumps(ends(plain, plain.start(), "Failed"))


def _no_evaluation(job: job_outputs.Job) -> None:
    for name, content in drafts.EAGLE3.files().items():
        job.write(f"draft/{name}", content)


def _malformed_evaluation(job: job_outputs.Job) -> None:
    _no_evaluation(job)
    job.write("results/benchmark_trained_eagle_conc1.json", b"<html>")


@pytest.mark.parametrize(
    ("step", "state"), [(_no_evaluation, "missing"), (_malformed_evaluation, "malformed")], ids=["missing", "malformed"]
)
def test_a_bad_evaluation_is_reported_and_the_gate_decides(plain: Pipeline, step: job_outputs.Step, state: str) -> None:
    job_outputs.use_step("OptimizationJob", step)
    run = plain.start()
    assert plain.end(run)["state"] == "Promoted"
    assert plain.left() == []
    found = plain.read(f"runs/{run}/report.json")["draft"]["evaluation"]
    assert found["state"] == state
    assert "results/" in found["problems"][0]


@pytest.mark.parametrize("name", ["another vocabulary", "another hidden size", "truncated weights"])
def test_a_draft_for_another_model_is_refused_before_any_copy_starts(plain: Pipeline, name: str) -> None:
    draft = next(one for one in drafts.BAD_DRAFTS if one.name == name)
    job_outputs.use_step("OptimizationJob", trained(draft))
    end = ends(plain, plain.start(), "DraftRefused")
    assert all(part in json.dumps(end) for part in draft.says[1:])
    assert "open_gate" not in [entry for entry, _ in plain.functions.invocations]


def test_a_benchmark_that_fails_half_way(plain: Pipeline) -> None:
    run = plain.start()
    plain.until(lambda: plain.sagemaker.list_ai_benchmark_jobs()["AIBenchmarkJobs"])
    faults.inject("benchmark-job-failed")
    ends(plain, run, "GateFailed")


def test_a_benchmark_that_hangs(plain: Pipeline) -> None:
    faults.inject("benchmark-job-hangs")
    run = plain.start()
    plain.at(run, "run_gate")
    end = ends(plain, run, "GateFailed", step_s=900)
    assert "did not end within 2 h and was stopped" in end["reason"]
    assert end["spent_usd"] > 10  # four hours of two copies, and not the training alone, which took two minutes


def test_the_ceiling_of_the_measurement_ends_it_and_says_what_was_spent(plain: Pipeline) -> None:
    faults.inject("benchmark-job-hangs")
    with plain.changes_to("gate", max_usd=5):
        end = ends(plain, plain.start(), "CeilingReached", step_s=300)
    assert "gate_max_usd 5" in end["reason"]
    assert 4 < end["spent_usd"] < 10


def test_logs_of_the_two_copies_that_are_measured_do_not_stay_for_ever(plain: Pipeline) -> None:
    run = plain.start()
    plain.at(run, "run_gate")
    logs = SESSION.client("logs")
    prefix = f"/aws/sagemaker/InferenceComponents/gate-{run}"
    groups = logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    assert {one["logGroupName"]: one.get("retentionInDays") for one in groups} == {
        f"{prefix}-base": 30,
        f"{prefix}-draft": 30,
    }
    plain.end(run)


def test_a_second_run_leaves_the_first_alone(plain: Pipeline) -> None:
    first = plain.start()
    plain.at(first, "watch_training")
    second = plain.start()
    end = plain.end(second)
    assert (end["status"], end["error"], end["state"]) == ("FAILED", "AlreadyRunning", "AlreadyRunning")
    assert plain.end(first)["state"] == "Promoted"
    assert plain.serves()[0].endswith(f"versions/{first}/")
    assert plain.left() == []


@pytest.mark.parametrize("entry", ["watch_training", "run_gate"])
def test_an_aborted_run_is_cleaned_up_after(plain: Pipeline, entry: str) -> None:
    run = plain.start()
    plain.at(run, entry)
    plain.states.stop_execution(executionArn=plain.arn(run), cause="a person stopped it")
    plain.clock.advance(600, step_s=60)
    assert plain.status(run) == "ABORTED"
    assert (plain.serves(), plain.versions(), plain.left()) == (BASE, set(), [])


@pytest.mark.parametrize("entry", ["watch_training", "run_gate"])
def test_a_run_that_is_stopped_by_the_command_is_cleaned_up_after(plain: Pipeline, entry: str) -> None:
    run = plain.start()
    plain.at(run, entry)
    words = ["eagle", "stop", "--env", "prod", "--component", plain.component, "--region", "us-east-1", "--yes"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert f"{run}: Stopped, about " in done.output
    plain.clock.advance(600, step_s=60)
    assert plain.status(run) == "ABORTED"
    assert (plain.serves(), plain.versions(), plain.left()) == (BASE, set(), [])


def test_a_run_that_is_aborted_while_promoting_leaves_a_whole_version(plain: Pipeline) -> None:
    run = plain.start()
    plain.at(run, "promote")
    plain.states.stop_execution(executionArn=plain.arn(run))
    plain.clock.advance(1200, step_s=60)
    assert plain.left() == []
    # CloudFormation had begun, and ends what it began: the version is whole, and stays.
    assert plain.parameter().startswith(run)
    assert plain.serves()[0].endswith(f"versions/{run}/")
    assert "version.json" in plain.keys(f"speculative/plain-llama/versions/{run}/")


def test_a_base_that_is_deployed_anew_during_the_training_refuses_the_draft(plain: Pipeline) -> None:
    run = plain.start()
    plain.at(run, "watch_training")
    _put(plain, "base/model.safetensors", drafts.safetensors({"model.embed_tokens.weight": ("BF16", (261, 64))}))
    ends(plain, run, "BaseChanged")


def test_a_promotion_that_does_not_become_healthy_is_rolled_back(plain: Pipeline) -> None:
    run = plain.start()
    plain.at(run, "judge")
    faults.inject("component-health-check", target="plain-llama")
    end = plain.end(run)
    assert (end["status"], end["error"]) == ("FAILED", "PromotionRolledBack"), end
    faults.clear()
    assert (plain.serves(), plain.parameter(), plain.left()) == (BASE, "base,,,,,,", [])
