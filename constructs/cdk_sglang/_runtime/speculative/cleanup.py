"""Clean-up: delete what a run has created and must not keep, found by the run's name, so that a second call finds nothing to do."""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from . import gate, promotion, registry
from .clients import Aws
from .config import Config, Place
from .endings import ended
from .ends import PROMOTED, Throttled, answered, code_of, message_of
from .event import Event
from .store import delete_all, read_json

POLL_SECONDS = 20.0
_BAD = ("ABORTED", "TIMED_OUT", "FAILED")
_RUNNING_JOB = ("INPROGRESS", "STARTING")
_log = logging.getLogger()


def sleep(seconds: float) -> None:
    """Pause between two attempts to delete."""
    time.sleep(seconds)


def clean_up(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Delete what must not remain of a run, and return how it ended.

    Raises:
        Throttled: EventBridge's call could not delete something yet; Lambda calls again.
    """
    del now
    run = event.run or _run_of(aws, config, event)
    if not run:  # it ended before its first state had created anything
        return {**ended(event, run=event.execution_name, options=config.place_of_command), "removed": [], "left": []}
    is_end = bool(event.status)
    removed, left = _gate(aws, run, seconds_left)
    removed += _training_job(aws, config, event, run)
    removed += _version(aws, config, event, run)
    if not is_end:
        removed += sweep(aws, config, keep=run)
    if left and is_end:
        raise Throttled("; ".join(left))
    if removed or left:
        _log.info(json.dumps({"run": run, "removed": removed, "left": left}))
    return {**ended(event, run=run, options=config.place_of_command), "removed": removed, "left": left}


def _run_of(aws: Aws, config: Config, event: Event) -> str:
    """Return the run of an execution that a schedule or an alarm started."""
    found = read_json(aws.s3, config.bucket, config.execution_key(event.execution_name))
    return str(found["run"]) if isinstance(found, dict) and found.get("run") else ""


def _gate(aws: Aws, run: str, seconds_left: Callable[[], float]) -> tuple[list[str], list[str]]:
    """Delete the gate; SageMaker deletes no component while it is being created, and no endpoint before its components."""
    removed: dict[str, None] = {}
    while True:
        some, left = gate.remove(aws, run)
        removed |= dict.fromkeys(some)
        if not left or seconds_left() < POLL_SECONDS:
            return list(removed), left
        sleep(POLL_SECONDS)


def _training_job(aws: Aws, config: Config, event: Event, run: str) -> list[str]:
    """Stop the run's training job if it is still running: the training of an aborted run is not continued."""
    if config.training is None:
        return []
    name = event.result("job").get("name") or _recorded_job(aws, config, run)
    found = answered(aws.sagemaker.describe_optimization_job, OptimizationJobName=name) if name else None
    if found is None or found["OptimizationJobStatus"] not in _RUNNING_JOB:
        return []
    answered(aws.sagemaker.stop_optimization_job, OptimizationJobName=name)
    return [name]


def _recorded_job(aws: Aws, config: Config, run: str) -> str:
    found = read_json(aws.s3, config.bucket, f"{config.run_prefix(run)}job.json")
    return str(found.get("name", "")) if isinstance(found, dict) else ""


def _version(aws: Aws, config: Config, event: Event, run: str) -> list[str]:
    """Delete the run's version, and reject its package, unless it serves or may yet serve."""
    stack = promotion.stack_of(aws, config)
    status = "" if stack is None else stack["StackStatus"]
    value = "" if stack is None else promotion.parameters_of(stack).get(config.parameter, "")
    state = _state(event)
    if value.startswith(f"{run},") or state == PROMOTED:
        if status == "UPDATE_IN_PROGRESS" and (event.status in _BAD or state not in {"", PROMOTED}):
            _cancel(aws, config, run)
        return []
    if status.endswith(("_IN_PROGRESS", "_FAILED")):
        return []  # copies may still be rolling back from it; the next run deletes it
    arn = registry.find(aws.sagemaker, config.model_package_group, run)
    approval = registry.status_of(aws.sagemaker, arn) if arn else ""
    if approval == registry.APPROVED and not state and event.status not in _BAD:
        return []  # promoted, but another version serves now
    if arn and approval != registry.REJECTED:
        reason = f"run {run} ended as {state or event.status or 'unknown'}, and its version was deleted"
        registry.decide(aws.sagemaker, arn, registry.REJECTED, reason)
    place = Place(bucket=config.bucket, prefix=config.version_prefix(run))
    return [place.uri] if delete_all(aws.s3, place) else []


def _state(event: Event) -> str:
    found = event.result("end").get("state") or event.state.get("state")
    return found if isinstance(found, str) else ""


def _cancel(aws: Aws, config: Config, run: str) -> None:
    """Roll back an update whose run has ended before it: the previous version keeps serving, and the next run deletes this one."""
    try:
        aws.cloudformation.cancel_update_stack(StackName=config.stack)
    except ClientError as error:
        # It has ended meanwhile: the version serves, or is already rolled back.
        _log.warning(json.dumps({"stack": config.stack, "cancel": f"{code_of(error)}: {message_of(error)}"}))
        return
    arn = registry.find(aws.sagemaker, config.model_package_group, run)
    if arn:
        registry.decide(aws.sagemaker, arn, registry.REJECTED, f"run {run} was ended while its version was rolled out")


def sweep(aws: Aws, config: Config, *, keep: str) -> list[str]:
    """Delete versions of earlier runs that neither serve nor were approved, for example one whose promotion was aborted.

    Args:
        aws: Clients.
        config: Configuration.
        keep: The run that is ending; its version is kept.

    Returns:
        Addresses of the versions that were deleted.
    """
    root = f"{config.root}versions/"
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=config.bucket, Prefix=root, Delimiter="/")
    runs = [item["Prefix"].removeprefix(root).rstrip("/") for page in pages for item in page.get("CommonPrefixes", ())]
    if not runs:
        return []
    stack = promotion.stack_of(aws, config)
    if stack is None or stack["StackStatus"].endswith("_IN_PROGRESS"):
        return []
    kept = {
        keep,
        promotion.serving_run(aws, config),
        *registry.approved_runs(aws.sagemaker, config.model_package_group),
    }
    swept = [run for run in runs if run not in kept]
    for run in swept:
        delete_all(aws.s3, Place(bucket=config.bucket, prefix=config.version_prefix(run)))
    return [f"s3://{config.bucket}/{config.version_prefix(run)}" for run in swept]
