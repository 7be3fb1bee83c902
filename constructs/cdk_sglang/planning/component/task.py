"""The task of a component, by default the one that its model was made for, and the SGLang option that the task needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import Problem
from cdk_sglang.spec.task import TASK_SHAPES, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdk_sglang.engine import SglangOptions
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.spec.component import Component
    from cdk_sglang.spec.image_facts import ImageFacts

_FLAG: Final = "is_embedding"
_ONE_LABEL: Final = 1
_CLASSIFIERS: Final = ("ForSequenceClassification", "ForSequenceClassificationWithNormal_Weights", "ForRewardModel")
"""Suffixes of the classes whose last layer returns one number per label."""
_ENCODERS: Final = frozenset(
    {
        "BertModel", "CLIPModel", "Contriever", "EmbeddingGemma2Model", "Lfm2BidirectionalModel", "LlamaEmbeddingModel", "MistralModel",
        "Qwen3Model", "XLMRobertaModel",
    }
)  # fmt: skip
"""Classes that generate no text. These and the classifiers are those of SGLang 0.5.23 (srt/configs/model_config.py, is_generation_model)."""
_NO_ADAPTERS: Final = ("rerank", "classify")
"""Tasks whose requests carry no adapter in SGLang 0.5.23 (srt/entrypoints/openai/protocol.py: V1RerankReqInput, ClassifyRequest)."""


def task_of(component: Component, facts: ModelFacts | None) -> Task:
    """Return a component's task: as specified, else what its model was made for, else a chat.

    Args:
        component: The component.
        facts: Facts of its model; None if unknown.
    """
    if component.task is not None:
        return component.task
    own = "chat" if facts is None else made_for(facts)
    return "embedding" if own == "chat" and component.server.get(_FLAG) else own


def made_for(facts: ModelFacts) -> Task:
    """Return the task that a model was made for; chat by default.

    Args:
        facts: The model.
    """
    if any(name.endswith(_CLASSIFIERS) for name in facts.architectures):
        return "rerank" if facts.labels == _ONE_LABEL else "classify"
    if facts.is_embedding or not _ENCODERS.isdisjoint(facts.architectures):
        return "embedding"
    return "chat"


def with_flag(server: SglangOptions, task: Task, facts: ModelFacts | None) -> SglangOptions:
    """Return SGLang's options with `is_embedding` if the task needs it and it is not set.

    A reranker whose score is the probability of a word, such as Qwen3-Reranker, is a text model. With this option SGLang refuses to rank
    with it (0.5.23, srt/entrypoints/openai/serving_rerank.py).

    Args:
        server: The options.
        task: Task of the component.
        facts: Facts of its model; None if unknown.
    """
    if TASK_SHAPES[task].generates or _flag(server) is not None:
        return server
    if task == "rerank" and facts is not None and made_for(facts) == "chat":
        return server
    return server.model_copy(update={"extra": {**server.extra, _FLAG: True}})


def _flag(server: SglangOptions) -> bool | None:
    return next((bool(value) for _, name, value in server.settings() if name == _FLAG), None)


def task_problems(
    path: str, component: Component, task: Task, *, facts: ModelFacts | None, image: ImageFacts
) -> list[Problem]:
    """Return the settings that contradict the task of a component; empty for chat with a chat model.

    Args:
        path: Path of the component.
        component: The component as its author wrote it.
        task: Its task.
        facts: Facts of its model; None if unknown.
        image: Serving image.
    """
    if of_model := list(_model_problems(path, component, task, facts)):
        return of_model  # the remaining checks depend on the task
    problems = [*_flag_problems(path, component, task), *_request_problems(path, component, task)]
    if task == "chat":
        return problems
    if image.kind == "dlc":
        default_note = "" if component.task is not None else f", for which {facts.id if facts else 'it'} was made,"
        problems.append(
            Problem(
                f"{path}.task",
                f"{task}{default_note} cannot be reached in AWS's container, whose /invocations answers chats alone; use image.build, or an image of "
                "this project as image.repository",
            )
        )
    if task in _NO_ADAPTERS and component.server.lora is not None:
        problems.append(
            Problem(f"{path}.server.lora", f"SGLang applies no adapter to a request of task {task}; remove it")
        )
    if not TASK_SHAPES[task].generates:
        problems += _generation_problems(path, component, task)
    return problems


def _model_problems(path: str, component: Component, task: Task, facts: ModelFacts | None) -> Iterator[Problem]:
    """Yield a problem if the model was not made for the specified task."""
    if component.task is None or facts is None:
        return
    own, where = made_for(facts), f"{path}.task"
    shape = TASK_SHAPES[task]
    if own == "chat":
        if task in {"embedding", "classify"} and not _flag(component.server):
            yield Problem(
                where,
                f"{task} asked, and {facts.id} generates text; use chat or completion, or, for weights that were trained to give "
                f"{shape.noun}, say so with server.extra: {{is_embedding: true}}",
            )
    elif shape.generates or (own == "embedding") != (task == "embedding"):
        fitting = "embedding" if own == "embedding" else "rerank or classify"
        yield Problem(
            where,
            f"{task} asked, and {facts.id} gives {TASK_SHAPES[own].noun}; use {fitting}, or leave it out",
        )


def _flag_problems(path: str, component: Component, task: Task) -> Iterator[Problem]:
    where, flag, generates = f"{path}.server.extra.{_FLAG}", _flag(component.server), TASK_SHAPES[task].generates
    if flag and generates:
        yield Problem(
            where,
            f"true asked, and task is {task}: SGLang then generates no text; leave it out, or use task: embedding, rerank or classify",
        )
    elif flag is False and task in {"embedding", "classify"}:
        yield Problem(where, f"false asked, and task {task} needs it; leave it out")


def _request_problems(path: str, component: Component, task: Task) -> Iterator[Problem]:
    """Yield a problem if the component's smoke request does not belong to its task; the body of a chat request is not checked."""
    body = None if component.smoke is None else component.smoke.body
    if body is None or task == "chat" or (task == "completion" and "messages" in body):
        return
    missing = [name for name in TASK_SHAPES[task].required if name not in body]
    if missing:
        yield Problem(
            f"{path}.smoke.body",
            f"a request of task {task} needs {' and '.join(TASK_SHAPES[task].required)}, got {', '.join(body)}; "
            "change it, or leave body out for a short request of the task",
        )


def _generation_problems(path: str, component: Component, task: Task) -> Iterator[Problem]:
    """Yield settings about generated tokens, which this task does not have."""
    slo = component.slo
    why = f"task {task} generates no tokens"
    if slo is not None and slo.tpot_ms is not None:
        yield Problem(f"{path}.slo.tpot_ms", f"{slo.tpot_ms:g} ms asked, and {why}; give ttft_ms alone")
    if slo is not None and slo.accept_length is not None:
        yield Problem(f"{path}.slo.accept_length", f"{slo.accept_length:g} asked, and {why}; leave it out")
    if component.speculative is not None:
        yield Problem(f"{path}.speculative", f"{why} that a draft could propose; leave it out")
    if component.server.speculative is not None:
        yield Problem(f"{path}.server.speculative", f"{why} that a draft could propose; leave it out")
