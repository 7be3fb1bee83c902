"""PromQL as text: every spelling, quoted labels, classic and native histograms."""

from __future__ import annotations

import pytest

from cdk_sglang.metrics import promql
from cdk_sglang.metrics.promql import EVERYWHERE, Place

LLAMA = Place(endpoint="chat", component="chat-llama")
WHERE = '"aws.sagemaker.endpoint.name"="chat","aws.sagemaker.inference_component.name"="chat-llama"'


def test_every_spelling_of_a_name_is_accepted_and_the_engines_own_comes_first() -> None:
    assert promql.gauge("queued_requests", LLAMA) == " or ".join(
        f"(sum ({name}{{{WHERE}}}))" for name in ("sglang:num_queue_reqs", "sglang_num_queue_reqs", "QueueDepth")
    )


def test_a_label_with_dots_is_quoted_and_a_plain_one_is_not() -> None:
    query = promql.gauge("gpu_utilization", EVERYWHERE, aggregate="max", labels=("@resource.host.id", "gpu"))
    assert query == '(max by ("@resource.host.id", gpu) (DCGM_FI_DEV_GPU_UTIL{}))'


def test_a_value_is_escaped() -> None:
    assert Place(endpoint='a"b\\c').matchers == r'"aws.sagemaker.endpoint.name"="a\"b\\c"'


def test_a_place_may_be_narrowed_by_values_and_patterns() -> None:
    place = Place(endpoint="chat").where(labels={"gpu": "0"}, patterns={"status_code": "5.."})
    assert place.matchers == '"aws.sagemaker.endpoint.name"="chat",gpu="0",status_code=~"5.."'
    assert Place(endpoint="chat").matchers == '"aws.sagemaker.endpoint.name"="chat"'


def test_a_function_over_a_range_comes_before_the_aggregation() -> None:
    query = promql.gauge("gpu_temperature", EVERYWHERE, aggregate="max", over="avg_over_time[5m]")
    assert query == "(max (avg_over_time(DCGM_FI_DEV_GPU_TEMP{}[5m])))"


def test_counters_are_rates_before_they_are_summed() -> None:
    assert promql.rate("ice_count", EVERYWHERE, window="15m") == "(sum (rate(ice_count{}[15m])))"
    assert promql.increase("ice_count", EVERYWHERE, window="1h") == "(sum (increase(ice_count{}[1h])))"


def test_a_quantile_reads_buckets_as_series_and_native_histograms() -> None:
    query = promql.quantile(0.5, "gpu_load_time", EVERYWHERE, labels=("gpu",))
    assert query == (
        "(histogram_quantile(0.5, sum by (gpu, le) (rate(gpu_load_time_bucket{}[5m]))))"
        " or (histogram_quantile(0.5, sum by (gpu) (rate(gpu_load_time{}[5m]))))"
    )


def test_the_number_of_observations_reads_both() -> None:
    assert promql.observations("gpu_load_time", EVERYWHERE, window="1h") == (
        "(sum (increase(gpu_load_time_count{}[1h]))) or (histogram_count(sum (increase(gpu_load_time{}[1h]))))"
    )


def test_distinct_values_are_counted_once() -> None:
    assert promql.distinct("gpu_utilization", ("@resource.host.id",), EVERYWHERE) == (
        '(count (count by ("@resource.host.id") (DCGM_FI_DEV_GPU_UTIL{})))'
    )


@pytest.mark.parametrize(
    ("bound", "matcher"), [(2, r'le=~"2(\\.0)?"'), (2.0, r'le=~"2(\\.0)?"'), (0.04, 'le="0.04"'), (0.1, 'le="0.1"')]
)
def test_a_bucket_is_found_however_its_bound_is_written(bound: float, matcher: str) -> None:
    assert f"_bucket{{{matcher}}}" in promql.share_above(bound, "time_to_first_token", EVERYWHERE, window="5m")
