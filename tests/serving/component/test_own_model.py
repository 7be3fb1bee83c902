"""Facts of a model that an app's author brings, beside or instead of the catalogue's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_s3 as s3

from cdk_sglang import (
    Capacity,
    ComponentScaling,
    Concurrency,
    ConfigurationError,
    InferenceEndpoint,
    ModelSource,
    SglangOptions,
)
from cdk_sglang.models import ModelFacts, catalogue

MakeEndpoint = Callable[..., InferenceEndpoint]
CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 64,
    "hidden_size": 5120,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 25600,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
}


@pytest.fixture
def facts(tmp_path: Path) -> ModelFacts:
    """What `cdk-sglang models add` kept, read as the documentation says."""
    (tmp_path / "me--big.json").write_text(json.dumps({"id": "me/big", "config": CONFIG}), encoding="utf-8")
    return catalogue("me/big", also=[tmp_path])


def source(**options: Any) -> ModelSource:
    return ModelSource.from_s3("s3://models/big/", check=False, **options)


def test_the_authors_facts_name_the_model_and_win_over_the_catalogue(facts: ModelFacts) -> None:
    assert source(facts=facts).model_id == "me/big"
    assert source(facts=facts).known.facts is facts
    assert source(facts=facts, model_id="Qwen/Qwen3-8B").known.facts is facts
    assert source(model_id="me/big").known.facts is None
    known = source(model_id="Qwen/Qwen3-8B").known.facts
    assert known is not None
    assert known.id == "Qwen/Qwen3-8B"


def test_every_kind_of_source_takes_them(facts: ModelFacts, any_endpoint: MakeEndpoint) -> None:
    bucket = s3.Bucket(any_endpoint(), "Weights")
    staged = ModelSource.from_hugging_face("me/big", revision="a" * 40, bucket=bucket, facts=facts)
    there = ModelSource.from_bucket(bucket, "weights/big/", facts=facts)
    assert [one.known.facts for one in (staged, there)] == [facts, facts]


def test_a_pool_is_split_by_the_authors_facts(facts: ModelFacts, any_endpoint: MakeEndpoint) -> None:
    capacity = Capacity.pool(("ml.g6e.12xlarge", "ml.p5.48xlarge"), max_instances=2)
    server = SglangOptions(context_length=32768)
    known = any_endpoint(capacity=capacity).add_component("big", model=source(facts=facts), server=server)
    unknown = any_endpoint("Other", capacity=capacity).add_component("big", model=source(), server=server)
    # 61 GiB of weights: more than one GPU of 44 GiB, less than one of 80.
    assert known.gpus_by_type["ml.g6e.12xlarge"] > known.gpus_by_type["ml.p5.48xlarge"] == 1
    assert set(unknown.gpus_by_type.values()) == {1}


def test_scaling_by_concurrency_is_planned_from_the_authors_facts(
    facts: ModelFacts, any_endpoint: MakeEndpoint
) -> None:
    scaling = ComponentScaling(min_copies=1, max_copies=2, target=Concurrency())
    options = {"server": SglangOptions(tp_size=4, context_length=32768), "scaling": scaling}
    assert any_endpoint().add_component("big", model=source(facts=facts), **options)._scaling_resources
    with pytest.raises(ConfigurationError, match=r"unknown model 'me/big'.*add it with: cdk-sglang models add me/big"):
        any_endpoint("Other").add_component("big", model=source(model_id="me/big"), **options)


def test_what_is_no_models_facts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        source(facts=tmp_path / "me--big.json")
    assert "is a PosixPath, not a model's facts; read them with cdk_sglang.models.catalogue" in error.value.problems[0]
