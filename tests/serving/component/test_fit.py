"""The library refuses what cannot run, in the planner's words, before any resource exists."""

from __future__ import annotations

import re
from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_s3 as s3

from cdk_sglang import (
    Capacity,
    ConfigurationError,
    InferenceEndpoint,
    ModelSource,
    NoFitCheck,
    ServingImage,
    SglangOptions,
    Slo,
)

MakeEndpoint = Callable[..., InferenceEndpoint]
LARGE = ModelSource.from_s3("s3://models/qwen/", check=False, model_id="Qwen/Qwen3-235B-A22B-FP8")
QWEN_8B = ModelSource.from_s3("s3://models/qwen-8b/", check=False, model_id="Qwen/Qwen3-8B")
SMALL = ModelSource.from_s3("s3://models/llama/", check=False, model_id="meta-llama/Llama-3.2-3B-Instruct")


def on(any_endpoint: MakeEndpoint, *types: str) -> InferenceEndpoint:
    capacity = Capacity.on_demand(types[0], max_instances=1)
    return any_endpoint(capacity=capacity if len(types) == 1 else Capacity.pool(types, max_instances=1))


def refusals(endpoint: InferenceEndpoint, model: ModelSource, **server: object) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as error:
        endpoint.add_component("chat", model=model, server=SglangOptions.model_validate(server))
    return error.value.problems


def test_weights_beyond_the_gpu_are_refused_and_the_nearest_fit_named(any_endpoint: MakeEndpoint) -> None:
    endpoint = on(any_endpoint, "ml.g6e.2xlarge")
    (problem,) = refusals(endpoint, LARGE, context_length=8192)
    assert re.fullmatch(
        r"chat\.server\.tp_size: Qwen/Qwen3-235B-A22B-FP8 with context_length 8192 does not fit 1 x L40S of ml\.g6e\.2xlarge: [\d.]+ GiB "
        r"short per GPU \([\d.]+ GiB of weights, 44\.0 GiB there\); .*nearest fit: ml\.[a-z0-9.-]+ with tp_size [248] \([\d.]+ \$/h\)",
        problem,
    )
    assert endpoint.node.try_find_child("chat") is None
    assert not endpoint.components


def test_a_context_beyond_the_model_is_refused(any_endpoint: MakeEndpoint) -> None:
    problems = refusals(on(any_endpoint, "ml.g6e.2xlarge"), SMALL, context_length=10_000_000)
    assert problems == (
        "chat.server.context_length: 10000000 is beyond the 131072 of meta-llama/Llama-3.2-3B-Instruct; use 131072 or less",
    )


def test_gpus_that_do_not_divide_the_heads_are_refused(any_endpoint: MakeEndpoint) -> None:
    problems = refusals(on(any_endpoint, "ml.g6e.12xlarge"), QWEN_8B, tp_size=3, context_length=8192)
    assert problems[0] == (
        "chat.server.tp_size: Qwen/Qwen3-8B on ml.g6e.12xlarge: tp 3 does not divide 32 attention heads; use one of 1, 2, 4"
    )


def test_the_model_must_fit_on_every_type_of_a_pool(any_endpoint: MakeEndpoint) -> None:
    endpoint = on(any_endpoint, "ml.p5en.48xlarge", "ml.g6e.48xlarge")
    (problem,) = refusals(endpoint, LARGE, tp_size=4, context_length=8192)
    assert "does not fit 4 x L40S of ml.g6e.48xlarge" in problem


def test_what_is_refused_leaves_its_id_free(any_endpoint: MakeEndpoint) -> None:
    endpoint = on(any_endpoint, "ml.g6e.2xlarge")
    refusals(endpoint, LARGE)
    endpoint.add_component("chat", model=SMALL, server=SglangOptions(context_length=8192))


def test_an_id_that_the_catalogue_does_not_know_is_a_mistake(any_endpoint: MakeEndpoint) -> None:
    model = ModelSource.from_s3("s3://models/llama/", check=False, model_id="meta-lama/Llama-3.2-3B-Instruct")
    (problem,) = refusals(on(any_endpoint, "ml.g6e.2xlarge"), model)
    assert problem.startswith(
        "chat.model.id: unknown model 'meta-lama/Llama-3.2-3B-Instruct'; did you mean 'meta-llama/Llama-3.2-3B-Instruct', or add it"
    )


def hub(stack: cdk.Stack, repo: str, **options: str) -> ModelSource:
    return ModelSource.from_hugging_face(repo, revision="a" * 40, bucket=s3.Bucket(stack, "Weights"), **options)


def test_a_repository_names_its_model(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    (problem,) = refusals(
        on(any_endpoint, "ml.g6e.2xlarge"), hub(stack, "Qwen/Qwen3-235B-A22B-FP8"), context_length=8192
    )
    assert "does not fit 1 x L40S" in problem


def test_a_repository_that_nobody_knows_is_taken_unchecked(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    on(any_endpoint, "ml.g6e.2xlarge").add_component("chat", model=hub(stack, "acme/own-model"))


def test_a_repository_of_a_known_architecture_is_checked_as_that_one(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    model = hub(stack, "acme/own-model", model_id="Qwen/Qwen3-235B-A22B-FP8")
    (problem,) = refusals(on(any_endpoint, "ml.g6e.2xlarge"), model, context_length=8192)
    assert "does not fit 1 x L40S" in problem


def image(stack: cdk.Stack, sglang_version: str) -> ServingImage:
    repository = ecr.Repository.from_repository_name(stack, "Images", "images")
    return ServingImage.from_repository(
        repository, digest=f"sha256:{'a' * 64}", cuda="13.0", sglang_version=sglang_version
    )


@pytest.mark.parametrize(
    ("sglang_version", "rendered"),
    [("0.5.17", None), ("0.5.23", None), ("0.5.16", "0.822"), ("0.6.0", "0.684"), ("nightly", "0.684")],
)
def test_the_planned_share_of_memory_is_rendered_where_the_engine_may_take_another(
    any_endpoint: MakeEndpoint, stack: cdk.Stack, sglang_version: str, rendered: str | None
) -> None:
    capacity = Capacity.on_demand("ml.g5.xlarge", max_instances=1)
    endpoint = any_endpoint(capacity=capacity, image=image(stack, sglang_version))
    chat = endpoint.add_component("chat", model=SMALL, server=SglangOptions(context_length=8192))
    assert chat.environment.get("SM_SGLANG_MEM_FRACTION_STATIC") == rendered


def test_a_share_of_memory_that_is_asked_for_stays(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    endpoint = any_endpoint(capacity=Capacity.on_demand("ml.g5.xlarge", max_instances=1), image=image(stack, "nightly"))
    server = SglangOptions(context_length=8192, mem_fraction_static=0.75)
    chat = endpoint.add_component("chat", model=SMALL, server=server)
    assert chat.environment["SM_SGLANG_MEM_FRACTION_STATIC"] == "0.75"


def test_each_type_of_a_pool_gets_its_own_share_of_memory(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    capacity = Capacity.pool(["ml.g6e.xlarge", "ml.g5.xlarge", "ml.g6.xlarge"], max_instances=1)
    endpoint = any_endpoint(capacity=capacity, image=image(stack, "0.6.0"))
    chat = endpoint.add_component("chat", model=SMALL, server=SglangOptions(context_length=8192))
    shares = {
        tuple(instance.name for instance in variant.instances): variant.rendered["SM_SGLANG_MEM_FRACTION_STATIC"]
        for variant in chat.variants
    }
    assert shares == {("ml.g6e.xlarge",): "0.843", ("ml.g5.xlarge", "ml.g6.xlarge"): "0.684"}


def test_the_release_in_the_image_decides_whether_a_model_has_room(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    capacity = Capacity.on_demand("ml.g5.xlarge", max_instances=1)
    new = any_endpoint("New", capacity=capacity, image=image(stack, "0.5.23"))
    (problem,) = refusals(new, QWEN_8B, context_length=8192)
    assert "; it fits here with chunked_prefill_size: 2048 and cuda_graph_max_bs: 24" in problem
    lean = SglangOptions(context_length=8192, chunked_prefill_size=2048, cuda_graph_max_bs=24)
    new.add_component("chat", model=QWEN_8B, server=lean)
    old = any_endpoint("Old", capacity=capacity, image=ServingImage.from_dlc())
    old.add_component("chat", model=QWEN_8B, server=SglangOptions(context_length=8192))


REASON = "measured: the draft's cache is in host memory"


def test_a_written_reason_is_the_only_way_past_the_check_and_the_template_keeps_it(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    endpoint = on(any_endpoint, "ml.g6e.2xlarge")
    chat = endpoint.add_component(
        "chat", model=LARGE, server=SglangOptions(context_length=8192), fit_check=NoFitCheck(reason=REASON)
    )
    assert chat._resource.get_metadata("cdk-sglang:no-fit-check") == REASON
    with pytest.raises(ConfigurationError, match="does not fit"):
        endpoint.add_component("other", model=LARGE, server=SglangOptions(context_length=8192))


def test_without_a_reason_the_check_stays_on() -> None:
    with pytest.raises(ConfigurationError) as error:
        NoFitCheck(reason="  ")
    assert error.value.problems == (
        "fit_check.reason: no reason given; say why the model runs although the plan says it does not, or leave the check on",
    )


def test_the_reason_is_no_way_past_the_gpus_of_an_instance(any_endpoint: MakeEndpoint) -> None:
    with pytest.raises(ConfigurationError) as error:
        on(any_endpoint, "ml.g6e.2xlarge").add_component(
            "chat", model=LARGE, server=SglangOptions(tp_size=2), fit_check=NoFitCheck(reason=REASON)
        )
    assert [problem.split(":")[0] for problem in error.value.problems] == ["chat.server"]


def test_a_budget_of_the_endpoint_is_held_in_the_words_of_an_environments(any_endpoint: MakeEndpoint) -> None:
    endpoint = any_endpoint(
        capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=4), budget_usd_per_hour=5, endpoint_name="chat"
    )
    endpoint.add_component("one", model=SMALL, server=SglangOptions(context_length=8192))
    with pytest.raises(ConfigurationError) as error:
        endpoint.add_component("three", model=SMALL, server=SglangOptions(context_length=8192), copies=3)
    (problem,) = error.value.problems
    assert re.fullmatch(
        r"Chat\.budget_usd_per_hour: the fleet costs up to [0-9.]+ USD per hour \(Chat [0-9.]+\), 5\.00 allowed; raise the budget, or lower "
        r"max_copies or max_instances",
        problem,
    )
    assert list(endpoint.components) == ["one"]


def test_latency_of_a_model_that_nobody_knows_is_refused(any_endpoint: MakeEndpoint) -> None:
    model = ModelSource.from_s3("s3://models/own/", check=False)
    with pytest.raises(ConfigurationError) as error:
        on(any_endpoint, "ml.g6e.2xlarge").add_component("chat", model=model, slo=Slo(ttft_ms=500))
    (problem,) = error.value.problems
    assert problem == (
        "chat.slo: cannot be checked, since model has no id; give the id of a catalogue model of the same architecture as model.id "
        "(cdk-sglang models list)"
    )
