from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cdk_sglang.engine import SglangOptions

OURS = "use the image of cdk-sglang (ServingImage.from_build)"
OLD = "the AWS container has SGLang 0.5.17"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"lora": {"max_rank": 8, "target_modules": ["q_proj", "v_proj"]}},
            f"lora.target_modules: the AWS container hands over one value per flag, got 2; {OURS}",
        ),
        (
            {"hicache": {"host_memory_fraction": 0.5}},
            f"hicache.host_memory_fraction: {OLD}, which has no --hicache-host-memory-fraction; leave it out or {OURS}",
        ),
        (
            {"reasoning_parser": "iquest_q1"},
            f"reasoning_parser: {OLD}, which does not take iquest_q1; choose another value or {OURS}",
        ),
        (
            {"tracing": {"otlp_endpoint": "c:4317", "service_name": "chat"}},
            f"tracing.service_name: {OLD}, which has no --otlp-service-name; leave it out or {OURS}",
        ),
        (
            {"extra": {"lora_strict_loading": True, "enable_paged_experts": True}},
            f"extra.enable_paged_experts: {OLD}, which has no --enable-paged-experts; leave it out or {OURS}",
        ),
        (
            {"extra": {"preferred_sampling_params": '{"stop": "a --port b"}'}},
            f"extra.preferred_sampling_params: the AWS container would take this text for a flag of its own; {OURS}",
        ),
    ],
)
def test_the_aws_container_cannot_do_everything(options: dict[str, Any], line: str) -> None:
    asked = SglangOptions.model_validate(options)
    assert asked.problems_for("dlc", "server") == [f"server.{line}"]
    assert asked.problems_for("cdk-sglang", "server") == []


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
