"""Figures of AIPerf's own records: real ones of AIPerf 0.13.0 against SGLang 0.5.23 on this project's embedded AWS, 2026-11-30."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang import Goodput
from cdk_sglang.benchmarking.aiperf.records import error_kind, figures_of, read_records, records_of

DATA = Path(__file__).parent / "data"


@pytest.fixture
def summary() -> Any:
    return json.loads((DATA / "good" / "profile_export_aiperf.json").read_text())


def test_figures_of_the_records_are_those_of_aiperfs_summary(summary: Any) -> None:
    figures = figures_of(read_records(DATA / "good"), goodput=Goodput(ttft_ms=500, tpot_ms=50))

    assert (figures.requests, figures.failed) == (summary["request_count"]["avg"], 0)
    for own, name in (
        (figures.ttft_ms, "time_to_first_token"),
        (figures.tpot_ms, "inter_token_latency"),
        (figures.request_ms, "request_latency"),
    ):
        assert own is not None
        aiperfs = {"mean": summary[name]["avg"], **{key: summary[name][key] for key in ("p50", "p90", "p95", "p99")}}
        assert vars(own) == pytest.approx(aiperfs, rel=1e-6)
    assert figures.seconds == pytest.approx(summary["benchmark_duration"]["avg"], rel=1e-4)
    assert figures.output_tok_s == pytest.approx(summary["output_token_throughput"]["avg"], rel=1e-3)  # of its phase
    assert figures.requests_s == pytest.approx(summary["request_throughput"]["avg"], rel=1e-3)
    assert figures.goodput_s == summary["goodput"]["avg"]
    assert (figures.input_tokens, figures.output_tokens) == (83, 16)


def test_warm_up_is_not_counted() -> None:
    lines = (DATA / "good" / "profile_export.jsonl").read_text().splitlines()
    assert len(lines) == 14
    assert len(records_of(lines).requests) == 12


def test_goodput_counts_requests_that_keep_every_bound(summary: Any) -> None:
    records = read_records(DATA / "good")
    median = summary["time_to_first_token"]["p50"]
    assert figures_of(records, goodput=Goodput(ttft_ms=median)).good == 0.5
    assert figures_of(records, goodput=Goodput(ttft_ms=median, request_ms=1)).good == 0
    assert figures_of(records, goodput=None).good is None


def test_a_step_without_a_success_has_errors_by_kind_and_no_latency() -> None:
    figures = figures_of(read_records(DATA / "refused"), goodput=Goodput(ttft_ms=1))
    assert (figures.requests, figures.failed) == (0, 6)
    assert figures.errors == {"403 AccessDeniedException": 6}
    assert (figures.ttft_ms, figures.output_tok_s, figures.good, figures.goodput_s) == (None, 0, 0, 0)


def test_the_last_line_of_a_killed_process_is_left_out() -> None:
    text = (DATA / "good" / "profile_export.jsonl").read_text()
    cut = records_of(text[: len(text) - 500].splitlines())
    assert (len(cut.requests), cut.malformed) == (11, 1)


def test_a_request_that_was_given_up_counts_neither_as_answered_nor_as_failed() -> None:
    lines = (DATA / "good" / "profile_export.jsonl").read_text().splitlines()
    lines[-1] = lines[-1].replace('"was_cancelled":false', '"was_cancelled":true')
    records = records_of(lines)
    assert (len(records.requests), records.cancelled) == (11, 1)


def test_no_records_are_no_requests(tmp_path: Path) -> None:
    figures = figures_of(read_records(tmp_path), goodput=None)
    assert (figures.requests, figures.failed, figures.seconds) == (0, 0, 0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429, "type": "Too Many Requests", "message": '{"__type": "com.amazon#ThrottlingException"}'}, "429 ThrottlingException"),
        ({"code": 400, "type": "BAD REQUEST", "message": '{"Message": "Rate exceeded"}'}, "400 ThrottlingException"),
        ({"code": 424, "type": "x", "message": '{"ErrorCode": "ModelError"}'}, "424 ModelError"),
        ({"code": 400, "type": "BAD", "message": '{"error": {"type": "BadRequestError"}}'}, "400 BadRequestError"),
        ({"code": None, "type": "ClientConnectorError", "message": "no"}, "ClientConnectorError"),
        ({"code": 503, "type": "Service Unavailable", "message": "[1]"}, "503 Service Unavailable"),
    ],
)  # fmt: skip
def test_failures_have_a_kind(error: dict[str, Any], kind: str) -> None:
    assert error_kind(error) == kind
