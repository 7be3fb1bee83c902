"""What a component may promise, and the rates at which it may not be broken."""

from __future__ import annotations

from typing import Any

import pytest

from cdk_sglang import AlarmRules, BurnRate, Slo
from tests.support.fleets import problems

WRONG: list[tuple[type[Any], dict[str, Any], list[str]]] = [
    (
        Slo,
        {},
        [
            "slo: has no objective; give at least one of ttft_ms, tpot_ms, availability_percent, accept_length, or leave the slo out"
        ],
    ),
    (
        Slo,
        {"at_concurrency": 8, "within_percent": 95},
        [
            "slo: has no objective; give at least one of ttft_ms, tpot_ms, availability_percent, accept_length, or leave the slo out",
            "slo.within_percent: got 95 without a latency objective; give ttft_ms or tpot_ms",
        ],
    ),
    (Slo, {"availability_percent": 100}, ["slo.availability_percent: 100 is not allowed; use a value < 100"]),
    (Slo, {"availability_percent": 0.999}, ["slo.availability_percent: 0.999 is not allowed; use a value >= 90"]),
    (Slo, {"ttft_ms": 500, "within_percent": 50}, ["slo.within_percent: 50 is not allowed; use a value >= 90"]),
    (Slo, {"ttft_ms": 500, "window_days": 7}, ["slo.window_days: 7 is not allowed; use 28 or 30"]),
    (Slo, {"accept_length": 1}, ["slo.accept_length: 1 is not allowed; use a value > 1"]),
    (
        BurnRate,
        {"budget_percent": 2, "long_minutes": 5, "short_minutes": 60},
        ["burn_rate.short_minutes: 60 is not shorter than long_minutes 5; swap them, or shorten it"],
    ),
    (
        BurnRate,
        {"budget_percent": 2, "long_minutes": 20160, "short_minutes": 60},
        ["burn_rate.long_minutes: 20160 is not allowed; use a value <= 10080"],
    ),
    (AlarmRules, {"kv_percent": 120}, ["rules.kv_percent: 120 is not allowed; use a value <= 100"]),
    (AlarmRules, {"queued_requests": 0}, ["rules.queued_requests: 0 is not allowed; use a value >= 1"]),
    (AlarmRules, {"gpu_celsius": 200}, ["rules.gpu_celsius: 200 is not allowed; use a value <= 120"]),
]


@pytest.mark.parametrize(("make", "values", "expected"), WRONG)
def test_a_promise_that_says_nothing_or_too_much_is_refused(
    make: type[Any], values: dict[str, Any], expected: list[str]
) -> None:
    assert problems(lambda: make(**values)) == expected


def test_latency_is_promised_to_ninety_nine_of_a_hundred_requests() -> None:
    assert Slo(ttft_ms=500).latency_share == 0.99
    assert Slo(ttft_ms=500, within_percent=95).latency_share == 0.95


def test_the_default_rates_are_those_of_the_workbook() -> None:
    found = [(rate.long_minutes, rate.short_minutes, rate.factor(30)) for rate in AlarmRules().burn_rates]
    assert found == [(60, 5, pytest.approx(14.4)), (360, 30, pytest.approx(6))]
