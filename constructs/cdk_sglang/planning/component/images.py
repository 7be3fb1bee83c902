"""Images in a component's requests: the tokens that they add to a prompt, the encoder's work, and problems with serving them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import Problem
from cdk_sglang.models.images import ImageSize
from cdk_sglang.planning.static_fraction import TEXT_ONLY_BY_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdk_sglang.engine import SglangOptions
    from cdk_sglang.models.architecture import ModelArchitecture
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.spec.component import Component
    from cdk_sglang.spec.load import Load
    from cdk_sglang.spec.task import Task

_USUAL_PATCHES: Final = 4
"""Encoder patches per token if only the tokens are given: most models merge two by two."""
_BLOCK: Final = 12
"""Weights of an encoder block in units of its width squared: four for attention, and two times four for the MLP."""


@dataclass(frozen=True, kw_only=True)
class RequestImages:
    """Tokens and work that the images of one request add.

    Attributes:
        tokens: Tokens added to the prompt.
        encoder_tflop: Operations of the encoder, 10^12.
        note: Origin of the figures; empty without images.
    """

    tokens: float = 0.0
    encoder_tflop: float = 0.0
    note: str = ""


def images_of(load: Load, facts: ModelFacts) -> RequestImages:
    """Return what the images of a load add to each prompt; nothing if the model takes no images or their number of tokens is unknown.

    Args:
        load: The load.
        facts: The model.
    """
    size = _size_of(load, facts)
    if not load.images or size is None:
        return RequestImages()
    model, height_width = facts.architecture, "x".join(map(str, load.image_size))
    source = "as given" if load.image_tokens is not None else f"by its own image processor at {height_width}"
    tokens = size.tokens if load.image_tokens is None else load.image_tokens
    tflop = _encoder_tflop(model, size)
    return RequestImages(
        tokens=load.images * tokens,
        encoder_tflop=load.images * tflop,
        note=f"images: {load.images:g} a request, {tokens:,.0f} prompt tokens each ({source}), {tflop:.2g} TFLOP of encoder each",
    )


def _size_of(load: Load, facts: ModelFacts) -> ImageSize | None:
    if facts.architecture.images is None:
        return None
    if load.image_tokens is not None:
        return ImageSize(tokens=round(load.image_tokens), patches=round(load.image_tokens * _USUAL_PATCHES))
    rule = facts.architecture.images.rule
    return None if rule is None else rule.size_of(*load.image_size)


def _encoder_tflop(model: ModelArchitecture, size: ImageSize) -> float:
    """Return the operations for one image: blocks per patch, attention between all patches, and the connector per token."""
    shape = model.images
    layers, width = (0, 0) if shape is None else (shape.layers, shape.width)
    blocks = model.vision_parameters
    if layers and width:
        blocks = min(blocks, _BLOCK * layers * width**2)
    attention = 4 * layers * width * size.patches**2
    connector = model.vision_parameters - blocks
    return (2 * size.patches * blocks + 2 * size.tokens * connector + attention) / 1e12


def takes_images(facts: ModelFacts, server: SglangOptions) -> bool:
    """Return whether SGLang serves a model with its image encoder.

    Args:
        facts: The model.
        server: SGLang's options.
    """
    if facts.architecture.images is None or server.get("language_only") or server.get("language_model_only"):
        return False
    option = server.get("enable_multimodal")
    return facts.architecture.model_type not in TEXT_ONLY_BY_DEFAULT if option is None else bool(option)


def image_problems(path: str, component: Component, task: Task, *, facts: ModelFacts | None) -> Iterator[Problem]:
    """Yield problems if images of the planned load cannot be served, or if their number of tokens is unknown.

    Args:
        path: Path of the component.
        component: The component.
        task: Its task.
        facts: Facts of its model; None if unknown.
    """
    load, server = component.load, component.server
    if not load.images or facts is None:
        return
    where = f"{path}.load.images"
    images_text = f"{load.images:g} a request"
    if task != "chat":
        yield Problem(
            where, f"{images_text}, and requests of task {task} carry no image; leave it out, or use task: chat"
        )
    elif facts.architecture.images is None:
        yield Problem(
            where,
            f"{images_text}, and {facts.id} takes text alone; leave it out, or use a model with an image encoder, such as "
            "Qwen/Qwen3-VL-8B-Instruct",
        )
    elif not takes_images(facts, server):
        off = next((name for name in ("language_only", "language_model_only") if server.get(name)), None)
        if off is None and server.get("enable_multimodal") is None:
            advice = f"SGLang serves {facts.id} without its image encoder by default; add server.extra: {{enable_multimodal: true}}"
        else:
            advice = f"server.extra.{off or 'enable_multimodal'} leaves its image encoder out; remove it"
        yield Problem(where, f"{images_text}, and {advice}, or leave images out")
    elif facts.architecture.images.rule is None and load.image_tokens is None:
        yield Problem(
            f"{path}.load.image_tokens",
            f"missing: how many prompt tokens {facts.id} makes of an image is not known; send one image to it, read prompt_tokens in the "
            "answer, and give that number",
        )
