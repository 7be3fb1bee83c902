"""What a component's requests ask for: by default what its model was made for, and never against it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.engine import SglangOptions
from cdk_sglang.environments.reading import parse
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import ModelFacts, catalogue
from cdk_sglang.planning import EndpointRequest, FleetRequest, plan_fleet
from cdk_sglang.planning.component.request import component_request
from cdk_sglang.planning.component.task import made_for, task_of, task_problems, with_flag
from cdk_sglang.planning.proposals import propose
from cdk_sglang.planning.wish import Wish
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.image_facts import ImageFacts

CHATS, EMBEDS = catalogue("Qwen/Qwen3-8B"), catalogue("Qwen/Qwen3-Embedding-8B")
RANKS = replace(CHATS, id="me/ranks", architectures=("XLMRobertaForSequenceClassification",), labels=1)
CLASSIFIES = replace(RANKS, id="me/classifies", labels=3)
OWN = ImageFacts(sglang_version="0.5.23", cuda="13.0", compute_capabilities=None, kind="cdk-sglang")
AWS = replace(OWN, kind="dlc", sglang_version="0.5.20")
FLAG = {"extra": {"is_embedding": True}}


def component(**settings: Any) -> Component:
    return Component.model_validate({"model": {"s3": "s3://bucket/model/"}, **settings})


def problems(facts: ModelFacts | None, *, image: ImageFacts = OWN, **settings: Any) -> list[str]:
    specified = component(**settings)
    return list(map(str, task_problems("c", specified, task_of(specified, facts), facts=facts, image=image)))


@pytest.mark.parametrize(
    ("facts", "task"),
    [(CHATS, "chat"), (EMBEDS, "embedding"), (RANKS, "rerank"), (CLASSIFIES, "classify"), (None, "chat")],
)
def test_a_component_does_what_its_model_was_made_for(facts: ModelFacts | None, task: str) -> None:
    assert task_of(component(), facts) == task
    assert problems(facts) == []


@pytest.mark.parametrize("name", ["BertModel", "XLMRobertaModel", "Qwen3Model", "LlamaEmbeddingModel"])
def test_the_classes_of_a_config_that_generate_no_text_make_embeddings(name: str) -> None:
    assert made_for(replace(CHATS, architectures=(name,))) == "embedding"
    assert made_for(replace(CHATS, architectures=("Qwen3ForCausalLM",))) == "chat"


@pytest.mark.parametrize(
    ("architecture", "labels", "task"),
    [
        ("XLMRobertaModel", None, "embedding"),
        ("XLMRobertaForSequenceClassification", {"0": "LABEL_0"}, "rerank"),
        ("XLMRobertaForSequenceClassification", {"0": "no", "1": "yes"}, "classify"),
    ],
)
def test_the_task_is_read_from_the_config_that_was_added(
    architecture: str, labels: dict[str, str] | None, task: str, tmp_path: Path
) -> None:
    config = {
        "model_type": "xlm-roberta", "num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16, "intermediate_size": 4096,
        "vocab_size": 250002, "max_position_embeddings": 8194, "architectures": [architecture], **({"id2label": labels} if labels else {}),
    }  # fmt: skip
    (tmp_path / "me--ranks.json").write_text(json.dumps({"id": "me/ranks", "config": config}), encoding="utf-8")
    assert task_of(component(), catalogue("me/ranks", also=[tmp_path])) == task


def test_a_specified_task_wins_over_the_models_and_the_option_over_nothing_known() -> None:
    assert task_of(component(task="completion"), CHATS) == "completion"
    assert task_of(component(server=FLAG), None) == "embedding"
    assert task_of(component(server=FLAG), CHATS) == "embedding"
    assert task_of(component(server=FLAG), RANKS) == "rerank"


@pytest.mark.parametrize(
    ("task", "facts", "extra"),
    [
        ("chat", CHATS, {}),
        ("completion", CHATS, {}),
        ("embedding", EMBEDS, {"is_embedding": True}),
        ("rerank", RANKS, {"is_embedding": True}),
        ("rerank", None, {"is_embedding": True}),
        ("rerank", CHATS, {}),
        ("classify", CLASSIFIES, {"is_embedding": True}),
    ],
)
def test_sglangs_option_follows_the_task_but_for_rerankers_that_are_text_models(
    task: Any, facts: ModelFacts | None, extra: dict[str, Any]
) -> None:
    assert with_flag(SglangOptions(), task, facts).extra == extra


def test_an_option_that_its_author_has_set_stays() -> None:
    server = SglangOptions(extra={"is_embedding": False})
    assert with_flag(server, "rerank", None) is server


@pytest.mark.parametrize(
    ("facts", "settings", "problem"),
    [
        (EMBEDS, {"task": "chat"}, "c.task: chat asked, and Qwen/Qwen3-Embedding-8B gives embeddings; use embedding, or leave it out"),
        (EMBEDS, {"task": "rerank"}, "c.task: rerank asked, and Qwen/Qwen3-Embedding-8B gives embeddings; use embedding, or leave it out"),
        (RANKS, {"task": "embedding"}, "c.task: embedding asked, and me/ranks gives scores of documents; use rerank or classify, or leave it out"),
        (
            CHATS,
            {"task": "embedding"},
            ("c.task: embedding asked, and Qwen/Qwen3-8B generates text; use chat or completion, or, for weights that were trained to give "
            "embeddings, say so with server.extra: {is_embedding: true}"),
        ),
        (
            CHATS,
            {"task": "chat", "server": FLAG},
            ("c.server.extra.is_embedding: true asked, and task is chat: SGLang then generates no text; leave it out, or use "
            "task: embedding, rerank or classify"),
        ),
        (
            EMBEDS,
            {"server": {"extra": {"is_embedding": False}}},
            "c.server.extra.is_embedding: false asked, and task embedding needs it; leave it out",
        ),
        (
            EMBEDS,
            {"smoke": {"body": {"messages": []}}},
            "c.smoke.body: a request of task embedding needs input, got messages; change it, or leave body out for a short request of the task",
        ),
        (EMBEDS, {"slo": {"tpot_ms": 20}}, "c.slo.tpot_ms: 20 ms asked, and task embedding generates no tokens; give ttft_ms alone"),
        (EMBEDS, {"slo": {"accept_length": 2}}, "c.slo.accept_length: 2 asked, and task embedding generates no tokens; leave it out"),
        (
            EMBEDS,
            {"server": {"speculative": {"algorithm": "NGRAM"}}},
            "c.server.speculative: task embedding generates no tokens that a draft could propose; leave it out",
        ),
        (RANKS, {"server": {"lora": {}}}, "c.server.lora: SGLang applies no adapter to a request of task rerank; remove it"),
    ],
)  # fmt: skip
def test_what_contradicts_the_task_is_a_problem(facts: ModelFacts, settings: dict[str, Any], problem: str) -> None:
    assert problems(facts, **settings) == [problem]


def test_weights_that_were_trained_for_embeddings_may_have_a_text_models_facts() -> None:
    assert problems(CHATS, task="embedding", server=FLAG) == []


def test_a_completion_may_be_verified_with_a_chat() -> None:
    assert problems(CHATS, task="completion", smoke={"body": {"messages": []}}) == []
    assert len(problems(CHATS, task="completion", smoke={"body": {"input": "x"}})) == 1


@pytest.mark.parametrize("task", ["completion", "embedding", "rerank", "classify"])
def test_aws_container_answers_chats_alone(task: str) -> None:
    (problem,) = problems(None, image=AWS, task=task)
    assert problem == (
        f"c.task: {task} cannot be reached in AWS's container, whose /invocations answers chats alone; use image.build, or an image of this "
        "project as image.repository"
    )
    assert problems(CHATS, image=AWS) == []
    (problem,) = problems(EMBEDS, image=AWS)
    assert problem.startswith("c.task: embedding, for which Qwen/Qwen3-Embedding-8B was made, cannot be reached")


def test_a_plan_promises_no_time_per_token_of_a_model_that_generates_none() -> None:
    server = with_flag(SglangOptions(), "embedding", EMBEDS)
    request = component_request("c", EMBEDS, server, bounds=(1, 1), task="embedding")
    endpoint = EndpointRequest(name="e", instances=(GpuInstance.G6E_XLARGE,), components=(request,))
    plan = plan_fleet(FleetRequest(environment="x", region="us-east-1", endpoints=(endpoint,)))
    (found,) = plan.endpoints[0].components
    assert found.ttft_ms is not None
    assert (found.tpot_ms, found.output_tok_s, found.usd_per_million_output_tokens) == (None, None, None)
    assert found.usd_per_million_input_tokens is not None
    assert any("one forward pass" in note for note in found.notes)
    assert {one.tpot_ms for one in found.alternatives} == {None}
    assert not any("is_embedding" in warning for warning in plan.warnings)


def wish(**more: Any) -> Wish:
    settings = {
        "requests_per_second": 5,
        "input_tokens": 512,
        "output_tokens": 1,
        "context_length": 8192,
        "region": "us-east-1",
    }
    return Wish(facts=EMBEDS, **settings, **more)


def test_a_proposal_for_embeddings_has_no_time_per_token_and_takes_no_wish_for_one() -> None:
    proposals = propose(wish(instance=GpuInstance.G6E_XLARGE)).ranked
    assert [one.tpot_ms for one in proposals] == [None]
    refused = propose(wish(tpot_ms=20))
    assert (
        str(refused.problem) == "--tpot-ms: 20 ms asked, and Qwen/Qwen3-Embedding-8B generates no tokens; leave it out"
    )


def test_an_environment_names_tasks_that_there_are() -> None:
    text = """\
network: {vpc: none}
endpoints:
  search:
    capacity: {type: ml.g6e.xlarge, max_instances: 1}
    components:
      qwen: {model: {id: Qwen/Qwen3-Embedding-8B, prefix: weights/}, task: %s}
"""
    assert parse(text % "embedding", source="e.yaml").endpoints["search"].components["qwen"].task == "embedding"
    with pytest.raises(ConfigurationError) as error:
        parse(text % "embeddings", source="e.yaml")
    (problem,) = error.value.problems
    assert problem.startswith(
        "e.yaml: endpoints.search.components.qwen.task: 'embeddings' is not allowed; did you mean 'embedding'"
    )
