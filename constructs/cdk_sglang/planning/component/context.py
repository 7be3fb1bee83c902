"""Checks that the mean request of the planned load is within the context that SGLang serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.errors import Problem
from cdk_sglang.planning.component.images import images_of
from cdk_sglang.spec.task import TASK_SHAPES, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.spec.component import Component


def context_problems(path: str, component: Component, task: Task, *, facts: ModelFacts | None) -> Iterator[Problem]:
    """Yield a problem if requests of the specified load are longer than the context, which SGLang refuses with status 400 (managers/tokenizer_manager.py).

    Args:
        path: Path of the component.
        component: The component.
        task: Its task.
        facts: Facts of its model; None if unknown.
    """
    if facts is None or "load" not in component.model_fields_set or component.server.get("allow_auto_truncate"):
        return
    context_option = component.server.context_length
    limit = context_option or facts.architecture.max_position_embeddings
    load = component.load
    images = images_of(load, facts).tokens
    answer = load.output_tokens if TASK_SHAPES[task].generates else 0.0
    length = load.input_tokens + images + answer
    if limit is None or length <= limit:
        return
    parts = [f"{load.input_tokens:,.0f} tokens of text"]
    parts += [f"{images:,.0f} of images"] if images else []
    parts += [f"{answer:,.0f} of the answer"] if answer else []
    whose = "server.context_length" if context_option else f"what {facts.id} takes"
    advice = "fewer or smaller images, " if images else ""
    raise_it = "" if context_option is None else "or a larger server.context_length"
    shorter = "a shorter prompt"
    yield Problem(
        f"{path}.load.{'images' if images else 'input_tokens'}",
        f"{' + '.join(parts)} are {length:,.0f} a request, beyond {whose}, {limit:,}: SGLang refuses such a request; plan "
        f"{advice}{shorter}{' ' + raise_it if raise_it else ''}",
    )
