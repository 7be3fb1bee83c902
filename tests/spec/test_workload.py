"""Workloads of benchmarks, as an environment file and as Python state them."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from cdk_sglang import ConfigurationError, Dataset, Goodput, SharedPrefix, Turns, Workload
from cdk_sglang.environments.settings import Environment

FINE: dict[str, Any] = {
    "account": "123456789012",
    "region": "us-east-1",
    "network": {"vpc": "none"},
    "endpoints": {
        "chat": {
            "capacity": {"type": "ml.g6e.2xlarge", "max_instances": 1},
            "components": {"qwen": {"model": {"prefix": "weights/qwen/"}, "server": {"context_length": 4096}}},
        }
    },
}


def problems(**values: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        Workload(**values)
    return list(error.value.problems)


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        (
            {"concurrency": (1,), "request_rate": (1.0,)},
            ["workload.request_rate: replaces concurrency; give only one of them"],
        ),
        ({"requests": 9, "seconds": 9}, ["workload.seconds: replaces requests; give only one of them"]),
        (
            {"arrival": "constant", "max_in_flight": 4},
            [
                "workload.arrival: goes with request_rate; give request_rate, or leave it out",
                "workload.max_in_flight: goes with request_rate; give request_rate, or leave it out",
            ],
        ),
        (
            {"concurrency": (1, 64), "requests": 32},
            [
                "workload.requests: 32 never has 64 in flight; use 64 or more, or lower the last step of concurrency",
            ],
        ),
        (
            {"concurrency": (4, 1, 4)},
            [
                "workload.concurrency: [4, 1, 4] is not in ascending order; list each step once, from lowest to highest",
            ],
        ),
        ({"concurrency": ()}, ["workload.concurrency: takes 1 to 20 steps, got 0; change the list"]),
        ({"concurrency": (0,)}, ["workload.concurrency.0: 0 is not allowed; use a value >= 1"]),
        (
            {"input_tokens": 100, "input_tokens_stddev": 101},
            ["workload.input_tokens_stddev: 101 is more than the mean, 100; use at most the mean"],
        ),
        (
            {"input_tokens": 100, "shared_prefix": SharedPrefix(tokens=100)},
            [
                "workload.shared_prefix.tokens: 100 leaves none of the 100 input_tokens for the request itself; use fewer",
            ],
        ),
        (
            {"input_tokens": 5, "turns": Turns(mean=2), "dataset": Dataset(file="own.jsonl")},
            [
                "workload.input_tokens: the dataset has the prompts; leave it out, or leave dataset out",
                "workload.turns: the dataset has the prompts; leave it out, or leave dataset out",
            ],
        ),
        ({"max_usd": 0}, ["workload.max_usd: 0 is not allowed; use a value > 0"]),
        ({"component": "qwen"}, ["workload.component: 'qwen' is not allowed; use <endpoint>/<component>, such as chat/llama"]),
        ({"cuncurrency": (1,)}, ["workload.cuncurrency: unknown key; did you mean 'concurrency'"]),
    ],
)  # fmt: skip
def test_a_wrong_workload_is_refused_with_its_place(values: dict[str, Any], lines: list[str]) -> None:
    assert problems(**values) == lines


@pytest.mark.parametrize(
    "uri", ["s3://bucket-1/folder/", "https://bucket-1/file", "s3://bucket-1/a//b.jsonl", "s3://B/x"]
)
def test_a_dataset_in_s3_is_one_object(uri: str) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset\.s3"):
        Dataset(s3=uri)


def test_a_dataset_is_in_one_place_and_goodput_bounds_something() -> None:
    with pytest.raises(ConfigurationError, match="exactly one of file and s3"):
        Dataset(file="a.jsonl", s3="s3://bucket-1/a.jsonl")
    with pytest.raises(ConfigurationError, match="bounds nothing"):
        Goodput()


def environment(**workloads: Any) -> Environment:
    return Environment.model_validate({**FINE, "bench": workloads})


def refused(**workloads: Any) -> str:
    with pytest.raises(pydantic.ValidationError) as caught:
        environment(**workloads)
    return str(caught.value)


def test_an_environment_names_its_workloads() -> None:
    bench = environment(ladder={"concurrency": [1, 4], "goodput": {"ttft_ms": 500}}).bench
    assert bench["ladder"] == Workload(concurrency=(1, 4), goodput=Goodput(ttft_ms=500))


def test_a_workload_is_held_against_its_component() -> None:
    assert "bench.steady.component: unknown component 'chat/qwn'; did you mean 'chat/qwen'" in refused(
        steady={"component": "chat/qwn"}
    )
    assert (
        "bench.long.input_tokens: 4000 and 256 output_tokens are more than the component's context_length, 4096"
        in refused(long={"input_tokens": 4000})
    )
    assert "in each of 4 turns" in refused(talk={"turns": {"mean": 4}})


def test_a_workload_names_its_component_where_there_are_several() -> None:
    content = {**FINE, "bench": {"steady": {}}}
    chat = FINE["endpoints"]["chat"]
    content["endpoints"] = {"chat": chat, "more": chat}
    with pytest.raises(pydantic.ValidationError, match=r"bench\.steady\.component: missing; the environment has 2"):
        Environment.model_validate(content)
