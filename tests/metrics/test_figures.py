"""Derived figures: every one is queried as Prometheus reads it, over metrics that exist."""

from __future__ import annotations

import datetime as dt
import inspect
import re
from collections.abc import Callable

import pytest

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.metrics import figures
from cdk_sglang.metrics.classic import classic_metric, search
from cdk_sglang.metrics.cloudwatch import ENDPOINTS
from cdk_sglang.metrics.figures import Band, Figure, PricedType
from cdk_sglang.metrics.promql import EVERYWHERE, Place
from tests.metrics.conftest import with_plain_labels

CHAT = Place(endpoint="prod-chat")
LLAMA = Place(endpoint="prod-chat", component="prod-chat-llama")
ONE_TYPE = [PricedType(instance="ml.g6e.12xlarge", usd_per_hour=13, gpus=4, gpus_per_copy=2)]
POOL = [*ONE_TYPE, PricedType(instance="ml.p5.48xlarge", usd_per_hour=80, gpus=8, gpus_per_copy=1)]
FIGURES = [
    figures.output_tokens_per_second(LLAMA, plan_per_copy=(900, 1100), copies=2),
    figures.output_tokens_per_copy(LLAMA, plan_per_copy=(900, 1100)),
    figures.tokens_per_second_per_gpu(LLAMA, gpus_per_copy=2),
    figures.kv_tokens_used(LLAMA, plan_tokens_per_copy=100_000, copies=2),
    figures.kv_share_used(LLAMA),
    figures.kv_share_used(LLAMA, plan_tokens_per_copy=100_000),
    figures.kv_tokens_against_plan(LLAMA, plan_tokens_per_copy=100_000),
    figures.queue_length(LLAMA, planned_concurrency=16),
    figures.queue_age(LLAMA),
    figures.queue_age(LLAMA, share=None),
    figures.retracted_requests(LLAMA),
    figures.cache_hit_rate(LLAMA),
    figures.accept_length(LLAMA, promoted=3.1),
    figures.accept_rate(LLAMA),
    figures.adapters_loaded(LLAMA, places_per_copy=8),
    figures.adapter_places_used(LLAMA),
    figures.copies_running(LLAMA, min_copies=1, max_copies=4),
    figures.copies_missing(LLAMA, min_copies=1),
    figures.instances_running(CHAT, most=3),
    figures.usd_per_hour(CHAT, types=ONE_TYPE, budget=30),
    figures.usd_per_hour(CHAT, types=POOL),
    figures.component_usd_per_hour(LLAMA, types=ONE_TYPE),
    figures.component_usd_per_hour(LLAMA, types=POOL),
    figures.usd_per_million_tokens(CHAT, types=POOL, tokens="all"),
    figures.usd_per_million_tokens(LLAMA, types=POOL, plan=2.5),
    figures.idle_gpu_hours(CHAT),
    *figures.startup_phases(LLAMA),
    figures.scaling_events(CHAT),
    figures.launches_refused(LLAMA),
    figures.copies_moved(CHAT),
    figures.instances_released(CHAT),
    figures.rebalancings_blocked(CHAT),
    figures.reservation_days_left(CHAT, end=dt.datetime(2027, 1, 1, tzinfo=dt.UTC)),
    figures.gpu_utilization(LLAMA),
    figures.gpu_memory_used(CHAT),
    figures.gpu_temperature(CHAT),
    figures.gpu_spread(CHAT),
    figures.error_ratio(LLAMA, no_capacity=True, objective=0.999),
    figures.availability(CHAT, objective=0.999),
    figures.burn_rate(LLAMA, objective=0.999, window="1h"),
    figures.error_budget_left(LLAMA, objective=0.999),
    figures.slow_share(LLAMA, key="time_to_first_token", bound_seconds=2, target=0.95),
    figures.latency_burn_rate(LLAMA, key="time_per_output_token", bound_seconds=0.05, target=0.95, window="6h"),
    figures.goodput(LLAMA, ttft_seconds=1.5, tpot_seconds=0.05),
    figures.mean_latency(
        LLAMA,
        key="time_to_first_token",
        title="Time to the first token",
        plan_seconds=(0.2, 0.4),
        objective_seconds=1,
    ),
    figures.latency(LLAMA, key="time_to_first_token", plan_seconds=(0.2, 0.4), objective_seconds=1),
    figures.latency(LLAMA, key="time_per_output_token"),
]
NO_FIGURE = {
    "copies_query",
    "instances_query",
    "error_ratio_query",
    "error_ratio_classic",
    "copies_short",
    "decisions_made",
}
NO_QUERY = {"copies_counted", "scaling_decisions"}
"""Figures that SageMaker's API alone says: they have metric math, and no PromQL."""


def test_every_figure_is_tried() -> None:
    source = " ".join(inspect.getsource(inspect.getmodule(test_every_figure_is_tried) or figures).split())
    functions = {name for name in figures.__all__ if inspect.isfunction(getattr(figures, name))} - NO_FIGURE - NO_QUERY
    assert {name for name in functions if f"figures.{name}(" not in source} == set()


def test_prometheus_reads_every_query(promtool: Callable[..., str]) -> None:
    rules = [{"record": "figure", "expr": with_plain_labels(figure.query)} for figure in FIGURES if figure.query]
    assert len(rules) == len(FIGURES)
    output = promtool("check", "rules", "--lint=none", rules={"groups": [{"name": "figures", "rules": rules}]})
    assert f"{len(rules)} rules found" in output


def test_a_query_that_prometheus_cannot_read_fails(promtool: Callable[..., str]) -> None:
    with pytest.raises(AssertionError, match="could not parse expression"):
        promtool("check", "rules", rules={"groups": [{"name": "g", "rules": [{"record": "r", "expr": "sum by (a"}]}]})


@pytest.mark.parametrize("figure", FIGURES, ids=[figure.key for figure in FIGURES])
def test_a_figure_is_complete(figure: Figure) -> None:
    assert figure.title[0].isupper()
    assert figure.advice.endswith(".")
    assert "\n" not in figure.advice
    assert figure.query is not None
    assert len(figure.query) <= 10_000
    assert all(band.high is None or band.low <= band.high for band in figure.bands)


@pytest.mark.parametrize("figure", [one for one in FIGURES if one.classic], ids=lambda figure: figure.key)
def test_a_classic_form_reads_published_metrics_by_ids_that_cloudwatch_takes(figure: Figure) -> None:
    assert figure.classic is not None
    words = set(re.findall(r"\b[a-z_]\w*\b", re.sub(r"'[^']*'", "", figure.classic.expression)))
    assert words == set(figure.classic.metrics)
    for metric in figure.classic.metrics.values():
        assert frozenset(metric.dimensions) in metric.metric.dimensions | metric.metric.enhanced
        assert metric.period_seconds == figure.classic.period_seconds <= 86_400


def test_a_whole_fleet_has_no_classic_form() -> None:
    assert figures.availability(EVERYWHERE).classic is None
    assert figures.gpu_utilization(EVERYWHERE).classic is None
    assert figures.availability(EVERYWHERE).query


def test_requests_without_capacity_are_failures_only_where_a_copy_is_promised() -> None:
    names = lambda figure: {metric.metric.name for metric in figure.classic.metrics.values()}
    asleep, awake = (figures.error_ratio(LLAMA, no_capacity=promised) for promised in (False, True))
    assert names(asleep) == {"Invocations", "Invocation5XXErrors", "MidStreamErrors"}
    assert names(awake) == {*names(asleep), "NoCapacityInvocationFailures"}
    assert names(figures.error_ratio(CHAT, no_capacity=True)) == names(asleep)  # AWS publishes it for components alone


def test_a_burn_rate_has_the_period_of_its_window() -> None:
    burn = figures.burn_rate(LLAMA, objective=0.999, window="6h")
    assert burn.classic is not None
    assert {metric.period_seconds for metric in burn.classic.metrics.values()} == {21_600}
    assert burn.classic.expression.endswith(" / 0.001")
    assert burn.query is not None
    assert burn.query.endswith(" / 0.001")


def test_a_window_longer_than_cloudwatchs_longest_period_has_promql_alone() -> None:
    burn = figures.burn_rate(LLAMA, objective=0.999, window="3d")
    assert burn.classic is None
    assert burn.query
    assert figures.burn_rate(LLAMA, objective=0.999, window="1d").classic


def test_a_bound_between_buckets_is_taken_strictly_and_says_so() -> None:
    figure = figures.slow_share(LLAMA, key="time_to_first_token", bound_seconds=1.5)
    assert figure.query is not None
    assert 'le=~"1(\\\\.0)?"' in figure.query
    assert figure.note == "SGLang's histogram has no bucket at 1.5 s: answers above 1 s count as slow."
    assert figure.classic is not None
    assert figure.classic.metrics["within"].statistic == "PR(:1500000)"  # CloudWatch takes any bound


def test_a_bound_below_every_bucket_is_refused_with_the_smallest() -> None:
    with pytest.raises(ConfigurationError, match=r"within 0.05 s .* use at least 0.1 s"):
        figures.goodput(LLAMA, ttft_seconds=0.05)


def test_goodput_needs_an_objective() -> None:
    with pytest.raises(ValueError, match="ttft_seconds or tpot_seconds"):
        figures.goodput(LLAMA)


def test_bands_are_those_of_the_plan() -> None:
    assert FIGURES[0].bands == (Band(label="plan, 2 copies at their load", low=1800, high=2200),)
    assert figures.kv_tokens_used(LLAMA).bands == ()


def test_a_metric_that_is_not_published_at_a_place_is_none_and_no_search_names_it() -> None:
    assert classic_metric("NoCapacityInvocationFailures", CHAT) is None
    with pytest.raises(ValueError, match="is not published with EndpointName"):
        search("GPUUtilization", ENDPOINTS, frozenset({"EndpointName"}), {})
