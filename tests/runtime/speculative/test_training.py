"""The training job: its name follows from its content, its ceilings stop it, and every end says what was spent."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cdk_sglang._runtime.speculative.ends import (
    CEILING_REACHED,
    INPUTS_REFUSED,
    JOB_FAILED,
    JOB_STOPPED,
    EndError,
    Throttled,
)
from cdk_sglang._runtime.speculative.training import ceiling_seconds, job_name, request, start, watch
from tests.runtime.speculative.conftest import keys
from tests.support.speculation import BUCKET, COMPONENT, NOW, ROLE, RUN, aws, config, event, plenty, stubbed

DATASET = {"sha256": "d", "uri": f"s3://{BUCKET}/speculative/{COMPONENT}/runs/{RUN}/data/train.jsonl"}
NAME = job_name(config(), base_hash="b", dataset=DATASET)
OUTPUT = f"s3://{BUCKET}/speculative/{COMPONENT}/runs/{RUN}/job/"
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:optimization-job/{NAME}"
INPUTS = {"job_name": NAME, "dataset": DATASET}
DESCRIBE = {"OptimizationJobName": NAME}


def described(status: str, *, hours: float | None = None, name: str = NAME, **more: Any) -> dict[str, Any]:
    """Return a job that has run for some hours; without, it waits for an instance since a day."""
    times = {} if hours is None else {"OptimizationStartTime": NOW - dt.timedelta(hours=hours)}
    return {
        "OptimizationJobArn": ARN,
        "OptimizationJobName": name,
        "OptimizationJobStatus": status,
        "CreationTime": NOW - dt.timedelta(hours=25),
        "LastModifiedTime": NOW,
        "ModelSource": {},
        "DeploymentInstanceType": "ml.g6e.12xlarge",
        "OptimizationConfigs": [],
        "OutputConfig": {"S3OutputLocation": OUTPUT},
        "RoleArn": ROLE,
        "StoppingCondition": {},
        **times,
        **more,
    }


def test_a_job_has_another_name_for_another_model_dataset_or_option_and_the_same_for_the_same() -> None:
    names = {
        NAME,
        job_name(config(), base_hash="c", dataset=DATASET),
        job_name(config(), base_hash="b", dataset={"sha256": "e"}),
        job_name(config(training={"instance": "ml.g6e.48xlarge"}), base_hash="b", dataset=DATASET),
    }

    assert len(names) == 4
    assert job_name(config(), base_hash="b", dataset=DATASET) == NAME
    assert NAME.startswith(f"{COMPONENT}-")
    assert len(job_name(config(component_name="c" * 63), base_hash="b", dataset=DATASET)) <= 63


def test_the_ceiling_is_the_lower_of_hours_and_dollars() -> None:
    assert ceiling_seconds(config(training={"max_usd": 40, "max_hours": 24})) == 4 * 3600
    assert ceiling_seconds(config(training={"max_usd": 4000, "max_hours": 24})) == 24 * 3600


def test_the_job_is_created_with_the_dataset_and_a_time_limit(s3: Any) -> None:
    job = request(config(), NAME, DATASET, run=RUN)
    sagemaker = stubbed(
        "sagemaker",
        ("describe_optimization_job", DESCRIBE, ("ResourceNotFound", "no such job")),
        ("create_optimization_job", job, {"OptimizationJobArn": ARN}),
        ("describe_optimization_job", DESCRIBE, described("STARTING")),
    )

    found = start(aws(sagemaker=sagemaker, s3=s3), config(), event(inputs=INPUTS), NOW, plenty)

    sagemaker.stubber.assert_no_pending_responses()
    assert (found["name"], found["output"], found["taken_over"]) == (NAME, OUTPUT, False)
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 20 * 3600}
    assert job["ModelSource"]["S3"]["ModelAccessConfig"] == {"AcceptEula": True}
    source = job["OptimizationConfigs"][0]["ModelSpeculativeDecodingConfig"]["TrainingDataSource"]
    assert source["S3Uri"].endswith("/data/")
    assert "job.json" in keys(s3, f"speculative/{COMPONENT}/runs/{RUN}/")


def test_a_second_run_takes_the_job_of_the_same_content_over(s3: Any) -> None:
    sagemaker = stubbed("sagemaker", ("describe_optimization_job", DESCRIBE, described("INPROGRESS", hours=1)))

    found = start(aws(sagemaker=sagemaker, s3=s3), config(), event(inputs=INPUTS), NOW, plenty)

    assert found["taken_over"] is True


def test_a_job_that_exists_by_a_lost_answer_is_taken_over(s3: Any) -> None:
    sagemaker = stubbed(
        "sagemaker",
        ("describe_optimization_job", DESCRIBE, "ResourceNotFound"),
        ("create_optimization_job", {}, "ResourceInUse"),
        ("describe_optimization_job", DESCRIBE, described("STARTING")),
    )

    assert start(aws(sagemaker=sagemaker, s3=s3), config(), event(inputs=INPUTS), NOW, plenty)["name"] == NAME


def test_a_job_that_failed_before_gets_the_next_name(s3: Any) -> None:
    second = {"OptimizationJobName": f"{NAME}-2"}
    sagemaker = stubbed(
        "sagemaker",
        ("describe_optimization_job", DESCRIBE, described("FAILED", hours=1)),
        ("describe_optimization_job", second, "ResourceNotFound"),
        ("create_optimization_job", request(config(), f"{NAME}-2", DATASET, run=RUN), {"OptimizationJobArn": ARN}),
        ("describe_optimization_job", second, described("STARTING", name=f"{NAME}-2")),
    )

    found = start(aws(sagemaker=sagemaker, s3=s3), config(), event(inputs=INPUTS), NOW, plenty)

    assert found["name"] == f"{NAME}-2"


@pytest.mark.parametrize(
    ("answer", "end", "step"),
    [
        (("ResourceLimitExceeded", "the limit is 0"), INPUTS_REFUSED, "request an increase of 'ml.g6e.12xlarge'"),
        (("ValidationException", "no such model"), JOB_FAILED, "fix what SageMaker names"),
    ],
)
def test_a_job_that_sagemaker_refuses_ends_the_run(s3: Any, answer: Any, end: str, step: str) -> None:
    sagemaker = stubbed(
        "sagemaker",
        ("describe_optimization_job", DESCRIBE, "ResourceNotFound"),
        ("create_optimization_job", {}, answer),
    )

    with pytest.raises(EndError) as refused:
        start(aws(sagemaker=sagemaker, s3=s3), config(), event(inputs=INPUTS), NOW, plenty)

    assert refused.value.end == end
    assert answer[1] in refused.value.reason
    assert step in refused.value.next_step


@pytest.mark.parametrize("operation", ["describe_optimization_job", "create_optimization_job"])
def test_throttling_is_left_to_the_state_machine(s3: Any, operation: str) -> None:
    answers: list[Any] = [("describe_optimization_job", DESCRIBE, "ResourceNotFound")]
    answers = [] if operation.startswith("describe") else answers
    sagemaker = stubbed("sagemaker", *answers, (operation, {}, "ThrottlingException"))

    with pytest.raises(Throttled):
        start(aws(sagemaker=sagemaker, s3=s3), config(), event(inputs=INPUTS), NOW, plenty)


def look(s3: Any, *answers: Any, before: dict[str, Any] | None = None, **training: Any) -> dict[str, Any]:
    sagemaker = stubbed("sagemaker", *answers)
    found = event(job={"name": NAME, "output": OUTPUT}, watch=before or {})
    result = watch(aws(sagemaker=sagemaker, s3=s3), config(training=training), found, NOW, plenty)
    sagemaker.stubber.assert_no_pending_responses()
    return result


def test_the_wait_grows_to_five_minutes(s3: Any) -> None:
    waits, before = [], {}
    for _ in range(6):
        before = look(s3, ("describe_optimization_job", DESCRIBE, described("INPROGRESS", hours=1)), before=before)
        waits.append(before["wait_seconds"])

    assert waits == [60, 90, 135, 202, 300, 300]
    assert (before["status"], before["elapsed_seconds"], before["spent_usd"]) == ("running", 3600, 10.0)


def test_the_last_wait_ends_at_the_ceiling(s3: Any) -> None:
    job = described("INPROGRESS", hours=20 - 30 / 3600)

    found = look(s3, ("describe_optimization_job", DESCRIBE, job), before={"wait_seconds": 300})

    assert found["wait_seconds"] == 31


@pytest.mark.parametrize(
    ("hours", "training", "what"),
    [
        (20.0, {}, r"max_usd 200: 20.0 h, \$200.00 spent at \$10.00 an hour"),
        (3.0, {"max_hours": 3}, r"max_hours 3: 3.0 h, \$30.00 spent"),
        (None, {}, r"max_hours 24, before it had an instance: 0.0 h, \$0.00 spent"),
    ],
)
def test_a_hanging_job_is_stopped_at_its_ceiling_and_the_run_says_what_was_spent(
    s3: Any, hours: float | None, training: dict[str, Any], what: str
) -> None:
    with pytest.raises(EndError, match=what) as stopped:
        look(
            s3,
            ("describe_optimization_job", DESCRIBE, described("INPROGRESS", hours=hours)),
            ("stop_optimization_job", DESCRIBE, {}),
            **training,
        )

    assert stopped.value.end == CEILING_REACHED
    assert "raise speculative.eagle.max_usd or max_hours" in stopped.value.next_step
    assert stopped.value.result()["spent_usd"] == (hours or 0) * 10


def test_a_job_that_sagemaker_stopped_at_its_own_limit_has_reached_the_ceiling(s3: Any) -> None:
    job = described("STOPPED", hours=20, OptimizationEndTime=NOW - dt.timedelta(minutes=1))

    with pytest.raises(EndError) as stopped:
        look(s3, ("describe_optimization_job", DESCRIBE, job))

    assert stopped.value.end == CEILING_REACHED


@pytest.mark.parametrize(
    ("answer", "end", "reason"),
    [
        (
            described("FAILED", hours=1, FailureReason="out of memory"),
            JOB_FAILED,
            r"failed after \$10.00: out of memory",
        ),
        (described("STOPPED", hours=1), JOB_STOPPED, r"was stopped after \$10.00, by somebody else"),
        ("ResourceNotFound", JOB_FAILED, "does not exist any more"),
        (described("COMPLETED", hours=1), JOB_FAILED, r"has completed after \$10.00, and .*job/draft/ is empty"),
    ],
)
def test_a_job_without_a_draft_ends_the_run(s3: Any, answer: Any, end: str, reason: str) -> None:
    with pytest.raises(EndError, match=reason) as ended:
        look(s3, ("describe_optimization_job", DESCRIBE, answer))

    assert ended.value.end == end
    assert "cdk-sglang eagle start" in ended.value.next_step


def test_a_completed_job_with_a_draft_goes_on(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"{OUTPUT.removeprefix(f's3://{BUCKET}/')}draft/config.json", Body=b"{}")

    found = look(s3, ("describe_optimization_job", DESCRIBE, described("COMPLETED", hours=2)))

    assert (found["status"], found["spent_usd"]) == ("completed", 20.0)
