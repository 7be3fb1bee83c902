"""Figures of a benchmark job from its output.tar.gz: one JSON object per request in profile_export.jsonl (AIPerf 0.13.0, read 2026-11)."""

from __future__ import annotations

import json
import math
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any, cast

RECORDS, ARCHIVE = "profile_export.jsonl", "output.tar.gz"
_NANOSECONDS = 1e9
FAILED_SHARE_MAX = 0.05
"""Share of failed requests above which a repeat is considered to measure failures."""


class FiguresError(Exception):
    """A job's output has no usable figures; the text says why."""


@dataclass(kw_only=True)
class _Sums:
    answered: int = 0
    failed: int = 0
    tokens: float = 0.0
    start: int | None = None
    end: int | None = None
    values: dict[str, list[float]] = field(default_factory=dict)


def figures_of_archive(body: Any) -> dict[str, float]:
    """Return the figures of an archive, read as a stream.

    Args:
        body: S3 response, or any binary file.

    Raises:
        FiguresError: The archive is cut short, has no records, or most of them failed.
    """
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", body), mode="r|gz") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if member.isfile() and path.name == RECORDS and "phases" not in path.parts:
                    content = archive.extractfile(member)
                    assert content is not None
                    return figures_of(content)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise FiguresError(f"{ARCHIVE} cannot be read: {error}") from error
    raise FiguresError(f"{ARCHIVE} has no {RECORDS}")


def figures_of(lines: Iterable[bytes]) -> dict[str, float]:
    """Return the figures of records.

    Args:
        lines: Lines of `profile_export.jsonl`.

    Returns:
        Output tokens per second over all requests, mean time per output token and to first token in milliseconds, requests, seconds.

    Raises:
        FiguresError: There are no answered requests, or too many failed.
    """
    sums = _Sums()
    for record in _records(lines):
        _add(sums, record)
    if not sums.answered:
        raise FiguresError(f"{RECORDS}: none of {sums.failed} requests was answered")
    if sums.failed > FAILED_SHARE_MAX * (sums.answered + sums.failed):
        raise FiguresError(f"{RECORDS}: {sums.failed} of {sums.answered + sums.failed} requests failed")
    assert sums.start is not None
    assert sums.end is not None
    seconds = (sums.end - sums.start) / _NANOSECONDS
    means = {name: math.fsum(values) / len(values) for name, values in sums.values.items()}
    ttft, tpot = means.get("time_to_first_token", 0.0), means.get("inter_token_latency", 0.0)
    if seconds <= 0 or sums.tokens <= 0 or ttft <= 0:
        raise FiguresError(f"{RECORDS}: has no output tokens, no duration or no time to the first token")
    return {
        "output_tok_s": sums.tokens / seconds,
        "ttft_ms": ttft,
        "tpot_ms": tpot,
        "requests": float(sums.answered),
        "failed": float(sums.failed),
        "seconds": seconds,
    }


def _records(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for text in lines:
        try:
            record = json.loads(text)
        except ValueError:  # the last line written by a killed process
            continue
        if isinstance(record, dict):
            yield record


def _add(sums: _Sums, record: dict[str, Any]) -> None:
    try:
        metadata = record["metadata"]
        if metadata["benchmark_phase"] != "profiling" or metadata.get("was_cancelled"):
            return
        start, end = int(metadata["request_start_ns"]), int(metadata["request_end_ns"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return
    sums.start = start if sums.start is None else min(sums.start, start)
    sums.end = end if sums.end is None else max(sums.end, end)
    if record.get("error") is not None:
        sums.failed += 1
        return
    sums.answered += 1
    for name, metric in (record.get("metrics") or {}).items():
        value = metric.get("value") if isinstance(metric, dict) else None
        if isinstance(value, int | float) and math.isfinite(value):
            if name == "output_sequence_length":
                sums.tokens += value
            elif name in {"time_to_first_token", "inter_token_latency"}:
                sums.values.setdefault(name, []).append(float(value))
