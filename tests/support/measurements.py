"""Measurements for tests of whatever reads a history."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cdk_sglang.benchmarking.result import (
    SCHEMA_VERSION,
    Band,
    Deployed,
    Distribution,
    Figures,
    Measurement,
    Outcome,
    Planned,
)

START = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)


def distribution(mean: float) -> Distribution:
    return Distribution(mean=mean, p50=mean, p90=mean * 1.5, p95=mean * 1.7, p99=mean * 2)


def measurement(**changes: Any) -> Measurement:
    """Make a measurement; keywords of any part replace its values, and `scale` makes it slower."""
    scale = changes.pop("scale", 1.0)
    figures = {
        "requests": 100, "failed": 0, "errors": {}, "seconds": 60.0, "input_tokens": 1024.0, "output_tokens": 256.0,
        "ttft_ms": distribution(200 * scale), "tpot_ms": distribution(20 * scale), "request_ms": distribution(5300 * scale),
        "output_tok_s": 400 / scale, "requests_s": 1.6 / scale, "good": 0.95, "goodput_s": 1.5 / scale,
    }  # fmt: skip
    deployed = {
        "instance": "ml.g6e.2xlarge", "instances": 1, "copies": 1, "gpus": 1, "image": "repository@sha256:aa",
        "sglang_version": "0.5.20", "options": '{"SM_SGLANG_TP_SIZE": "1"}', "options_hash": "0123456789ab",
        "model": "Qwen/Qwen3-8B", "model_revision": "s3://bucket/weights/qwen/",
    }  # fmt: skip
    for part in (figures, deployed):
        part.update({name: changes.pop(name) for name in list(changes) if name in part})
    values: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION, "run": "20261130T120000-aaaa", "environment": "prod", "endpoint": "prod-chat",
        "component": "prod-chat-qwen", "region": "us-east-1", "workload": "steady", "workload_hash": "feedfeedfeed",
        "workload_content": "{}", "runner": "aiperf-openai", "tool_version": "0.13.0", "started": START,
        "ended": START + dt.timedelta(minutes=1), "step": 0, "repeat": 0, "concurrency": 16, "request_rate": None,
        "is_partial": False, "outcome": Outcome.COMPLETED, "wake_seconds": 0.0, "usd_per_hour": 2.8,
        "planned": Planned(ttft_ms=Band(low=100, value=180, high=300), tpot_ms=Band(low=25, value=30, high=40)),
    }  # fmt: skip
    return Measurement(**{**values, **changes, "figures": Figures(**figures), "deployed": Deployed(**deployed)})
