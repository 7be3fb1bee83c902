from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cdk_sglang.engine import (
    HicacheOptions,
    LoraOptions,
    SglangOptions,
    SpeculativeOptions,
    TracingOptions,
)
from cdk_sglang.engine.releases import KNOWN_RELEASES

Entry = Callable[[Mapping[str, str]], list[str]]
Parse = Callable[[list[str]], dict[str, object]]


def test_renders_only_metrics_by_default() -> None:
    assert SglangOptions().environment() == {"SM_SGLANG_ENABLE_METRICS": "true"}


def test_renders_groups_with_their_switches(entry: Entry, parse: Parse) -> None:
    options = SglangOptions(
        tp_size=8,
        watchdog_timeout_seconds=600,
        cuda_graph_max_bs=64,
        model_loader_extra_config={"b": 1, "a": True},
        lora=LoraOptions(max_rank=16, target_modules=("q_proj", "v_proj"), max_loaded_loras=32),
        speculative=SpeculativeOptions(
            algorithm="EAGLE3", draft_model_path="/opt/ml/model/draft", num_steps=3, eagle_topk=1, num_draft_tokens=4
        ),
        hicache=HicacheOptions(size_gb=100, storage_backend="file", storage_extra_config={"x": [1]}),
        tracing=TracingOptions(otlp_endpoint="collector.internal:4317", modules=("request", "mooncake")),
    )
    assert options.environment() == {
        "SM_SGLANG_CUDA_GRAPH_MAX_BS_DECODE": "64",
        "SM_SGLANG_ENABLE_HIERARCHICAL_CACHE": "true",
        "SM_SGLANG_ENABLE_LORA": "true",
        "SM_SGLANG_ENABLE_METRICS": "true",
        "SM_SGLANG_ENABLE_TRACE": "true",
        "SM_SGLANG_HICACHE_SIZE": "100",
        "SM_SGLANG_HICACHE_STORAGE_BACKEND": "file",
        "SM_SGLANG_HICACHE_STORAGE_BACKEND_EXTRA_CONFIG": '{"x":[1]}',
        "SM_SGLANG_LORA_TARGET_MODULES": "q_proj v_proj",
        "SM_SGLANG_MAX_LOADED_LORAS": "32",
        "SM_SGLANG_MAX_LORA_RANK": "16",
        "SM_SGLANG_MODEL_LOADER_EXTRA_CONFIG": '{"a":true,"b":1}',
        "SM_SGLANG_OTLP_TRACES_ENDPOINT": "collector.internal:4317",
        "SM_SGLANG_SPECULATIVE_ALGORITHM": "EAGLE3",
        "SM_SGLANG_SPECULATIVE_DRAFT_MODEL_PATH": "/opt/ml/model/draft",
        "SM_SGLANG_SPECULATIVE_EAGLE_TOPK": "1",
        "SM_SGLANG_SPECULATIVE_NUM_DRAFT_TOKENS": "4",
        "SM_SGLANG_SPECULATIVE_NUM_STEPS": "3",
        "SM_SGLANG_TP_SIZE": "8",
        "SM_SGLANG_TRACE_MODULES": "request,mooncake",
        "SM_SGLANG_WATCHDOG_TIMEOUT": "600",
    }
    parsed = parse(entry(options.environment()))
    assert parsed["lora_target_modules"] == ["q_proj", "v_proj"]
    assert parsed["speculative_num_steps"] == 3
    assert parsed["enable_hierarchical_cache"] is True


def test_what_equals_sglangs_default_is_left_out() -> None:
    assert SglangOptions(schedule_policy="fcfs", max_prefill_tokens=16384, enable_metrics=False).environment() == {}


def test_the_environment_does_not_depend_on_the_order_of_extra() -> None:
    one = SglangOptions(extra={"stream_interval": 2, "log_level": "warning"}).environment()
    other = SglangOptions(extra={"log_level": "warning", "stream_interval": 2}).environment()
    assert list(one.items()) == list(other.items())


def test_prompts_are_not_logged_unless_a_level_says_so() -> None:
    assert "SM_SGLANG_LOG_REQUESTS" not in SglangOptions().environment()
    assert SglangOptions(log_requests=True, enable_metrics=False).environment() == {
        "SM_SGLANG_LOG_REQUESTS": "true",
        "SM_SGLANG_LOG_REQUESTS_LEVEL": "1",  # SGLang's own default, 2, logs the start of every prompt
    }
    assert "SM_SGLANG_LOG_REQUESTS_LEVEL" not in SglangOptions(log_requests_level=3).environment()


def test_a_switch_that_can_be_negated_is(entry: Entry, parse: Parse) -> None:
    env = SglangOptions(enable_metrics=False, extra={"dllm_fdfo": False, "lora_strict_loading": True}).environment()
    assert env == {"SM_SGLANG_NO_DLLM_FDFO": "true", "SM_SGLANG_LORA_STRICT_LOADING": "true"}
    parsed = parse(entry(env))
    assert (parsed["dllm_fdfo"], parsed["lora_strict_loading"]) == (False, True)


def test_minus_one_reaches_sglang_as_a_value(dlc_entry: Entry, parse: Parse) -> None:
    assert parse(dlc_entry(SglangOptions(chunked_prefill_size=-1).environment()))["chunked_prefill_size"] == -1


@pytest.mark.parametrize(
    ("image", "groups"),
    [
        ({"sglang_version": "0.5.23"}, {"ATTN_DP_SIZE": "4"}),
        ({"sglang_version": "0.5.22"}, {"ATTN_DP_SIZE": "4"}),
        ({"sglang_version": "0.5.21"}, {"DP_SIZE": "4", "ENABLE_DP_ATTENTION": "true"}),
        ({"sglang_version": "0.5.17"}, {"DP_SIZE": "4", "ENABLE_DP_ATTENTION": "true"}),
        ({"image_kind": "dlc", "sglang_version": "0.5.23"}, {"ATTN_DP_SIZE": "4"}),
        ({"image_kind": "dlc"}, {"DP_SIZE": "4", "ENABLE_DP_ATTENTION": "true"}),
        ({"sglang_version": "nightly"}, {"ATTN_DP_SIZE": "4"}),
    ],
)
def test_attention_groups_have_the_spelling_of_the_images_release(
    image: dict[str, Any], groups: dict[str, str]
) -> None:
    rendered = SglangOptions(tp_size=8, attn_dp_size=4, enable_metrics=False).environment(**image)
    assert rendered == {"SM_SGLANG_TP_SIZE": "8", **{f"SM_SGLANG_{name}": value for name, value in groups.items()}}


def test_an_option_under_a_retired_spelling_is_rendered_under_the_one_of_the_images_release() -> None:
    options = SglangOptions(enable_metrics=False, extra={"nsa_prefill_backend": "fa3", "enable_hicache": False})
    for release in KNOWN_RELEASES:
        assert options.problems("server", sglang_version=release) == [
            "server.extra.enable_hicache: has a field of its own; use server.hicache"
        ]
        assert options.environment(sglang_version=release) == {"SM_SGLANG_DSA_PREFILL_BACKEND": "fa3"}


def test_what_equals_the_default_of_the_images_release_is_left_out() -> None:
    attempts = SglangOptions(enable_metrics=False, extra={"hicache_storage_prefetch_retry_max_attempts": 8})
    assert attempts.environment(sglang_version="0.5.20") == {}
    assert attempts.environment(sglang_version="0.5.19") == {
        "SM_SGLANG_HICACHE_STORAGE_PREFETCH_RETRY_MAX_ATTEMPTS": "8"
    }


def test_a_switch_is_negated_only_where_the_images_release_can() -> None:
    matmul = SglangOptions(enable_metrics=False, extra={"enable_tf32_matmul": False})
    assert matmul.environment(sglang_version="0.5.22") == {}
    assert matmul.environment(sglang_version="0.5.23") == {"SM_SGLANG_NO_ENABLE_TF32_MATMUL": "true"}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            SglangOptions(chat_template="true"),
            "server.chat_template: the container reads 'true' as a switch, not as a value; use another value",
        ),
        (
            SglangOptions(extra={"log_level": ""}),
            "server.extra.log_level: the container reads '' as a switch, not as a value; use another value",
        ),
        (
            SglangOptions(extra={"log_level": "a\nb"}),
            "server.extra.log_level: the container reads one line per variable, got a line break; write it on one line",
        ),
        (
            SglangOptions(chat_template="--port"),
            "server.chat_template: SGLang would read '--port' as a flag of its own; use a value that does not start with '-'",
        ),
        (
            SglangOptions(chat_template="x" * 1025),
            (
                "server.chat_template: 1025 characters, SageMaker takes 1024 per environment variable; put the value in a file "
                "beside the model and give its path where SGLang takes one"
            ),
        ),
        (
            SglangOptions(lora=LoraOptions(), extra={"lora_paths": ["a=/x", "b=/with space"]}),
            (
                "server.extra.lora_paths: several values are separated by spaces, got one with a space in it or empty: "
                "'b=/with space'; write it without"
            ),
        ),
    ],
)
def test_refuses_a_value_that_would_not_arrive(options: SglangOptions, line: str) -> None:
    assert options.problems("server") == [line]
