"""Figures from AIPerf's records: one JSON object a request in profile_export.jsonl (AIPerf 0.13.0, read 2026-11).

The summary, profile_export_aiperf.json, is not written when no request succeeds; the records are. So the figures come from the records,
and a test compares them with a summary.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cdk_sglang.benchmarking.result import Distribution, Figures
from cdk_sglang.spec.workload import Goodput

RECORDS: Final = "profile_export.jsonl"
SUMMARY: Final = "profile_export_aiperf.json"
_NANOSECONDS: Final = 1e9
_TEXT_LIMIT: Final = 80
_NAME: Final = re.compile(r"[\w.:\-]{1,80}")
_THROTTLED: Final = "rate exceeded"
"""What services say that throttle. Their code is in a header, `x-amzn-ErrorType`, which AIPerf does not record
(seen with AIPerf 0.13.0, 2026-12)."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as AIPerf saw it.

    Args:
        start_ns: Start, nanoseconds since 1970.
        end_ns: End.
        values: Metrics by AIPerf's name; empty for a failed request.
        error: Kind of the failure, such as "429 TooManyRequests"; None for an answered request.
        is_cancelled: Whether AIPerf gave the request up when it was stopped.
    """

    start_ns: int
    end_ns: int
    values: Mapping[str, float]
    error: str | None
    is_cancelled: bool


@dataclass(frozen=True, kw_only=True)
class Records:
    """Records of a step.

    Args:
        requests: Requests that count: without warm-up, and without those given up at the end.
        cancelled: Requests that AIPerf gave up when it was stopped.
        malformed: Lines that are no record, such as the last one of a process that was killed.
    """

    requests: tuple[Request, ...]
    cancelled: int
    malformed: int


def read_records(folder: Path) -> Records:
    """Read the records of a step; none if AIPerf wrote no file.

    Args:
        folder: AIPerf's folder.
    """
    path = folder / RECORDS
    if not path.is_file():
        return Records(requests=(), cancelled=0, malformed=0)
    with path.open(encoding="utf-8", errors="replace") as file:
        return records_of(file)


def records_of(lines: Iterable[str]) -> Records:
    """Read records from lines of JSON."""
    found, malformed = [], 0
    for line in filter(str.strip, lines):
        try:
            record = json.loads(line)
            if record["metadata"]["benchmark_phase"] == "profiling":
                found.append(_request(record))
        except (ValueError, KeyError, TypeError, AttributeError):
            malformed += 1
    return Records(
        requests=tuple(request for request in found if not request.is_cancelled),
        cancelled=sum(request.is_cancelled for request in found),
        malformed=malformed,
    )


def _request(record: Mapping[str, Any]) -> Request:
    metadata, error = record["metadata"], record.get("error")
    values = {
        name: float(metric["value"])
        for name, metric in (record.get("metrics") or {}).items()
        if isinstance(metric.get("value"), int | float)
    }
    return Request(
        start_ns=int(metadata["request_start_ns"]),
        end_ns=int(metadata["request_end_ns"]),
        values=values,
        error=None if error is None else error_kind(error),
        is_cancelled=bool(metadata.get("was_cancelled")),
    )


def error_kind(error: Mapping[str, Any]) -> str:
    """Return the kind of a failure: HTTP status and the service's code, or the name of the client's exception.

    Messages are left out, since they may repeat a prompt; so is a code that is no single word.
    """
    code, message = error.get("code"), str(error.get("message") or "")
    try:
        body = json.loads(message)
    except ValueError:
        body = {}
    inner = body.get("error") if isinstance(body, dict) else None
    places = [body if isinstance(body, dict) else {}, inner if isinstance(inner, dict) else {}]
    codes = (str(place.get(key) or "") for place in places for key in ("__type", "ErrorCode", "type", "code"))
    names = (name for one in codes if _NAME.fullmatch(name := one.rpartition("#")[2]))
    name = next(names, "") or ("ThrottlingException" if _THROTTLED in message.lower() else "")
    name = name or " ".join(str(error.get("type") or "error").split())
    return f"{code or ''} {name}".strip()[:_TEXT_LIMIT]


def figures_of(records: Records, *, goodput: Goodput | None) -> Figures:
    """Return the figures of a step's requests.

    Args:
        records: The requests.
        goodput: Bounds of a good request; None if there are none.
    """
    answered = [request for request in records.requests if request.error is None]
    failed = [request.error for request in records.requests if request.error is not None]
    seconds = _seconds(records.requests)
    tokens = sum(request.values.get("output_sequence_length", 0.0) for request in answered)
    good = None if goodput is None else sum(_is_good(request, goodput) for request in answered)
    total = len(records.requests)
    return Figures(
        requests=len(answered),
        failed=len(failed),
        errors=dict(sorted(Counter(failed).items())),
        seconds=seconds,
        input_tokens=_mean(_values(answered, "input_sequence_length")),
        output_tokens=_mean(_values(answered, "output_sequence_length")),
        ttft_ms=_distribution(_values(answered, "time_to_first_token")),
        tpot_ms=_distribution(_values(answered, "inter_token_latency")),
        request_ms=_distribution(_values(answered, "request_latency")),
        output_tok_s=tokens / seconds if seconds else 0.0,
        requests_s=len(answered) / seconds if seconds else 0.0,
        good=None if good is None or not total else good / total,
        goodput_s=None if good is None else (good / seconds if seconds else 0.0),
    )


def _seconds(requests: tuple[Request, ...]) -> float:
    if not requests:
        return 0.0
    start, end = min(request.start_ns for request in requests), max(request.end_ns for request in requests)
    return max(0.0, (end - start) / _NANOSECONDS)


def _values(requests: Iterable[Request], name: str) -> list[float]:
    return list(_found(requests, name))


def _found(requests: Iterable[Request], name: str) -> Iterator[float]:
    for request in requests:
        if name in request.values:
            yield request.values[name]


def _is_good(request: Request, goodput: Goodput) -> bool:
    """Whether an answer kept every bound; an answer of one token has no time per further token."""
    bounds = (
        ("time_to_first_token", goodput.ttft_ms),
        ("inter_token_latency", goodput.tpot_ms),
        ("request_latency", goodput.request_ms),
    )
    return all(bound is None or request.values.get(name, 0.0) <= bound for name, bound in bounds)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _distribution(values: list[float]) -> Distribution | None:
    if not values:
        return None
    p50, p90, p95, p99 = (float(value) for value in np.percentile(values, (50, 90, 95, 99)))
    return Distribution(mean=float(np.mean(values)), p50=p50, p90=p90, p95=p95, p99=p99)
