"""The image's SGLang and the options of a component are one decision: what the release lacks is refused before any resource exists."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr

from cdk_sglang import (
    ConfigurationError,
    InferenceComponent,
    InferenceEndpoint,
    ServingImage,
    SglangDlc,
    SglangOptions,
)

MakeEndpoint = Callable[..., InferenceEndpoint]
MakeComponent = Callable[..., InferenceComponent]


def own_image(stack: cdk.Stack, release: str) -> ServingImage:
    repository = ecr.Repository.from_repository_name(stack, "Images", "images")
    return ServingImage.from_repository(repository, digest=f"sha256:{'a' * 64}", cuda="13.0", sglang_version=release)


def test_the_tag_of_the_aws_container_decides_what_can_be_asked(
    any_endpoint: MakeEndpoint, any_component: MakeComponent
) -> None:
    server = SglangOptions(schedule_policy="hrrn")
    older = any_endpoint("Older", image=ServingImage.from_dlc(SglangDlc.V0_5_19_UBUNTU))
    with pytest.raises(ConfigurationError) as refused:
        any_component("chat", endpoint=older, server=server)
    assert refused.value.problems == (
        (
            "chat.server.schedule_policy: the image has SGLang 0.5.19, which does not take hrrn; choose from lpm, random, fcfs, "
            "dfs-weight, lof, priority, routing-key or use an image with SGLang 0.5.20 or newer, such as the one that "
            "cdk-sglang builds (image.build)"
        ),
    )
    newer = any_endpoint("Newer", image=ServingImage.from_dlc(SglangDlc.V0_5_20_UBUNTU))
    chat = any_component("chat", endpoint=newer, server=server)
    assert chat.environment["SM_SGLANG_SCHEDULE_POLICY"] == "hrrn"


def test_an_image_of_ones_own_is_held_against_its_release_too(
    any_endpoint: MakeEndpoint, any_component: MakeComponent, stack: cdk.Stack
) -> None:
    endpoint = any_endpoint(image=own_image(stack, "0.5.20"))
    server = SglangOptions(extra={"torchao_config": "int4wo-128", "enable_shared_experts_attn_tp": True})
    with pytest.raises(ConfigurationError) as refused:
        any_component("chat", endpoint=endpoint, server=server)
    assert refused.value.problems == (
        (
            "chat.server.extra.torchao_config: the image has SGLang 0.5.20, which has no --torchao-config, got int4wo-128; "
            "leave it out or use an image with SGLang 0.5.17"
        ),
    )


@pytest.mark.parametrize(
    ("release", "spelled"),
    [
        ("0.5.21", {"SM_SGLANG_DP_SIZE": "4", "SM_SGLANG_ENABLE_DP_ATTENTION": "true"}),
        ("0.5.22", {"SM_SGLANG_ATTN_DP_SIZE": "4"}),
    ],
)
def test_an_option_has_the_spelling_of_the_images_release(
    any_endpoint: MakeEndpoint,
    any_component: MakeComponent,
    stack: cdk.Stack,
    release: str,
    spelled: dict[str, str],
) -> None:
    endpoint = any_endpoint(image=own_image(stack, release))
    chat = any_component("chat", endpoint=endpoint, server=SglangOptions(tp_size=4, attn_dp_size=4))
    rendered = {name: value for name, value in chat.environment.items() if "DP" in name}
    assert rendered == spelled


def test_a_rule_is_that_of_the_images_release(
    any_endpoint: MakeEndpoint, any_component: MakeComponent, stack: cdk.Stack
) -> None:
    server = SglangOptions.model_validate(
        {"speculative": {"algorithm": "NEXTN"}, "extra": {"enable_mixed_chunk": True}, "context_length": 4096}
    )
    older = any_endpoint("Older", image=ServingImage.from_dlc(SglangDlc.V0_5_18_UBUNTU))
    with pytest.raises(ConfigurationError, match="enable_mixed_chunk: NEXTN switches it off again; leave it out"):
        any_component("chat", endpoint=older, server=server)
    any_component("chat", endpoint=any_endpoint("Newer", image=own_image(stack, "0.5.23")), server=server)
