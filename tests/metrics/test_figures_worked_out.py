"""What the queries of figures come to, worked out by Prometheus itself over series of known values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cdk_sglang.metrics import figures
from cdk_sglang.metrics.figures import Figure, PricedType
from cdk_sglang.metrics.promql import Place, either, mean, observations, quantile
from tests.metrics.conftest import with_plain_labels

CHAT = Place(endpoint="chat")
LLAMA = Place(endpoint="chat", component="chat-llama")
TYPES = [PricedType(instance="ml.g6e.12xlarge", usd_per_hour=12, gpus=4, gpus_per_copy=2)]
POOL = [*TYPES, PricedType(instance="ml.p5.48xlarge", usd_per_hour=80, gpus=8, gpus_per_copy=1)]
PLAIN = {"host": "_resource_host_id", "type": "_resource_host_type", "container": "aws_sagemaker_container_id"}


def _series(name: str, values: str, **labels: str) -> dict[str, str]:
    """Return a series of the component, each minute, as promtool's input; labels' dots are underscores."""
    places = {"aws_sagemaker_endpoint_name": "chat", "aws_sagemaker_inference_component_name": "chat-llama"}
    matchers = ",".join(f'{PLAIN.get(key, key)}="{value}"' for key, value in {**places, **labels}.items())
    return {"series": f"{name}{{{matchers}}}", "values": values}


def _histogram(name: str, counts: dict[str, int], *, total: float = 0) -> list[dict[str, str]]:
    """Return a histogram whose counts grow each minute by `counts` (cumulative, by bound)."""
    return [
        *(_series(f"{name}_bucket", f"0+{count}x60", le=bound) for bound, count in counts.items()),
        _series(f"{name}_count", f"0+{max(counts.values())}x60"),
        _series(f"{name}_sum", f"0+{total}x60"),
    ]


def _hosts(**types: str) -> list[dict[str, str]]:
    """Return the use of four GPUs on each host, by the host's name and type."""
    return [
        _series("DCGM_FI_DEV_GPU_UTIL", "0x60" if gpu < 1 else "50x60", host=host, type=kind, gpu=str(gpu))
        for host, kind in types.items()
        for gpu in range(4)
    ]


COPY = {"container": "c1", "host": "i-1"}
CASES: list[tuple[str, Figure | str, list[dict[str, str]], float | None]] = [
    (
        "tokens per GPU: 1200 a minute by two copies of two GPUs",
        figures.tokens_per_second_per_gpu(LLAMA, gpus_per_copy=2),
        [
            _series("sglang:generation_tokens_total", "0+600x60", **COPY),
            _series("sglang:generation_tokens_total", "0+600x60", container="c2", host="i-1"),
            _series("sglang:num_running_reqs", "3x60", **COPY),
            _series("sglang:num_running_reqs", "3x60", container="c2", host="i-1"),
        ],
        5,
    ),
    (
        "tokens per copy: 1200 a minute by two copies",
        figures.output_tokens_per_copy(LLAMA),
        [
            _series("sglang:generation_tokens_total", "0+600x60", **COPY),
            _series("sglang:generation_tokens_total", "0+600x60", container="c2", host="i-1"),
            _series("sglang:num_running_reqs", "3x60", **COPY),
            _series("sglang:num_running_reqs", "3x60", container="c2", host="i-1"),
        ],
        10,
    ),
    (
        "a mean of half a second",
        figures.mean_latency(LLAMA, key="time_to_first_token", title="Time to the first token"),
        _histogram("sglang:time_to_first_token_seconds", {"1.0": 8, "+Inf": 10}, total=5),
        0.5,
    ),
    (
        "the fullest copy's share of the plan",
        figures.kv_share_used(LLAMA, plan_tokens_per_copy=1000),
        [
            _series("sglang_num_used_tokens", "300x60", **COPY),
            _series("sglang_num_used_tokens", "800x60", container="c2", host="i-1"),
        ],
        0.8,
    ),
    (
        "the engine's share where CloudWatch has no token count",
        figures.kv_share_used(LLAMA, plan_tokens_per_copy=1000),
        [_series("KVCacheUtilization", "0.7x60", **COPY)],
        0.7,
    ),
    (
        "two spellings at once are not added",
        figures.queue_length(LLAMA),
        [_series("sglang:num_queue_reqs", "4x60", **COPY), _series("QueueDepth", "4x60", **COPY)],
        4,
    ),
    (
        "cached over prompt tokens",
        figures.cache_hit_rate(LLAMA),
        [
            _series("sglang:cached_tokens_total", "0+30x60", cache_source="device", **COPY),
            _series("sglang:prompt_tokens_total", "0+100x60", **COPY),
        ],
        0.3,
    ),
    ("no copy at all", figures.copies_missing(LLAMA, min_copies=2), [_series("other", "1x60")], 2),
    (
        "one of two copies",
        figures.copies_missing(LLAMA, min_copies=2),
        [_series("sglang:num_running_reqs", "0x60", **COPY)],
        1,
    ),
    (
        "instances of two types at their prices",
        figures.usd_per_hour(CHAT, types=POOL),
        _hosts(a="ml.g6e.12xlarge", b="g6e.12xlarge", c="ml.p5.48xlarge"),
        2 * 12 + 80,
    ),
    (
        "a type that has no instance now",
        figures.usd_per_hour(CHAT, types=POOL),
        _hosts(a="ml.g6e.12xlarge"),
        12,
    ),
    (
        "GPUs of copies on two types",
        figures.component_usd_per_hour(LLAMA, types=POOL),
        [
            _series("sglang:num_running_reqs", "0x60", container="c1", host="a", type="ml.g6e.12xlarge"),
            _series("sglang:num_running_reqs", "0x60", container="c2", host="c", type="ml.p5.48xlarge"),
        ],
        6 + 10,
    ),
    (
        "36,000 tokens an hour for 12 dollars",
        figures.usd_per_million_tokens(CHAT, types=TYPES),
        [*_hosts(a="ml.g6e.12xlarge"), _series("sglang:generation_tokens_total", "0+600x60", **COPY)],
        12 / 0.036,
    ),
    (
        "no price of half a token per second",
        figures.usd_per_million_tokens(CHAT, types=TYPES),
        [*_hosts(a="ml.g6e.12xlarge"), _series("sglang:generation_tokens_total", "0+30x60", **COPY)],
        None,
    ),
    ("one of four GPUs for an hour", figures.idle_gpu_hours(CHAT), _hosts(a="ml.g6e.12xlarge"), 1),
    (
        "one answer in ten is a 503, and probes do not count",
        figures.error_ratio(LLAMA),
        [
            _series("sglang:http_responses_total", "0+9x60", endpoint="/invocations", status_code="200"),
            _series("sglang:http_responses_total", "0+1x60", endpoint="/invocations", status_code="503"),
            _series("sglang:http_responses_total", "0+90x60", endpoint="/ping", status_code="503"),
        ],
        0.1,
    ),
    (
        "no failure is a ratio of zero",
        figures.burn_rate(LLAMA, objective=0.999, window="5m"),
        [_series("sglang:http_responses_total", "0+9x60", endpoint="/v1/chat/completions", status_code="200")],
        0,
    ),
    (
        "a burn rate of 100: one in ten of a budget of one in a thousand",
        figures.burn_rate(LLAMA, objective=0.999, window="5m"),
        [
            _series("sglang:http_responses_total", "0+9x60", endpoint="/invocations", status_code="200"),
            _series("sglang:http_responses_total", "0+1x60", endpoint="/invocations", status_code="500"),
        ],
        100,
    ),
    (
        "no traffic has no error ratio",
        figures.error_ratio(LLAMA),
        [_series("sglang:http_responses_total", "9x60", endpoint="/invocations", status_code="200")],
        None,
    ),
    (
        "goodput subtracts the slow of both objectives",
        figures.goodput(LLAMA, ttft_seconds=2, tpot_seconds=0.05),
        [
            *_histogram("sglang:time_to_first_token_seconds", {"1.0": 5, "2.0": 9, "+Inf": 10}),
            *_histogram("sglang:request_time_per_output_token_seconds", {"0.04": 8, "0.06": 10, "+Inf": 10}),
        ],
        0.7,
    ),
    (
        "buckets whose bounds are written without a point",
        figures.slow_share(LLAMA, key="time_to_first_token", bound_seconds=2),
        _histogram("sglang_time_to_first_token_seconds", {"1": 5, "2": 9, "+Inf": 10}),
        0.1,
    ),
    (
        "the mean time in the queue",
        mean("queue_time", LLAMA),
        _histogram("sglang:queue_time_seconds", {"1.0": 10, "+Inf": 10}, total=5),
        0.5,
    ),
    (
        "a quantile within its bucket",
        quantile(0.5, "queue_time", LLAMA),
        _histogram("sglang:queue_time_seconds", {"1.0": 0, "2.0": 10, "+Inf": 10}),
        1.5,
    ),
    (
        "a scaling operation a minute",
        observations("scaling_duration", LLAMA, window="30m"),
        _histogram("e2e_duration", {"60": 1, "+Inf": 1}),
        30,
    ),
    (
        "a start-up phase published as a gauge",
        figures.startup_phases(LLAMA)[0],
        [_series("model_download_time", "42x60")],
        42,
    ),
    ("the first of two queries that has data", either(["sum(nothing)", "sum(other)"]), [_series("other", "7x60")], 7),
]


@pytest.fixture
def worked_out(promtool: Callable[..., str]) -> Callable[[list[dict[str, str]], str, float | None], str]:
    """Let promtool work a query out after half an hour (an hour for idle GPUs), and compare."""

    def run(series: list[dict[str, str]], query: str, value: float | None) -> str:
        samples = [] if value is None else [{"labels": "{}", "value": value}]
        # promtool compares floats exactly, so a hundred-millionth is what is looked at
        expression = f"round({with_plain_labels(query)}, 0.00000001)"
        test: dict[str, Any] = {
            "interval": "1m",
            "input_series": series,
            "promql_expr_test": [{"expr": expression, "eval_time": "60m", "exp_samples": samples}],
        }
        return promtool("test", "rules", test={"rule_files": [], "evaluation_interval": "1m", "tests": [test]})

    return run


@pytest.mark.parametrize(("what", "figure", "series", "value"), CASES, ids=[case[0] for case in CASES])
def test_a_query_comes_to(
    worked_out: Callable[..., str], what: str, figure: Figure | str, series: list[dict[str, str]], value: float | None
) -> None:
    query = figure if isinstance(figure, str) else figure.query
    assert query is not None, what
    rounded = None if value is None else round(value, 8)
    worked_out(series, query, rounded)


def test_a_wrong_value_fails(worked_out: Callable[..., str]) -> None:
    with pytest.raises(AssertionError, match="FAILED"):
        worked_out([_series("other", "7x60")], "sum(other)", 8)
