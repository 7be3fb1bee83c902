"""The gate's rule: figures of archives, intervals, and what they say."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdk_sglang._runtime.speculative.figures import FiguresError, figures_of, figures_of_archive
from cdk_sglang._runtime.speculative.judgement import judged
from cdk_sglang._runtime.speculative.statistics import interval, paired_ratio, t_quantile
from cdk_sglang.benchmarking.aiperf.records import figures_of as figures_of_library
from cdk_sglang.benchmarking.aiperf.records import records_of
from tests.support.speculation import archive, records


@pytest.mark.parametrize(("freedom", "table"), [(1, 12.7062), (2, 4.3027), (4, 2.7764), (9, 2.2622), (30, 2.0423)])
def test_students_t_has_the_values_of_the_tables(freedom: int, table: float) -> None:
    """NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2."""
    assert t_quantile(freedom) == pytest.approx(table, abs=1e-3)


def test_one_value_has_no_interval() -> None:
    assert interval([2.0]).low is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=6), st.floats(0.2, 5))
def test_an_equal_factor_in_every_pair_is_found_whatever_the_hour(base: list[float], factor: float) -> None:
    found = paired_ratio(base, [value * factor for value in base])

    assert found.mean == pytest.approx(factor)
    assert found.low == pytest.approx(factor, rel=1e-6)
    assert math.isclose(found.high or 0, factor, rel_tol=1e-6)


def side(tok_s: list[float], *, ttft: float = 100.0, length: float | None = None) -> list[dict[str, float | None]]:
    return [{"output_tok_s": one, "ttft_ms": ttft, "tpot_ms": 10.0, "accept_length": length} for one in tok_s]


def rule(measured: Any, **options: float) -> dict[str, Any]:
    return judged(measured, **{"min_speedup": 1.15, "max_ttft_regression": 0.1, **options})


def test_a_candidate_that_is_faster_everywhere_beyond_doubt_passes() -> None:
    found = rule(
        {
            1: {"base": side([100, 102, 98]), "draft": side([180, 182, 178], length=2.5)},
            8: {"base": side([600, 605, 595]), "draft": side([720, 730, 710], length=2.4)},
        }
    )

    assert found["verdict"] == "yes"
    assert found["speedup"] == pytest.approx(1.2, abs=0.01)
    assert found["accept_length"] == pytest.approx(2.45)
    assert [row["concurrency"] for row in found["concurrency"]] == [1, 8]
    assert found["concurrency"][0]["speedup"]["low"] > 1.7


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (side([80, 82, 78]), "concurrency 8: slower: 0.80 times the output tokens per second, 95 % interval"),
        (side([105, 106, 104]), "concurrency 8: 1.05 times the output tokens per second, min_speedup is 1.15"),
        (side([100, 300, 90]), "concurrency 8: not faster beyond doubt: 1.39 times"),
        (side([180, 182, 178], ttft=120), "concurrency 8: the first token takes +20%, max_ttft_regression is 10%"),
        (side([80, 82, 78], length=1.0), "accept length 1.00: next to no draft token was accepted"),
    ],
)
def test_a_candidate_that_fails_at_one_concurrency_is_refused_with_the_figures(draft: Any, reason: str) -> None:
    base = side([100, 102, 98])

    found = rule({1: {"base": base, "draft": side([180, 182, 178])}, 8: {"base": base, "draft": draft}})

    assert found["verdict"] == "no"
    assert reason in "; ".join(found["reasons"])


def test_one_repeat_proves_nothing() -> None:
    found = rule({1: {"base": side([100]), "draft": side([200])}})

    assert found["verdict"] == "no"
    assert "one repeat says nothing about noise" in found["reasons"][0]


def test_an_archive_has_the_figures_that_the_library_reads_from_the_same_records() -> None:
    lines = records(tok_s=80.0, ttft_ms=120.0, tpot_ms=11.0)

    found = figures_of_archive(io.BytesIO(archive(lines)))
    library = figures_of_library(records_of(line.decode() for line in lines), goodput=None)

    assert found["output_tok_s"] == pytest.approx(80.0) == pytest.approx(library.output_tok_s)
    assert library.ttft_ms is not None
    assert found["ttft_ms"] == pytest.approx(120.0) == pytest.approx(library.ttft_ms.mean)
    assert found["tpot_ms"] == pytest.approx(11.0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (archive(records(tok_s=80, ttft_ms=1))[:-200], "output.tar.gz cannot be read"),
        (b"not gzip", "output.tar.gz cannot be read"),
        (archive([]), "none of 0 requests was answered"),
        (archive(records(tok_s=80, ttft_ms=1, failed=20)), "none of 20 requests was answered"),
        (archive(records(tok_s=80, ttft_ms=1, failed=3)), "3 of 20 requests failed"),
        (archive(records(tok_s=80, ttft_ms=0)), "no time to the first token"),
    ],
)
def test_an_archive_without_usable_figures_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(FiguresError, match=reason):
        figures_of_archive(io.BytesIO(body))


def test_lines_that_are_no_record_are_passed_over() -> None:
    found = figures_of([*records(tok_s=50, ttft_ms=10), b"{\n", b"1\n", b'{"metadata": 5}\n'])

    assert found["requests"] == 20
