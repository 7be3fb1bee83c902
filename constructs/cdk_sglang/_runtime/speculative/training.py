"""The optimization job that trains a draft: its request, its name, which is derived from its content, and its ceilings."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from .clients import Aws
from .config import Config, Place
from .ends import (
    CEILING_REACHED,
    INPUTS_REFUSED,
    JOB_FAILED,
    JOB_STOPPED,
    EndError,
    Throttled,
    answered,
    code_of,
    is_throttle,
    message_of,
)
from .event import Event
from .store import files, write_json

WAIT_MIN, WAIT_MAX = 60, 300
"""Seconds between two checks: the wait grows to the larger value, since jobs take hours and emit no event."""
_NAME_HEAD = 40
_HOUR = 3600
_EXISTS = ("ResourceInUse", "ConflictException")
_MESSAGE_MAX = 500
_GROWTH = 1.5
_CLOCKS_SECONDS = 120.0
"""Seconds by which a job that SageMaker stopped at its time limit may end early."""


def job_name(config: Config, *, base_hash: str, dataset: Mapping[str, Any]) -> str:
    """Return the name of a job, the same for the same model, data and options: a second run takes its job over.

    Args:
        config: Configuration.
        base_hash: Hash of the base model's files.
        dataset: The dataset of the run.
    """
    training = config.training
    assert training is not None
    content = json.dumps([base_hash, dataset["sha256"], training.instance, training.accept_eula], sort_keys=True)
    return f"{config.component[:_NAME_HEAD].rstrip('-')}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def request(config: Config, name: str, dataset: Mapping[str, Any], *, run: str) -> dict[str, Any]:
    """Return the request of a job.

    Args:
        config: Configuration.
        name: Name of the job.
        dataset: The dataset of the run.
        run: Name of the run.
    """
    training = config.training
    assert training is not None
    speculation: dict[str, Any] = {"Technique": "EAGLE"}
    if dataset.get("uri"):
        speculation["TrainingDataSource"] = {
            "S3Uri": dataset["uri"].rpartition("/")[0] + "/",
            "S3DataType": "S3Prefix",
        }
    source: dict[str, Any] = {"S3Uri": config.base.uri}
    if training.accept_eula:
        source["ModelAccessConfig"] = {"AcceptEula": True}
    return {
        "OptimizationJobName": name,
        "RoleArn": config.job_role_arn,
        "ModelSource": {"S3": source},
        "DeploymentInstanceType": training.instance,
        "MaxInstanceCount": 1,
        "OptimizationConfigs": [{"ModelSpeculativeDecodingConfig": speculation}],
        "OutputConfig": {"S3OutputLocation": f"s3://{config.bucket}/{config.run_prefix(run)}job/"},
        "StoppingCondition": {"MaxRuntimeInSeconds": ceiling_seconds(config)},
        "Tags": [
            {"Key": "cdk-sglang:environment", "Value": config.environment},
            {"Key": "cdk-sglang:component", "Value": config.component},
        ],
    }


def ceiling_seconds(config: Config) -> int:
    """Return the maximum runtime of a job: by hours, and by dollars at its price."""
    training = config.training
    assert training is not None
    hours = training.max_hours
    if training.usd_per_hour > 0:
        hours = min(hours, training.max_usd / training.usd_per_hour)
    return max(1, int(hours * _HOUR))


def start(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Create the job, or take over the existing job with the same content.

    Raises:
        EndError: SageMaker rejects the job.
    """
    del now, seconds_left
    name = event.result("inputs")["job_name"]
    found = answered(aws.sagemaker.describe_optimization_job, OptimizationJobName=name)
    attempt = 1
    while found is not None and found["OptimizationJobStatus"] in {"FAILED", "STOPPED", "STOPPING"}:
        attempt += 1  # its name can never be reused
        found = answered(aws.sagemaker.describe_optimization_job, OptimizationJobName=f"{name}-{attempt}")
    name = name if attempt == 1 else f"{name}-{attempt}"
    record = {"name": name, "run": event.run, "taken_over": found is not None}
    write_json(
        aws.s3, config.bucket, f"{config.run_prefix(event.run)}job.json", record
    )  # for a clean-up after an abort
    if found is None:
        try:
            aws.sagemaker.create_optimization_job(
                **request(config, name, event.result("inputs")["dataset"], run=event.run)
            )
        except ClientError as error:
            if is_throttle(error):
                raise Throttled(f"CreateOptimizationJob: {code_of(error)}") from error
            if code_of(error) not in _EXISTS:  # these were created by a call whose response was lost
                raise _refused(config, error) from error
    described = found or answered(aws.sagemaker.describe_optimization_job, OptimizationJobName=name)
    if described is None:
        raise Throttled(f"job {name} was created, and is not described yet")
    return {
        "name": name,
        "arn": described["OptimizationJobArn"],
        "output": described["OutputConfig"]["S3OutputLocation"],
        "started": described["CreationTime"].isoformat(),
        "taken_over": found is not None,
    }


def _refused(config: Config, error: ClientError) -> EndError:
    training = config.training
    assert training is not None
    text = f"SageMaker refuses the training job: {code_of(error)}: {message_of(error)[:_MESSAGE_MAX]}"
    if code_of(error) == "ResourceLimitExceeded":
        return EndError(
            INPUTS_REFUSED,
            text,
            f"request an increase of {training.instance!r} for training job usage in Service Quotas, or name another instance",
        )
    return EndError(JOB_FAILED, text, "fix what SageMaker names, and start again: cdk-sglang eagle start")


def watch(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Check the job once; stop it above its ceiling.

    Raises:
        EndError: The job has ended without a draft.
    """
    del seconds_left
    job, before = event.result("job"), event.result("watch")
    name = job["name"]
    found = answered(aws.sagemaker.describe_optimization_job, OptimizationJobName=name)
    if found is None:
        raise EndError(JOB_FAILED, f"job {name} does not exist any more; somebody deleted it", _again(event))
    status = found["OptimizationJobStatus"]
    elapsed, spent = spending(config, found, now=now)
    reason = " ".join(str(found.get("FailureReason", "")).split())[:_MESSAGE_MAX]
    figures = {"elapsed_seconds": round(elapsed), "spent_usd": spent, "reason": reason, "wait_seconds": WAIT_MIN}
    if status == "COMPLETED":
        place = Place.parse(f"{job['output'].rstrip('/')}/draft/")
        if not files(aws.s3, place):
            reason = f"job {name} has completed after ${spent:.2f}, and {place.uri} is empty"
            raise EndError(JOB_FAILED, reason, _again(event), figures=figures)
        return {**figures, "status": "completed"}
    if status == "FAILED":
        text = f"job {name} failed after ${spent:.2f}: {reason or 'no reason given'}"
        raise EndError(JOB_FAILED, text, _again(event), figures=figures)
    over = _over(config, elapsed, _waited(found, now), tolerance=_CLOCKS_SECONDS if status == "STOPPED" else 0)
    if over:
        if status not in {"STOPPED", "STOPPING"}:
            answered(aws.sagemaker.stop_optimization_job, OptimizationJobName=name)
        raise _ceiling(config, name, over, figures)
    if status == "STOPPED":
        text = f"job {name} was stopped after ${spent:.2f}, by somebody else than this run"
        raise EndError(JOB_STOPPED, text, _again(event), figures=figures)
    wait = min(WAIT_MAX, max(WAIT_MIN, round(before.get("wait_seconds", WAIT_MIN / _GROWTH) * _GROWTH)))
    left = ceiling_seconds(config) - elapsed
    if 0 < left < wait:  # the next check is at the ceiling, not minutes after it
        wait = max(1, int(left) + 1)
    return {**figures, "status": "running", "wait_seconds": wait}


def spending(config: Config, found: Mapping[str, Any], *, now: dt.datetime) -> tuple[float, float]:
    """Return a job's seconds and its dollars so far; it costs nothing before it starts.

    Args:
        config: Configuration.
        found: Description of the job.
        now: Time.
    """
    training = config.training
    assert training is not None
    start_time = found.get("OptimizationStartTime")
    if start_time is None:
        return 0.0, 0.0
    end = found.get("OptimizationEndTime") or now
    elapsed = max(0.0, (end - start_time).total_seconds())
    return elapsed, round(elapsed / _HOUR * training.usd_per_hour, 2)


def _waited(found: Mapping[str, Any], now: dt.datetime) -> float:
    """Return the seconds that a job has waited for instances, or run."""
    waited: float = (now - found["CreationTime"]).total_seconds()
    return max(0.0, waited)


def _over(config: Config, elapsed: float, waited: float, *, tolerance: float) -> str:
    """Return the ceiling that a job has reached; empty if none."""
    training = config.training
    assert training is not None
    if elapsed and elapsed >= ceiling_seconds(config) - tolerance:
        is_dollars = ceiling_seconds(config) < int(training.max_hours * _HOUR)
        return f"max_usd {training.max_usd:g}" if is_dollars else f"max_hours {training.max_hours:g}"
    if not elapsed and waited >= training.max_hours * _HOUR:
        return f"max_hours {training.max_hours:g}, before it had an instance"
    return ""


def _ceiling(config: Config, name: str, what: str, figures: Mapping[str, Any]) -> EndError:
    hours, spent = figures["elapsed_seconds"] / _HOUR, figures["spent_usd"]
    assert config.training is not None
    price = config.training.usd_per_hour
    return EndError(
        CEILING_REACHED,
        f"job {name} was stopped at {what}: {hours:.1f} h, ${spent:.2f} spent at ${price:.2f} an hour",
        "see its log for whether it hangs; raise speculative.eagle.max_usd or max_hours, or use fewer conversations; deploy, and start again",
        figures=figures,
    )


def _again(event: Event) -> str:
    return f"see the job's log in CloudWatch (/aws/sagemaker/OptimizationJobs), fix it, and start again: cdk-sglang eagle start (this was {event.run})"
