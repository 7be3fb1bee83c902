"""The verdict on a candidate: figures of all repeats, the rule, the report, and the registry's record of both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from . import jobs, registry
from .base_model import container_of, live_model
from .bench import figures_key
from .canaries import Speculation
from .clients import Aws
from .config import Config, Place
from .draft import of_run
from .ends import GATE_FAILED, EndError
from .event import Event
from .judgement import YES, judged
from .store import read_json, write_json

SCHEMA = 1


def judge(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Judge the candidate, write the report, and register the version.

    Raises:
        EndError: A measurement's figures are missing.
    """
    del seconds_left
    measured, records = _measured(aws, config, event.run)
    found = judged(measured, min_speedup=config.gate.min_speedup, max_ttft_regression=config.gate.max_ttft_regression)
    draft = of_run(config, event)
    speculation = Speculation.of(draft)
    spent = spent_usd(event)
    report = _report(config, event, found, draft, now=now, records=records, spent=spent)
    key = f"{config.run_prefix(event.run)}report.json"
    write_json(aws.s3, config.bucket, key, report)
    is_yes = found["verdict"] == YES
    live = live_model(aws, config)
    bucket = config.bucket if config.kind in {"eagle", "draft"} else config.base.bucket
    value = speculation.value(event.run, found["accept_length"])
    arn = registry.register(
        aws.sagemaker,
        config,
        event.run,
        image=container_of(live[1])["Image"] if live else "unknown",
        environment=speculation.environment(kind=config.kind),
        source=Place(bucket=bucket, prefix=speculation.prefix),
        report=f"s3://{config.bucket}/{key}",
        status=registry.PENDING if is_yes else registry.REJECTED,
        evidence={
            "component": config.component,
            "environment": config.environment,
            "kind": config.kind,
            "verdict": found["verdict"],
            "speedup": found["speedup"],
            "accept_length": found["accept_length"],
            "parameter": config.parameter,
            "value": value,
            "base_hash": event.result("inputs")["base"]["hash"],
            "dataset_sha256": (event.result("inputs").get("dataset") or {}).get("sha256"),
            "job_arn": event.result("job").get("arn"),
            "spent_usd": spent,
        },
    )
    return {
        "state": found["verdict"],
        "speedup": found["speedup"],
        "accept_length": found["accept_length"],
        "reasons": found["reasons"],
        "report": f"s3://{config.bucket}/{key}",
        "model_package_arn": arn,
        "value": value,
    }


def spent_usd(event: Event) -> float:
    """Return the approximate cost of a run so far: training and gate."""
    spent: float = round(event.result("watch").get("spent_usd", 0.0) + event.result("bench").get("usd", 0.0), 2)
    return spent


def _measured(
    aws: Aws, config: Config, run: str
) -> tuple[dict[int, dict[str, list[dict[str, Any]]]], list[dict[str, Any]]]:
    """Return the figures of all repeats by concurrency and side, in the order of the repeats, and their jobs."""
    measured: dict[int, dict[str, list[dict[str, Any]]]] = {
        number: {"base": [], "draft": []} for number in config.gate.concurrency
    }
    records: list[dict[str, Any]] = []
    for one in sorted(jobs.plan(config), key=lambda one: (one.concurrency, one.side, one.repeat)):
        found = read_json(aws.s3, config.bucket, figures_key(config, run, one))
        if found is None:
            raise EndError(
                GATE_FAILED,
                f"figures of measurement {one.key} are missing; somebody deleted them",
                "start again: cdk-sglang eagle start",
            )
        measured[one.concurrency][one.side].append(found)
        records.append({key: found.get(key) for key in ("job", "arn", "start", "end")})
    return measured, records


def _report(
    config: Config,
    event: Event,
    found: Mapping[str, Any],
    draft: Mapping[str, Any],
    *,
    now: dt.datetime,
    records: list[dict[str, Any]],
    spent: float,
) -> dict[str, Any]:
    inputs, watch, gate = event.result("inputs"), event.result("watch"), config.gate
    dataset = inputs.get("dataset")
    job = event.result("job")
    return {
        "schema": SCHEMA,
        "run": event.run,
        "reason": event.reason,
        "component": config.component,
        "environment": config.environment,
        "kind": config.kind,
        "created": now.isoformat(timespec="seconds"),
        "verdict": found["verdict"],
        "reasons": found["reasons"],
        "speedup": found["speedup"],
        "accept_length": found["accept_length"],
        "job": None
        if not job
        else {
            "name": job["name"],
            "arn": job["arn"],
            "instance": None if config.training is None else config.training.instance,
            "seconds": watch.get("elapsed_seconds"),
            "usd": watch.get("spent_usd"),
            "usd_per_hour": None if config.training is None else config.training.usd_per_hour,
            "is_price_given": config.training is not None and config.training.is_price_given,
        },
        "dataset": None
        if not dataset
        else {key: dataset.get(key) for key in ("uri", "sha256", "lines", "bad", "first_bad", "format")},
        "base": {key: inputs["base"][key] for key in ("prefix", "hash", "bytes")},
        "draft": {
            **{key: draft.get(key) for key in ("prefix", "algorithm", "steps", "topk", "draft_tokens", "bytes")},
            **{key: draft.get(key) for key in ("source", "tensors_copied", "notes", "evaluation")},
        },
        "gate": {
            "workload": {
                "input_tokens": gate.input_tokens,
                "output_tokens": gate.output_tokens,
                "requests": {str(number): gate.requests[number] for number in gate.concurrency},
                "repeats": gate.repeats,
                "instance": gate.instance,
                "gpus": event.result("gate").get("gpus"),
                "second_endpoint": event.result("gate").get("second", False),
            },
            "concurrency": found["concurrency"],
            "usd": event.result("bench").get("usd", 0.0),
            "jobs": records,
            "rule": {"min_speedup": gate.min_speedup, "max_ttft_regression": gate.max_ttft_regression},
        },
        "version": {"prefix": draft["prefix"]},
        "spent_usd": spent,
    }
