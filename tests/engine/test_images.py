from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cdk_sglang.engine import SglangOptions
from cdk_sglang.engine.releases import release_of

OURS = "use the image that cdk-sglang builds (image.build)"
OLD = "the image has SGLang 0.5.17"
NEWER = "use an image with SGLang 0.5.21 or newer, such as the one that cdk-sglang builds (image.build)"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"lora": {"max_rank": 8, "target_modules": ["q_proj", "v_proj"]}},
            f"lora.target_modules: the AWS container hands over one value per flag, got 2; {OURS}",
        ),
        (
            {"hicache": {"host_memory_fraction": 0.5}},
            f"hicache.host_memory_fraction: {OLD}, which has no --hicache-host-memory-fraction, got 0.5; leave it out or {NEWER}",
        ),
        (
            {"schedule_policy": "hrrn"},
            (
                f"schedule_policy: {OLD}, which does not take hrrn; choose from lpm, random, fcfs, dfs-weight, lof, priority, routing-key "
                "or use an image with SGLang 0.5.20 or newer, such as the one that cdk-sglang builds (image.build)"
            ),
        ),
        (
            {"tracing": {"otlp_endpoint": "c:4317", "service_name": "chat"}},
            f"tracing.service_name: {OLD}, which has no --otlp-service-name, got chat; leave it out or {NEWER}",
        ),
        (
            {"extra": {"lora_strict_loading": True, "enable_paged_experts": True}},
            (
                f"extra.enable_paged_experts: {OLD}, which has no --enable-paged-experts; leave it out or use an image with SGLang 0.5.23, "
                "such as the one that cdk-sglang builds (image.build)"
            ),
        ),
        (
            {"extra": {"preferred_sampling_params": '{"stop": "a --port b"}'}},
            f"extra.preferred_sampling_params: the AWS container would take this text for a flag of its own; {OURS}",
        ),
    ],
)
def test_the_aws_container_cannot_do_everything(options: dict[str, Any], line: str) -> None:
    server = SglangOptions.model_validate(options)
    assert server.problems_for("dlc", "server") == [f"server.{line}"]
    assert server.problems_for("cdk-sglang", "server") == []


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lora": {"max_rank": 8, "target_modules": ["all"]}},
        {"tp_size": 8, "attn_dp_size": 8},
        {"hicache": {"ratio": 2, "host_memory_mode": "cache"}},
        {"extra": {"enable_paged_experts": False}},
    ],
)
def test_the_aws_container_does_the_usual(options: dict[str, Any]) -> None:
    assert SglangOptions.model_validate(options).problems_for("dlc") == []


def test_what_is_refused_for_the_aws_container_really_breaks_there(
    dlc_entry: Callable[[Mapping[str, str]], list[str]], parse: Callable[[list[str]], dict[str, object]]
) -> None:
    options = SglangOptions.model_validate({"lora": {"max_rank": 8, "target_modules": ["q_proj", "v_proj"]}})
    with pytest.raises(AssertionError, match="invalid choice: 'q_proj v_proj'"):
        parse(dlc_entry(options.environment(image_kind="dlc")))


@pytest.mark.parametrize(
    ("release", "options", "line"),
    [
        (
            "0.5.20",
            {"hicache": {"host_memory_fraction": 0.8}},
            (
                "hicache.host_memory_fraction: the image has SGLang 0.5.20, which has no --hicache-host-memory-fraction "
                "(the nearest it has is --hicache-host-memory-mode), got 0.8; leave it out or use an image with SGLang 0.5.21 or newer"
            ),
        ),
        (
            "0.5.23",
            {"extra": {"keep_mm_feature_on_device": True}},
            (
                "extra.keep_mm_feature_on_device: the image has SGLang 0.5.23, which has no --keep-mm-feature-on-device; leave it out or "
                "use an image with SGLang 0.5.17 to 0.5.20"
            ),
        ),
        (
            "0.5.19",
            {"extra": {"torchao_config": "int4wo-128"}},
            (
                "extra.torchao_config: the image has SGLang 0.5.19, which has no --torchao-config, got int4wo-128; leave it out or "
                "use an image with SGLang 0.5.17"
            ),
        ),
        (
            "0.5.18",
            {"extra": {"deepep_v2_mode": "direct"}},
            (
                "extra.deepep_v2_mode: the image has SGLang 0.5.18, which has no --deepep-v2-mode (the nearest it has is --deepep-mode), "
                "got direct; leave it out or use an image with SGLang 0.5.19 or newer"
            ),
        ),
        (
            "0.5.22",
            {"extra": {"enable_tf32_matmul": False, "decode_attention_backend": "cutlass_mla"}},
            (
                "extra.decode_attention_backend: the image has SGLang 0.5.22, which does not take cutlass_mla; choose from "
                f"{', '.join(map(str, release_of('0.5.22').option('decode_attention_backend').choices))} "
                "or use an image with SGLang 0.5.17 to 0.5.19"
            ),
        ),
        (
            "0.5.16",
            {"load_format": "expert_pack"},
            (
                "load_format: the image has SGLang 0.5.16 (compared with 0.5.17), which does not take expert_pack; choose from "
                f"{', '.join(map(str, release_of('0.5.17').option('load_format').choices))} "
                "or use an image with SGLang 0.5.19 or newer"
            ),
        ),
        ("nightly", {"hicache": {"host_memory_fraction": 0.8}, "attn_dp_size": 2, "tp_size": 2}, None),
        ("0.6.0", {"hicache": {"host_memory_fraction": 0.8}, "schedule_policy": "hrrn"}, None),
        ("0.5.21.post1", {"hicache": {"host_memory_fraction": 0.8}}, None),
        ("0.5.18", {"hicache": {"host_memory_mode": "cache"}, "attn_dp_size": 2, "tp_size": 2}, None),
    ],
)
def test_any_image_has_what_its_release_has(release: str, options: dict[str, Any], line: str | None) -> None:
    found = SglangOptions.model_validate(options).problems_for("cdk-sglang", "server", sglang_version=release)
    assert found == ([] if line is None else [f"server.{line}"])


def test_a_value_that_no_release_takes_is_told_once() -> None:
    options = SglangOptions(extra={"radix_eviction_policy": "lru2"})
    assert options.problems_for("dlc") == []
    assert options.problems("server", sglang_version="0.5.17") == [
        "server.extra.radix_eviction_policy: does not take 'lru2'; did you mean 'lru'"
    ]


def test_an_unknown_option_is_compared_with_those_of_the_images_release() -> None:
    options = SglangOptions(extra={"torchao_confg": "int4wo-128"})
    assert options.problems("server", sglang_version="0.5.17") == [
        "server.extra.torchao_confg: SGLang 0.5.17 has no such option; did you mean 'torchao_config'"
    ]
