"""Numbers with units: the message says what to write, in the unit of the field."""

from __future__ import annotations

import pytest

from cdk_sglang.numbers import as_number


@pytest.mark.parametrize(
    ("text", "name", "is_whole", "advice"),
    [
        ("16", "tp_size", True, "16 without quotes"),
        ("800ms", "ttft_ms", False, "digits alone: 800, without ms"),
        ("0.8s", "ttft_ms", False, "digits alone: 800, which is 0.8s in ms"),
        ("2 min", "timeout_seconds", True, "digits alone: 120, which is 2 min in seconds"),
        ("1h", "idle_minutes", True, "digits alone: 60, which is 1h in minutes"),
        ("30m", "idle_minutes", True, "digits alone: 30, without m"),
        ("2w", "keep_days", True, "digits alone: 14, which is 2w in days"),
        ("30d", "log_retention_days", True, "digits alone: 30, without d"),
        ("64GB", "size_gb", True, "digits alone: 64, without GB"),
        ("1TB", "size_gb", True, "digits alone: 1000, which is 1TB in gb"),
        ("2GiB", "memory_mib", True, "digits alone: 2048, which is 2GiB in mib"),
        ("32k", "context_length", True, "digits alone: 32000, or 32768 if that is meant"),
        ("32Ki", "context_length", True, "digits alone: 32768"),
        ("1M", "context_length", True, "digits alone: 1000000"),
        ("3.2e4", "context_length", True, "digits alone: 32000"),
        ("32,768", "context_length", True, "digits alone: 32768"),
        ("32,768", "budget_usd_per_hour", False, "a number in digits, without quotes"),
        ("$40", "budget_usd_per_hour", False, "digits alone: 40, without a sign"),
        ("40 USD/h", "budget_usd_per_hour", False, "digits alone: 40, without USD/h"),
        ("40€", "budget_usd_per_hour", False, "digits alone: 40, without €"),
        ("88%", "mem_fraction_static", False, "digits alone: 88, or 0.88 where a share of 1 is taken, without %"),
        ("about 4 or 5", "copies", True, "digits alone, without a unit or a sign"),
        ("many", "copies", True, "a number in digits, without quotes"),
    ],
)
def test_a_number_with_a_unit_is_shown_as_the_field_takes_it(text: str, name: str, is_whole: bool, advice: str) -> None:
    assert as_number(text, is_whole=is_whole, name=name) == advice
