"""The gate's measurements: benchmark jobs of base and candidate in pairs, started as the quota allows, awaited, retried once, and read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from . import jobs
from .accept import accept_length
from .canaries import DRAFT, name_of
from .clients import Aws
from .config import Config
from .ends import CEILING_REACHED, GATE_FAILED, EndError, answered
from .event import Event
from .figures import ARCHIVE, FiguresError, figures_of_archive
from .jobs import ATTEMPTS, PARALLEL_MAX, Measurement
from .store import write_json

WAIT_SECONDS = 60
JOB_MAX = 7200.0
"""Seconds after which a job counts as hanging: provisioning and a step of a few hundred requests take a quarter of an hour."""
GATE_MAX = 24 * 3600.0
"""Seconds within which all measurements must finish."""
_JOB_USD_PER_HOUR = 1.0
"""Assumed price of a benchmark job's own instance, which AWS does not name (SageMaker guide, read 2026-11); used only for the ceiling."""
_HOUR = 3600
_NEXT = "see the job's log in CloudWatch, fix the cause, and start again: cdk-sglang eagle start"
_REASON_MAX = 500


def run(aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]) -> dict[str, Any]:
    """Read jobs that have ended, start the next ones, and return whether all measurements are complete.

    Raises:
        EndError: A measurement failed in all its attempts, or the ceiling is reached.
        Throttled: A service throttles requests; a second call finds the jobs that this one started.
    """
    del seconds_left
    before = event.result("bench")
    done: list[str] = list(before.get("done", ()))
    attempts: dict[str, int] = dict(before.get("attempts", {}))
    running: list[str] = list(before.get("running", ()))
    seconds: float = before.get("job_seconds", 0.0)
    measurements = {one.key: one for one in jobs.plan(config)}
    for key in list(running):
        try:
            ended = _look(aws, config, event, measurements[key], attempt=attempts[key], now=now)
        except EndError as error:
            spent = usd(config, event.result("gate"), now=now, job_seconds=seconds)
            error.figures = {"usd": spent, "done": done, **error.figures}
            raise
        if ended is None:
            continue
        running.remove(key)
        is_read, job_seconds = ended
        seconds += job_seconds
        done += [key] if is_read else []
    spent = usd(config, event.result("gate"), now=now, job_seconds=seconds)
    result: dict[str, Any] = {
        "wait_seconds": WAIT_SECONDS,
        "done": done,
        "total": len(measurements),
        "attempts": attempts,
        "job_seconds": seconds,
        "usd": spent,
    }
    if len(done) == len(measurements):
        return {**result, "state": "done", "running": []}
    if spent >= config.gate.max_usd:
        jobs.stop_jobs(aws.sagemaker, event.run)
        raise EndError(
            CEILING_REACHED,
            f"the gate was stopped at gate_max_usd {config.gate.max_usd:g} after {len(done)} of {len(measurements)} measurements: about ${spent:.2f} spent",
            "raise speculative.<kind>.gate_max_usd, or lower repeats or concurrency; deploy, and start again",
            figures={"usd": spent, "done": done},
        )
    opened = event.result("gate").get("opened")
    if opened and (now - dt.datetime.fromisoformat(opened)).total_seconds() > GATE_MAX:
        jobs.stop_jobs(aws.sagemaker, event.run)
        raise EndError(
            GATE_FAILED,
            f"{len(done)} of {len(measurements)} measurements were done after {GATE_MAX / _HOUR:g} h: other benchmark jobs of the account "
            f"hold its {PARALLEL_MAX} places, or jobs hang",
            "start again when they have ended, or raise the quota of parallel AI benchmark jobs",
            figures={"usd": spent, "done": done},
        )
    try:
        running = _start(aws, config, event, measurements, done=done, running=running, attempts=attempts)
    except EndError as error:
        error.figures = {"usd": spent, "done": done, **error.figures}
        raise
    return {**result, "state": "running", "running": running, "attempts": attempts}


def _start(
    aws: Aws,
    config: Config,
    event: Event,
    measurements: Mapping[str, Measurement],
    *,
    done: list[str],
    running: list[str],
    attempts: dict[str, int],
) -> list[str]:
    """Start the next pair: base and candidate at the same time, each on its own GPUs, so that the time of day is the same for both."""
    running = list(running)
    waiting = [one for key, one in measurements.items() if key not in done and key not in running]
    for one in waiting:
        if len(running) >= PARALLEL_MAX:
            break
        if running and measurements[running[0]].pair != one.pair:
            break
        attempt = attempts.get(one.key, 0) + 1
        if attempt > ATTEMPTS:
            raise EndError(
                GATE_FAILED,
                f"measurement {one.key} failed {ATTEMPTS} times{event.result('bench').get('why', '')}",
                _NEXT,
            )
        jobs.ensure_workload(aws.sagemaker, config, event.run, one)
        endpoint = event.result("gate")["endpoint"]
        if not jobs.create(aws.sagemaker, jobs.request(config, event.run, one, attempt=attempt, endpoint=endpoint)):
            break  # other jobs of the account use up the quota
        attempts[one.key] = attempt
        running.append(one.key)
    return running


def _look(
    aws: Aws, config: Config, event: Event, one: Measurement, *, attempt: int, now: dt.datetime
) -> tuple[bool, float] | None:
    """Return whether a job's figures were read, and its seconds; None while it runs."""
    name = one.name(event.run, attempt)
    job = answered(aws.sagemaker.describe_ai_benchmark_job, AIBenchmarkJobName=name)
    if job is None:
        return _failed(one, attempt, f"job {name} does not exist any more", 0.0)
    start = job.get("StartTime") or job["CreationTime"]
    end = job.get("EndTime") or now
    elapsed = max(0.0, (end - start).total_seconds())
    status = job["AIBenchmarkJobStatus"]
    if status in {"InProgress", "Stopping"}:
        if (now - job["CreationTime"]).total_seconds() <= JOB_MAX:
            return None
        if status == "InProgress":
            answered(aws.sagemaker.stop_ai_benchmark_job, AIBenchmarkJobName=name)
        return _failed(one, attempt, f"job {name} did not end within {JOB_MAX / _HOUR:g} h and was stopped", elapsed)
    if status != "Completed":
        reason = " ".join(str(job.get("FailureReason", "no reason given")).split())[:_REASON_MAX]
        return _failed(one, attempt, f"job {name} is {status}: {reason}", elapsed)
    try:
        found = _figures(aws, config, event.run, name)
    except FiguresError as error:
        return _failed(one, attempt, f"job {name}: {error}", elapsed)
    length = None
    if one.side == DRAFT and config.enrichment and config.accept_length_query:
        component = name_of(event.run, one.side)
        address = aws.cloudwatch.meta.endpoint_url
        length = accept_length(
            aws.session, address, config.accept_length_query, component=component, start=start, end=end
        )
    content = {
        **found,
        "accept_length": length,
        "job": name,
        "arn": job["AIBenchmarkJobArn"],
        "start": start.isoformat(),
        "end": end.isoformat(),
    }
    write_json(aws.s3, config.bucket, figures_key(config, event.run, one), content)
    return True, elapsed


def figures_key(config: Config, run: str, one: Measurement) -> str:
    """Return the key of a measurement's figures."""
    return f"{config.run_prefix(run)}bench/figures/{one.key}.json"


def _failed(one: Measurement, attempt: int, why: str, elapsed: float) -> tuple[bool, float]:
    if attempt >= ATTEMPTS:
        raise EndError(GATE_FAILED, f"measurement {one.key} failed {attempt} times; at last: {why}", _NEXT)
    return False, elapsed


def _figures(aws: Aws, config: Config, run: str, name: str) -> dict[str, float]:
    prefix = jobs.output_prefix(config, run, name)
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=config.bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", ()) if item["Key"].endswith(f"/{ARCHIVE}")]
    if not keys:
        raise FiguresError(f"no {ARCHIVE} below s3://{config.bucket}/{prefix}")
    return figures_of_archive(aws.s3.get_object(Bucket=config.bucket, Key=keys[0])["Body"])


def usd(config: Config, gate: Mapping[str, Any], *, now: dt.datetime, job_seconds: float) -> float:
    """Return the approximate cost of a gate: its instances, or its canaries' share of the endpoint's, and its jobs.

    Args:
        config: Configuration.
        gate: Result of the gate's opening.
        now: Time.
        job_seconds: Seconds of benchmark jobs so far.
    """
    opened = gate.get("opened")
    if not opened:
        return 0.0
    hours = max(0.0, (now - dt.datetime.fromisoformat(opened)).total_seconds()) / _HOUR
    share = gate["instances"] if gate.get("second") else 2 * gate.get("gpus", 1) / max(1, config.gate.gpus)
    spent: float = round(hours * share * config.gate.usd_per_hour + job_seconds / _HOUR * _JOB_USD_PER_HOUR, 2)
    return spent
