"""The gate's measurements: benchmark jobs in pairs, as the quota takes them, repeated once, and bounded. SageMaker is a stand-in."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from cdk_sglang._runtime.speculative import bench
from cdk_sglang._runtime.speculative.ends import CEILING_REACHED, GATE_FAILED, EndError, Throttled
from cdk_sglang._runtime.speculative.jobs import plan, workload
from cdk_sglang.benchmarking.jobs.parameters import NAME
from tests.runtime.speculative.test_gate import DRAFTED, live, opened
from tests.support.sagemaker_stand_in import SageMakerStandIn
from tests.support.speculation import BUCKET, NOW, RUN, archive, aws, config, event, plenty, records


@pytest.fixture
def sagemaker() -> SageMakerStandIn:
    """The live component with spare GPUs beside it."""
    return live(SageMakerStandIn())


class Measuring:
    """A gate that is open, and benchmark jobs that end when a test says so."""

    def __init__(self, s3: Any, sagemaker: SageMakerStandIn) -> None:
        self.s3, self.sagemaker, self.now = s3, sagemaker, NOW
        self.config = config()
        self.gate = {**opened(sagemaker), "state": "open"}
        self.state: dict[str, Any] = {}
        sagemaker.clock = lambda: self.now

    def call(self, *, minutes: float = 1) -> dict[str, Any]:
        self.now += dt.timedelta(minutes=minutes)
        found = event(draft=DRAFTED, gate=self.gate, bench=self.state)
        self.state = bench.run(aws(sagemaker=self.sagemaker, s3=self.s3), self.config, found, self.now, plenty)
        return self.state

    def finish(self, **figures: float) -> list[str]:
        """End the jobs that run with these figures, the candidate's half as high again."""
        ended = self.sagemaker.end_jobs()
        for job in ended:
            is_draft = "-draft-" in job["AIBenchmarkJobName"]
            tok_s = figures.get("tok_s", 100.0) * (1.5 if is_draft else 1)
            self.write(job, archive(records(tok_s=tok_s, ttft_ms=100)))
        return [job["AIBenchmarkJobName"] for job in ended]

    def write(self, job: dict[str, Any], body: bytes) -> None:
        prefix = job["OutputConfig"]["S3OutputLocation"].removeprefix(f"s3://{BUCKET}/")
        self.s3.put_object(Bucket=BUCKET, Key=f"{prefix}job/output/output.tar.gz", Body=body)


@pytest.fixture
def measuring(s3: Any, sagemaker: SageMakerStandIn) -> Measuring:
    return Measuring(s3, sagemaker)


def test_base_and_candidate_are_measured_in_pairs_at_the_same_time_and_take_turns_to_be_first(
    measuring: Measuring,
) -> None:
    pairs = []
    while measuring.call()["state"] == "running":
        pairs.append(measuring.finish())

    assert [[name.removeprefix(f"gate-{RUN}-") for name in pair] for pair in pairs] == [
        ["base-c1-r0-1", "draft-c1-r0-1"],
        ["draft-c8-r0-1", "base-c8-r0-1"],
        ["draft-c1-r1-1", "base-c1-r1-1"],
        ["base-c8-r1-1", "draft-c8-r1-1"],
    ]
    assert measuring.state["state"] == "done"
    assert len(measuring.state["done"]) == len(plan(measuring.config)) == 8
    assert measuring.state["usd"] > 0


def test_a_pair_has_the_same_prompts_and_every_repeat_its_own() -> None:
    found = config()

    assert (
        json.loads(workload(found, 8, 0))["parameters"]["random_seed"]
        != json.loads(workload(found, 8, 1))["parameters"]["random_seed"]
    )
    assert json.loads(workload(found, 8, 0))["parameters"]["request_count"] == 80


def test_workloads_have_names_that_can_be_deleted(measuring: Measuring) -> None:
    measuring.call()

    assert all(NAME.fullmatch(name) for name in measuring.sagemaker.found["ai_workload_config"])


def test_a_place_that_another_job_holds_is_waited_for(measuring: Measuring) -> None:
    measuring.sagemaker.places = 1

    assert measuring.call()["running"] == ["base-c1-r0"]
    assert measuring.call()["running"] == ["base-c1-r0"]
    measuring.finish()
    assert measuring.call()["running"] == ["draft-c1-r0"]


def test_a_job_that_fails_is_measured_once_more_and_then_ends_the_run(measuring: Measuring) -> None:
    measuring.call()
    measuring.sagemaker.end_jobs("Failed", FailureReason="instance lost")

    assert measuring.call()["attempts"] == {"base-c1-r0": 2, "draft-c1-r0": 2}
    measuring.sagemaker.end_jobs("Failed", FailureReason="instance lost")
    with pytest.raises(EndError, match=r"base-c1-r0 failed 2 times; at last: .* is Failed: instance lost") as ended:
        measuring.call()
    assert ended.value.end == GATE_FAILED


def test_a_job_without_readable_records_is_measured_once_more(measuring: Measuring) -> None:
    measuring.call()
    for job in measuring.sagemaker.end_jobs():
        measuring.write(job, b"cut")

    measuring.call()

    assert measuring.state["done"] == []
    assert measuring.state["attempts"] == {"base-c1-r0": 2, "draft-c1-r0": 2}


def test_a_hanging_job_is_stopped_and_measured_once_more(measuring: Measuring) -> None:
    measuring.call()

    measuring.call(minutes=121)

    assert f"stop gate-{RUN}-base-c1-r0-1" in measuring.sagemaker.calls
    assert measuring.state["attempts"]["base-c1-r0"] == 2


def test_a_call_whose_answer_was_lost_finds_its_jobs(measuring: Measuring) -> None:
    first = measuring.call()
    measuring.state = {}

    again = measuring.call()

    assert again["running"] == first["running"]
    assert len(measuring.sagemaker.found["ai_benchmark_job"]) == 2


def test_the_ceiling_of_the_gate_stops_its_jobs_and_says_what_was_spent(measuring: Measuring) -> None:
    measuring.call()

    with pytest.raises(EndError, match=r"gate_max_usd 100 after 0 of 8 measurements: about \$120") as ended:
        measuring.call(minutes=600)

    assert ended.value.end == CEILING_REACHED
    assert ended.value.result()["usd"] >= 100
    assert not measuring.sagemaker.end_jobs()


def test_throttling_of_benchmark_jobs_is_left_to_the_state_machine(measuring: Measuring) -> None:
    measuring.call()
    measuring.sagemaker.errors["describe_ai_benchmark_job"] = [("ThrottlingException", "slow")]

    with pytest.raises(Throttled):
        measuring.call()
    measuring.finish()
    assert len(measuring.call()["done"]) == 2
