"""What tests of the speculative run share: a configuration, a clock, events, and clients whose answers are written down."""

from __future__ import annotations

import datetime as dt
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

import boto3
from botocore.stub import Stubber

from cdk_sglang._runtime.speculative.clients import Aws
from cdk_sglang._runtime.speculative.config import Config
from cdk_sglang._runtime.speculative.event import Event

RUN = "r20261130T120000-ab12"
NOW = dt.datetime(2026, 11, 30, 12, 0, tzinfo=dt.UTC)
BUCKET, COMPONENT, ENDPOINT = "weights-1", "prod-chat-llama", "prod-chat"
BASE_PREFIX = "weights/meta-llama/llama/0123/"
VERSION = f"speculative/{COMPONENT}/versions/{RUN}/"
ROLE = "arn:aws:iam::123456789012:role/role-of-tests"
PARAMETER = "Draft0123456789ab"

CONTENT: dict[str, Any] = {
    "environment": "prod",
    "endpoint_name": ENDPOINT,
    "component_name": COMPONENT,
    "kind": "eagle",
    "stack_name": "prod-chat",
    "parameter": PARAMETER,
    "bucket": BUCKET,
    "base_bucket": BUCKET,
    "base_prefix": BASE_PREFIX,
    "model_package_group": COMPONENT,
    "job_role_arn": ROLE,
    "execution_role_arn": ROLE,
    "benchmark_role_arn": ROLE,
    "tokenizer": "meta-llama/Llama-3.1-8B-Instruct",
    "training": {
        "instance": "ml.g6e.12xlarge",
        "usd_per_hour": 10.0,
        "max_usd": 200,
        "max_hours": 24,
        "accept_eula": True,
        "dataset": "built_in",
        "captured_prefix": f"captured/{ENDPOINT}/",
        "captured_samples": 4,
        "scrub": None,
    },
    "gate": {
        "min_speedup": 1.15,
        "max_ttft_regression": 0.1,
        "concurrency": [1, 8],
        "repeats": 2,
        "input_tokens": 500,
        "output_tokens": 200,
        "requests": {"1": 20, "8": 80},
        "second_endpoint": False,
        "instance": "ml.g6e.12xlarge",
        "usd_per_hour": 10.0,
        "gpus": 4,
        "max_usd": 100,
        "log_retention_days": 30,
    },
    "approval": "none",
    "topic_arn": "arn:aws:sns:us-east-1:123456789012:approvals",
    "drafting": {"steps": None, "topk": None, "draft_tokens": None},
    "enrichment": False,
}


def config(kind: str = "eagle", *, training: Mapping[str, Any] | None = None, **changes: Any) -> Config:
    """Return a configuration with other values."""
    content = {**CONTENT, "kind": kind, **changes}
    content["training"] = {**CONTENT["training"], **(training or {})}
    if kind == "draft":
        content.setdefault("draft_source", {"bucket": BUCKET, "prefix": "drafts/own/"})
    return Config.parse(json.dumps(content))


def gated(found: Config, **changes: Any) -> Config:
    """Return a configuration with another gate."""
    return replace(found, gate=replace(found.gate, **changes))


def event(**state: Any) -> Event:
    """Return the event of a state whose earlier results are these."""
    execution = {
        "id": f"arn:aws:states:us-east-1:123456789012:execution:{COMPONENT}-speculative:{RUN}",
        "machine": f"arn:aws:states:us-east-1:123456789012:stateMachine:{COMPONENT}-speculative",
        "started": "2026-11-30T12:00:00.000Z",
    }
    return Event.parse({"run": RUN, "reason": "start", "execution": execution, **state})


def client(service: str) -> Any:
    """Return a client without credentials of anybody."""
    return boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def stubbed(service: str, *answers: tuple[str, Mapping[str, Any], Any]) -> Any:
    """Return a client that takes these requests in this order, each checked against botocore's model, and gives these answers.

    An answer that is a text is an error's code, and a pair is its code and its message.
    """
    stubbed_client = client(service)
    stubber = Stubber(stubbed_client)
    for operation, parameters, answer in answers:
        if isinstance(answer, str | tuple):
            code, message = (answer, answer) if isinstance(answer, str) else answer
            stubber.add_client_error(operation, code, message, expected_params=parameters or None)
        else:
            stubber.add_response(operation, answer, parameters or None)
    stubber.activate()
    stubbed_client.stubber = stubber
    return stubbed_client


def aws(**clients: Any) -> Aws:
    """Return clients; one that a test does not give must not be called, which its mock shows, but that of logs."""
    names = ("session", "sagemaker", "s3", "cloudformation", "stepfunctions", "quotas", "lambda_", "sns", "cloudwatch")
    stand_ins = {name: clients.get(name, MagicMock(spec=())) for name in names}
    return Aws(**stand_ins, logs=clients.get("logs", MagicMock()))


def plenty() -> float:
    """Return time enough."""
    return 600.0


def records(*, tok_s: float, ttft_ms: float, tpot_ms: float = 10.0, requests: int = 20, failed: int = 0) -> list[bytes]:
    """Return records as AIPerf 0.13.0 writes them, whose figures are these."""
    tokens = 100
    step = int(tokens / tok_s * 1e9)
    lines = []
    for index in range(requests):
        start = 1_000_000_000 + index * step
        record: dict[str, Any] = {
            "metadata": {
                "benchmark_phase": "profiling",
                "request_start_ns": start,
                "request_end_ns": start + step,
                "was_cancelled": False,
            },
            "metrics": {
                "output_sequence_length": {"value": tokens, "unit": "tokens"},
                "time_to_first_token": {"value": ttft_ms, "unit": "ms"},
                "inter_token_latency": {"value": tpot_ms, "unit": "ms"},
            },
            "error": None,
        }
        if index < failed:
            record |= {"metrics": {}, "error": {"code": 503, "type": "ServiceUnavailable", "message": "busy"}}
        lines.append(json.dumps(record).encode() + b"\n")
    return lines


def archive(lines: Iterable[bytes]) -> bytes:
    """Return an output.tar.gz with records, a summary and a phase's copy of the records."""
    body = b"".join(lines)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as files:
        for name, content in (
            ("artifacts/profile_export_aiperf.json", b"{}"),
            ("artifacts/phases/warmup/profile_export.jsonl", b"not these\n"),
            ("artifacts/profile_export.jsonl", body),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            files.addfile(info, io.BytesIO(content))
    return packed.getvalue()
