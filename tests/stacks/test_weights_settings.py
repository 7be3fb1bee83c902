"""What an environment may say of images, weights and adapters, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.planning import resolve_fleet
from cdk_sglang.environments.reading import cdk_json_context, check
from stacks.checks import nag_packs
from stacks.fleet import add_fleet

REVISION = "0cb88a4f764b7a12671c53f0838cd831a0843b95"
LORA = {"max_rank": 16, "target_modules": ["all"]}
SOURCE = "environments/test.yaml"
BUILT = {"build": {"unpinned": "a test"}}


def environment(*, component: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    llama = {"model": {"prefix": "weights/llama/"}, **(component or {})}
    endpoint = {"capacity": {"type": "ml.g6e.12xlarge", "max_instances": 2}, "components": {"llama": llama}}
    return {
        "account": "111122223333",
        "region": "us-east-1",
        "network": {"vpc": "none"},
        "endpoints": {"chat": endpoint},
        **more,
    }


def fleet(content: dict[str, Any], *, checked: bool = False) -> dict[str, Template]:
    app = cdk.App(context=cdk_json_context(Path(__file__).parents[2] / "cdk.json"))
    settings = check(content, source=SOURCE)
    add_fleet(
        app,
        name="test",
        settings=settings,
        source=SOURCE,
        env=cdk.Environment(account=settings.account, region=settings.region),
    )
    if checked:
        cdk.Validations.of(app).add_plugins(*nag_packs(app))
    app.synth()
    return {stack.node.id: Template.from_stack(stack) for stack in app.node.children if isinstance(stack, cdk.Stack)}


def refused(content: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        fleet(content)
    return [problem.removeprefix(f"{SOURCE}: ") for problem in caught.value.problems]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """An environment with all of it, which four rule packs let pass."""
    component = {
        "model": {
            "id": "meta-llama/Llama-3.2-3B-Instruct",
            "hugging_face": "meta-llama/Llama-3.2-3B-Instruct",
            "revision": REVISION,
            "token_secret": "hugging-face",
            "exclude": ["*.md"],
        },
        "server": {"lora": LORA, "context_length": 8192},
        "adapters": {
            "triage": {"key": "adapters/triage-1.tar.gz"},
            "billing": {"s3": "s3://models/adapters/billing.tar.gz"},
        },
    }
    return fleet(environment(component=component, image={"build": {"digest": f"sha256:{'a' * 64}"}}), checked=True)


def test_the_image_is_built_by_the_foundation_once(everything: dict[str, Template]) -> None:
    everything["Foundation"].resource_count_is("AWS::CodeBuild::Project", 1)
    everything["Foundation"].has_resource_properties(
        "AWS::SSM::Parameter", {"Name": "/cdk-sglang/test/images-repository"}
    )
    names = [
        parameter["Properties"]["Name"]
        for parameter in everything["Foundation"].find_resources("AWS::SSM::Parameter").values()
    ]
    assert sum("image-digest-" in name for name in names) == 1


def test_endpoints_take_the_image_by_the_digest_of_the_foundation(everything: dict[str, Template]) -> None:
    model = next(iter(everything["Serving-chat"].find_resources("AWS::SageMaker::Model").values()))
    parts = model["Properties"]["PrimaryContainer"]["Image"]["Fn::Join"][1]

    assert "imagesrepository" in str(parts)
    assert "imagedigest" in str(parts[-1]["Ref"])
    assert str(parts[-2]).endswith("@")


def test_the_model_is_staged_into_the_environments_bucket(everything: dict[str, Template]) -> None:
    staged = everything["Serving-chat"].find_resources("Custom::CdkSglangBuild")

    assert staged
    assert all("weightsbucket" in str(resource) for resource in staged.values())


def test_adapters_are_on_their_component(everything: dict[str, Template]) -> None:
    adapters = [
        resource["Properties"]["InferenceComponentName"]
        for resource in everything["Serving-chat"].find_resources("AWS::SageMaker::InferenceComponent").values()
        if "BaseInferenceComponentName" in str(resource)
    ]
    assert sorted(adapters) == ["test-chat-llama-billing", "test-chat-llama-triage"]


def test_a_folder_of_an_adapter_is_checked_with_its_place_in_the_file(adapter_folder: Callable[..., Path]) -> None:
    folder = adapter_folder(rank=32)
    component = {"server": {"lora": LORA}, "adapters": {"triage": {"folder": str(folder)}}}

    (problem,) = refused(environment(component=component, image=BUILT))
    assert problem.startswith("endpoints.chat.components.llama.adapters.triage: rank 32 is over ")


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ({"max_rank": 64}, {"max_rank": 16}),
        ({"max_loras_per_batch": 32}, {}),  # 8 by default
        ({}, {"target_modules": ["q_proj", "o_proj"]}),
        ({}, None),
    ],
)
def test_adapters_take_memory_from_the_plan(more: dict[str, Any], less: dict[str, Any] | None) -> None:
    def cache_gib(lora: dict[str, Any] | None) -> float:
        server = {"context_length": 8192, **({"lora": {**LORA, **lora}} if lora is not None else {})}
        component = {"model": {"id": "meta-llama/Llama-3.2-3B-Instruct", "prefix": "weights/llama/"}, "server": server}
        settings = check(environment(component=component, image=BUILT), source=SOURCE)
        return resolve_fleet(settings, name="test").plan.endpoints[0].components[0].memory.cache_gib

    assert cache_gib(more) < cache_gib(less)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"hugging_face": "Qwen/Qwen3-8B"}, "revision: missing; give the commit, 40 hexadecimal digits, from https://"),
        ({"hugging_face": "Qwen/Qwen3-8B", "revision": "main"}, "model.revision: 'main' can move"),
        ({"prefix": "a/", "revision": REVISION}, "revision: goes with hugging_face; remove it"),
        ({"prefix": "a/", "s3": "s3://b/a/"}, "give exactly one of hugging_face, prefix and s3"),
        ({}, "give exactly one of hugging_face, prefix and s3"),
        (
            {"hugging_face": "Qwen/Qwen3-8B", "revision": REVISION, "token_secret": "hf_abcdefghijklmnopqrstuvwx"},
            "holds a Hugging Face token; files are read by many, so revoke it",
        ),
        (
            {"hugging_face": "Qwen/Qwen3-8B", "revision": REVISION, "token_secret": "my token"},
            "'my token' is neither name nor ARN of a secret in Secrets Manager",
        ),
    ],
)
def test_a_model_that_cannot_be_meant(model: dict[str, Any], message: str) -> None:
    problems = refused(environment(component={"model": model}))

    assert len(problems) == 1
    assert problems[0].startswith("endpoints.chat.components.llama.model")
    assert message in problems[0]
    assert "hf_abc" not in problems[0]


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ({}, "give exactly one of folder, key and s3"),
        ({"key": "adapters/a.zip"}, "does not end in .tar.gz, as SageMaker requires"),
        ({"s3": "https://a/b.tar.gz"}, "is not an S3 URI; use s3://bucket/adapters/name.tar.gz"),
        ({"folder": "a", "config": "b"}, "config: the folder has its own; remove it"),
        ({"folder": "nowhere"}, "adapters.triage: nowhere: no such folder; give the one PEFT's save_pretrained wrote"),
    ],
)
def test_an_adapter_that_cannot_be_meant(adapter: dict[str, Any], message: str) -> None:
    component = {"server": {"lora": LORA}, "adapters": {"triage": adapter}}
    problems = refused(environment(component=component, image=BUILT))

    assert len(problems) == 1
    assert message in problems[0]


def test_adapters_need_an_image_of_ours() -> None:
    (problem,) = refused(
        environment(component={"server": {"lora": LORA}, "adapters": {"triage": {"key": "adapters/a.tar.gz"}}})
    )
    assert "AWS's own SGLang container has no adapter API" in problem


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({}, "image: give exactly one of build, dlc and repository"),
        ({"build": {"digest": "latest"}}, "image.build.digest: 'latest' is not a digest; use 'sha256:'"),
        ({"build": {}}, "image.build: give exactly one of digest (`cdk-sglang image pin` looks it up) and unpinned"),
        (
            {"build": {"base": "vllm", "unpinned": "tried"}},
            "image.build.base: 'vllm' is not allowed; known: dlc, upstream",
        ),
        ({"dlc": "latest"}, "image.dlc: 'latest' is not allowed"),
    ],
)
def test_an_image_that_cannot_be_meant(image: dict[str, Any], message: str) -> None:
    (problem,) = refused(environment(image=image))

    assert message in problem


def test_an_endpoint_may_have_another_image_than_its_environment() -> None:
    content = environment(image=BUILT)
    content["endpoints"]["chat"]["image"] = {"dlc": "0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker"}
    model = next(iter(fleet(content)["Serving-chat"].find_resources("AWS::SageMaker::Model").values()))

    assert "dkr.ecr" in str(model["Properties"]["PrimaryContainer"]["Image"])
    assert "imagedigest" not in str(model)
