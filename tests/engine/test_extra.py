from __future__ import annotations

import pytest

from cdk_sglang.engine import SglangOptions
from cdk_sglang.engine.extra import FORBIDDEN
from cdk_sglang.engine.flags import flag_of
from cdk_sglang.engine.model_base import typed_dests

PATH = "endpoints.chat.components.llama.server"


def _problems(**extra: object) -> list[str]:
    return SglangOptions.model_validate({"extra": extra}).problems(PATH)


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ({"stream_intervall": 2}, "stream_intervall: SGLang 0.5.23 has no such option; did you mean 'stream_interval'"),
        ({"--stream-interval": 2}, "--stream-interval: write it without dashes in front: extra.stream-interval"),
        ({"tp_size": 2}, f"tp_size: has a field of its own; use {PATH}.tp_size"),
        ({"tensor-parallel-size": 2}, f"tensor-parallel-size: has a field of its own; use {PATH}.tp_size"),
        ({"enable_lora": True}, f"enable_lora: has a field of its own; use {PATH}.lora"),
        ({"max_lora_rank": 8}, f"max_lora_rank: has a field of its own; use {PATH}.lora.max_rank"),
        (
            {"hicache_storage_backend": "file"},
            f"hicache_storage_backend: has a field of its own; use {PATH}.hicache.storage_backend",
        ),
        (
            {"api-key": "x"},
            (
                "api-key: cannot be set: SageMaker's health check carries no key, so the endpoint would never become healthy; "
                "leave it out, IAM guards the endpoint"
            ),
        ),
        ({"port": 80}, "port: cannot be set: SageMaker calls port 8080, where the container listens; leave it out"),
        ({"nnodes": 2}, "nnodes: cannot be set: one copy runs on one instance; use dp_size or more copies"),
        ({"enable_dp_attention": True}, "enable_dp_attention: cannot be set: SGLang has retired it; use attn_dp_size"),
        ({"no_dllm_fdfo": True}, "no_dllm_fdfo: write extra.dllm_fdfo: false"),
        ({"stream_interval": "two"}, "stream_interval: takes a whole number, got 'two'"),
        ({"stream_interval": True}, "stream_interval: takes a whole number, got True"),
        ({"stream_interval": [1, 2]}, "stream_interval: takes one whole number, got a list of 2"),
        ({"schedule_conservativeness": "x"}, "schedule_conservativeness: takes a number, got 'x'"),
        ({"enable_torch_compile": "yes"}, "enable_torch_compile: is a switch, got 'yes'; write true or leave it out"),
        ({"radix_eviction_policy": "lru2"}, "radix_eviction_policy: does not take 'lru2'; did you mean 'lru'"),
        ({"max_lora_chunk_size": 17}, "max_lora_chunk_size: does not take 17; allowed: 16, 32, 64, 128"),
        ({"gc_threshold": [700, "x"]}, "gc_threshold: takes a whole number, got 'x'"),
        ({"gc_threshold": []}, "gc_threshold: got an empty list; name at least one value or leave it out"),
        (
            {"preferred_sampling_params": "{"},
            "preferred_sampling_params: takes JSON text, got '{' (Expecting property name enclosed in double quotes at character 1)",
        ),
        ({"forward_hooks": "{}"}, "forward_hooks: takes a JSON list, got '{}'"),
        (
            {"stream_interval": 2, "stream-interval": 3},
            "stream-interval: is the same option as extra.stream_interval; keep one",
        ),
    ],
)
def test_refuses_an_option_sglang_would_not_take(extra: dict[str, object], problem: str) -> None:
    assert _problems(**extra) == [f"{PATH}.extra.{problem}"]


def test_takes_any_other_option_in_any_spelling() -> None:
    extra = {
        "stream-interval": 2,
        "schedule_conservativeness": 1,
        "gc_threshold": [700, 10],
        "enable_torch_compile": True,
        "disable_custom_all_reduce": False,
        "preferred_sampling_params": '{"temperature": 0.6}',
        "cuda_graph_prefill_max_context": 8192,
    }
    assert _problems(**extra) == []


def test_forbidden_options_exist_and_have_no_field() -> None:
    typed = typed_dests(SglangOptions)
    for dest, why in FORBIDDEN.items():
        assert flag_of(dest).dest == dest
        assert dest not in typed
        assert why
