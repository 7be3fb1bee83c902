"""Events of a counter, the first of a series included, worked out by Prometheus itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cdk_sglang.metrics.first_events import counted_events
from cdk_sglang.metrics.promql import EVERYWHERE, Place, events, mean_of_events, rate_or_zero
from tests.metrics.conftest import with_plain_labels

NAME = "ice_count"
CASES: dict[str, tuple[dict[str, str], int, float | None]] = {
    # series, the minute that is looked at, the events of the 15 minutes before
    "appears at 1": ({NAME: "_x19 1x20"}, 30, 1),
    "appeared at 1 with its only sample": ({NAME: "_x30 1"}, 30, 1),
    "appeared at 1, longer ago than the window": ({NAME: "_x9 1x40"}, 40, 0),
    "appears at 60": ({NAME: "_x19 60x20"}, 30, 60),
    "steady": ({NAME: "4x60"}, 40, 0),
    "grows by 1": ({NAME: "4x39 5x20"}, 45, 1),
    "begins anew within the window": ({NAME: "5x39 1x20"}, 45, 1),
    "begins anew with as many, its zero seen": ({NAME: "2x39 0x2 2x20"}, 45, 2),
    "begins anew while nobody looks, before the window": ({NAME: "5x9 _x30 1x20"}, 45, 1),
    "comes back after a gap as it was": ({NAME: "4x9 _x30 4x20"}, 45, 0),
    "comes back after a gap with one more": ({NAME: "4x9 _x30 5x20"}, 45, 1),
    "comes back after a night as it was": ({NAME: "4x9 _x600 4x20"}, 620, 0),
    "two copies, of which one appears": ({f'{NAME}{{c="1"}}': "3x60", f'{NAME}{{c="2"}}': "_x39 2x20"}, 45, 2),
    "absent": ({"other": "1x60"}, 40, None),
    "over": ({NAME: "_x4 1x9 _x60"}, 60, None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_event_counts(promtool: Callable[..., str], name: str) -> None:
    series, minute, number = CASES[name]
    _works_out(promtool, events(NAME, EVERYWHERE, window="15m", resets=True), series, minute, number)
    if "its zero seen" not in name:
        _works_out(promtool, events(NAME, EVERYWHERE, window="15m"), series, minute, number)


def _works_out(
    promtool: Callable[..., str], query: str, series: dict[str, str], minute: int, number: float | None
) -> None:
    # `increase` is extrapolated to the ends of its window, so that it is rarely whole
    test = {
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"round({with_plain_labels(query)})",
                "eval_time": f"{minute}m",
                "exp_samples": [] if number is None else [{"labels": "{}", "value": number}],
            }
        ],
    }
    promtool("test", "rules", test={"rule_files": [], "evaluation_interval": "1m", "tests": [test]})


def test_the_first_observations_of_a_histogram_count(promtool: Callable[..., str]) -> None:
    query = events("scaling_duration", EVERYWHERE, window="15m")
    _works_out(promtool, query, {"e2e_duration_count": "_x39 2x20"}, 45, 2)


def test_the_first_retraction_is_no_zero(promtool: Callable[..., str]) -> None:
    query = f"300 * ({rate_or_zero('retracted_requests', Place(), window='5m')})"
    running = {"sglang:num_running_reqs": "3x60"}
    _works_out(promtool, query, {**running, "sglang:num_retracted_requests_total": "_x39 7x20"}, 41, 7)
    _works_out(promtool, query, running, 41, 0)


def test_a_query_reads_back_a_day_at_most() -> None:
    assert "[720m] offset 1h" in counted_events("x", "1h")
    assert "[240m] offset 20h" in counted_events("x", "20h")
    assert counted_events("x", "1d") == "increase(x[1d])"
    assert counted_events("x", "30d") == "increase(x[30d])"


def test_the_mean_start_up_of_a_window_has_the_first_start_in_it(promtool: Callable[..., str]) -> None:
    query = mean_of_events("model_download_time", EVERYWHERE, window="1h")
    first = {"model_download_time_sum": "_x9 40x20", "model_download_time_count": "_x9 1x20"}
    _works_out(promtool, query, first, 20, 40)
    another = {"model_download_time_sum": "40x59 100x20", "model_download_time_count": "1x59 2x20"}
    _works_out(promtool, query, another, 65, 60)
    _works_out(
        promtool, query, another | {"model_download_time_sum": "40x99", "model_download_time_count": "1x99"}, 90, None
    )
