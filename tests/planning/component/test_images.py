"""Images in the planned load: tokens of the prompt, the encoder's work, and what cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cdk_sglang.engine import SglangOptions
from cdk_sglang.environments.planning import resolve_fleet
from cdk_sglang.environments.reading import parse
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import ModelFacts, catalogue
from cdk_sglang.planning import EndpointRequest, FleetPlan, FleetRequest, plan_fleet
from cdk_sglang.planning.component.context import context_problems
from cdk_sglang.planning.component.images import image_problems, images_of, takes_images
from cdk_sglang.planning.component.request import component_request
from cdk_sglang.planning.component.task import task_of
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.load import Load

SEES, TEXT = catalogue("Qwen/Qwen3-VL-8B-Instruct"), catalogue("Qwen/Qwen3-8B")
GEMMA, UNKNOWN = catalogue("google/gemma-3-12b-it"), catalogue("moonshotai/Kimi-K3")


def problems(facts: ModelFacts, **settings: Any) -> list[str]:
    component = Component.model_validate({"model": {"s3": "s3://bucket/model/"}, **settings})
    task = task_of(component, facts)
    found = [*image_problems("c", component, task, facts=facts), *context_problems("c", component, task, facts=facts)]
    return list(map(str, found))


def plan(load: dict[str, Any], facts: ModelFacts = SEES) -> FleetPlan:
    request = component_request("vl", facts, SglangOptions(context_length=16384), bounds=(1, 1), load=Load(**load))
    instance = GpuInstance.G6E_2XLARGE
    return plan_fleet(
        FleetRequest(
            environment="x",
            region="us-east-1",
            endpoints=(EndpointRequest(name="chat", instances=(instance,), components=(request,)),),
        )
    )


def test_images_are_tokens_of_the_prompt_and_work_of_the_encoder() -> None:
    images = images_of(Load(images=2, image_resolution="1080p"), SEES)
    assert images.tokens == 2 * 2040
    # 8,160 patches through 27 layers of width 1,152 (their MLP 4,304 wide), attention between them, and four connectors for each token
    blocks = 27 * (4 * 1152**2 + 2 * 1152 * 4304)
    attention = 4 * 27 * 1152 * 8160**2
    assert images.encoder_tflop == pytest.approx(2 * (2 * 8160 * blocks + attention) / 1e12, rel=0.1)
    assert images.note.startswith(
        "images: 2 a request, 2,040 prompt tokens each (by its own image processor at 1080x1920)"
    )


def test_half_an_image_a_request_is_half_its_tokens() -> None:
    assert images_of(Load(images=0.5, image_resolution="1024x1024"), SEES).tokens == 512


def test_no_images_add_nothing() -> None:
    assert (images_of(Load(), SEES).tokens, images_of(Load(), SEES).note) == (0, "")


def test_the_plan_follows_in_cache_time_and_price() -> None:
    text, longer, with_images = (
        plan(load).endpoints[0].components[0]
        for load in ({}, {"input_tokens": 1024 + 4080}, {"images": 2, "image_resolution": "1080p"})
    )
    assert text.ttft_ms is not None
    assert longer.ttft_ms is not None
    assert with_images.ttft_ms is not None
    assert text.ttft_ms.value < longer.ttft_ms.value < with_images.ttft_ms.value  # the same tokens, and the encoder
    assert (
        with_images.options["max_running_requests"]
        == longer.options["max_running_requests"]
        < text.options["max_running_requests"]
    )
    assert with_images.images_note
    assert not text.images_note


def test_tokens_can_be_given_where_the_processor_is_set_otherwise() -> None:
    images = images_of(Load(images=1, image_tokens=300), SEES)
    assert images.tokens == 300
    assert "300 prompt tokens each (as given)" in images.note
    assert images_of(Load(images=1, image_tokens=300), UNKNOWN).tokens == 300


@pytest.mark.parametrize(
    ("facts", "settings", "text"),
    [
        (
            TEXT,
            {"load": {"images": 1}},
            (
                "c.load.images: 1 a request, and Qwen/Qwen3-8B takes text alone; leave it out, or use a model with an image encoder, such as "
                "Qwen/Qwen3-VL-8B-Instruct"
            ),
        ),
        (
            GEMMA,
            {"load": {"images": 1}},
            (
                "c.load.images: 1 a request, and SGLang serves google/gemma-3-12b-it without its image encoder by default; add server.extra: "
                "{enable_multimodal: true}, or leave images out"
            ),
        ),
        (
            SEES,
            {"load": {"images": 1}, "server": {"extra": {"enable_multimodal": False}}},
            "c.load.images: 1 a request, and server.extra.enable_multimodal leaves its image encoder out; remove it, or leave images out",
        ),
        (
            UNKNOWN,
            {"load": {"images": 1}},
            (
                "c.load.image_tokens: missing: how many prompt tokens moonshotai/Kimi-K3 makes of an image is not known; send one image to it, "
                "read prompt_tokens in the answer, and give that number"
            ),
        ),
        (
            SEES,
            {"load": {"images": 1}, "task": "completion"},
            "c.load.images: 1 a request, and requests of task completion carry no image; leave it out, or use task: chat",
        ),
        (
            SEES,
            {"load": {"images": 16}, "server": {"context_length": 16384}},
            (
                "c.load.images: 1,024 tokens of text + 32,640 of images + 256 of the answer are 33,920 a request, beyond server.context_length, "
                "16,384: SGLang refuses such a request; plan fewer or smaller images, a shorter prompt or a larger server.context_length"
            ),
        ),
        (
            TEXT,
            {"load": {"input_tokens": 50_000}},
            (
                "c.load.input_tokens: 50,000 tokens of text + 256 of the answer are 50,256 a request, beyond what Qwen/Qwen3-8B takes, 40,960: "
                "SGLang refuses such a request; plan a shorter prompt"
            ),
        ),
    ],
)
def test_what_cannot_be_is_one_line_with_the_next_step(facts: ModelFacts, settings: dict[str, Any], text: str) -> None:
    assert problems(facts, **settings) == [text]


@pytest.mark.parametrize(
    ("facts", "settings"),
    [
        (SEES, {"load": {"images": 2}}),
        (GEMMA, {"load": {"images": 2}, "server": {"extra": {"enable_multimodal": True}}}),
        (UNKNOWN, {"load": {"images": 1, "image_tokens": 900}}),
        (TEXT, {"server": {"context_length": 512}}),  # a load that nobody has specified
        (
            TEXT,
            {
                "load": {"input_tokens": 9000},
                "server": {"context_length": 8192, "extra": {"allow_auto_truncate": True}},
            },
        ),
    ],
)
def test_what_can_be_is_not_refused(facts: ModelFacts, settings: dict[str, Any]) -> None:
    assert problems(facts, **settings) == []


def test_a_model_sees_as_sglang_serves_it() -> None:
    assert takes_images(SEES, SglangOptions())
    assert not takes_images(TEXT, SglangOptions())
    assert not takes_images(GEMMA, SglangOptions())
    assert takes_images(GEMMA, SglangOptions(extra={"enable_multimodal": True}))


@pytest.mark.parametrize(
    ("load", "text"),
    [
        ({"image_resolution": "720p"}, "image_resolution: goes with images; add images: 1, or leave it out"),
        (
            {"images": 1, "image_resolution": "0x3"},
            "'0x3' is not allowed; use 4k, 1080p, 720p, 360p, or height x width in pixels",
        ),
        ({"images": -1}, "images"),
    ],
)
def test_wrong_values_say_what_is_allowed(load: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Load(**load)


def test_an_environment_with_images_on_a_text_model_is_refused_at_the_field() -> None:
    text = """
        region: us-east-1
        network: {vpc: create}
        endpoints:
          chat:
            capacity: {type: ml.g6e.2xlarge, max_instances: 1}
            components:
              vl:
                model: {id: Qwen/Qwen3-8B, prefix: weights/qwen/}
                load: {images: 1}
    """
    found = resolve_fleet(parse(text, source="dev.yaml"), name="dev").problems
    assert [problem.path for problem in found] == ["endpoints.chat.components.vl.load.images"]


def test_a_model_stored_in_another_format_keeps_its_images() -> None:
    assert replace(SEES.with_weights("fp8")).architecture.images == SEES.architecture.images
