from __future__ import annotations

import re

import botocore.session
import pytest

from cdk_sglang.engine import SglangOptions, environment_problems, limits

PATH = "endpoints.chat.components.llama.environment"


def test_the_limits_are_those_of_sagemakers_api_model() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    assert model.shape_for("EnvironmentMap").metadata["max"] == limits.MAX_ENTRIES
    key, value = model.shape_for("EnvironmentKey"), model.shape_for("EnvironmentValue")
    assert key.metadata["max"] == limits.MAX_KEY_LENGTH
    assert key.metadata["pattern"] == limits.KEY_PATTERN
    assert value.metadata["max"] == limits.MAX_VALUE_LENGTH
    container = model.shape_for("ContainerDefinition").members["Environment"].documentation
    assert f"is {limits.MAX_TOTAL_LENGTH // 1024} KB" in container
    component = model.shape_for("InferenceComponentContainerSpecification").members["Environment"].documentation
    assert f"up to {limits.MAX_ENTRIES_IN_COMPONENT} entries" in component


def test_takes_plain_variables() -> None:
    env = {
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "4",
        "EOS_TOKEN": "</s>",
        "MAX_TOKENS": "64",
        "_x9": "",
    }
    assert environment_problems(env, PATH) == []


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("1ST", "x", "SageMaker takes names of letters, digits and '_' that do not start with a digit"),
        ("A-B", "x", "SageMaker takes names of letters, digits and '_' that do not start with a digit"),
        ("A\n", "x", "SageMaker takes names of letters, digits and '_' that do not start with a digit"),
        ("A" * 1025, "x", "the name has 1025 characters, SageMaker takes 1024"),
        ("A", "x" * 1025, "the value has 1025 characters, SageMaker takes 1024; put it in a file beside the model"),
    ],
)
def test_refuses_what_sagemaker_would_refuse(name: str, value: str, why: str) -> None:
    assert environment_problems({name: value}, PATH) == [f"{PATH}.{name}: {why}"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (
            "SAGEMAKER_BIND_TO_PORT",
            "SageMaker calls port 8080 of the container, and the health check with it; leave it out",
        ),
        ("CDK_SGLANG_PORT", "SageMaker calls port 8080 of the container, and the health check with it; leave it out"),
        ("CDK_SGLANG_HOST", "the container listens where SageMaker calls it; leave it out"),
        ("cdk_sglang_model_dir", "SageMaker mounts the model at /opt/ml/model; choose it with model"),
        ("SGLANG_PORT", "one copy runs on one instance, where SGLang finds free ports itself; leave it out"),
        ("CUDA_VISIBLE_DEVICES", "SageMaker decides which GPUs a copy sees; leave it out"),
        ("SM_SGLANG_PORT", "SageMaker calls port 8080, where the container listens; leave it out"),
        ("SM_SGLANG_HOST", "the container listens where SageMaker calls it; leave it out"),
        ("SM_SGLANG_GRPC_PORT", "SageMaker needs SGLang's HTTP server on port 8080; leave it out"),
    ],
)
def test_refuses_what_would_move_the_port_the_address_or_the_gpus(name: str, why: str) -> None:
    assert environment_problems({name: "1"}, PATH) == [f"{PATH}.{name}: cannot be set: {why}"]


def test_takes_names_and_values_at_the_limit() -> None:
    assert environment_problems({"A" * 1024: "x" * 1024}, PATH) == []


def test_counts_entries_with_those_of_the_options() -> None:
    rendered = SglangOptions(tp_size=2).environment()
    assert environment_problems({f"V{i}": "" for i in range(98)}, PATH, rendered=rendered) == []
    assert environment_problems({f"V{i}": "" for i in range(99)}, PATH, rendered=rendered) == [
        f"{PATH}: 101 variables (99 written by hand, the others from the options), SageMaker takes 100; leave some out"
    ]
    assert environment_problems(
        {f"V{i}": "" for i in range(15)}, PATH, rendered=rendered, carrier="inference-component"
    ) == [
        (
            f"{PATH}: 17 variables (15 written by hand, the others from the options), SageMaker takes 16; "
            "describe the container in a model, which takes 100"
        )
    ]


def test_counts_all_characters() -> None:
    env = {f"V{i:03}": "x" * 1000 for i in range(33)}
    assert environment_problems(env, PATH) == [
        f"{PATH}: 33132 characters in all, SageMaker takes 32768; put long values in files"
    ]


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "hf_token", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY", "WANDB_APIKEY", "CLIENT_SECRET", "DB_PASSWORD",
     "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "TOKEN"],
)  # fmt: skip
def test_refuses_a_secret_by_its_name_without_repeating_it(name: str) -> None:
    (line,) = environment_problems({name: "swordfish"}, PATH)
    assert line == (
        f"{PATH}.{name}: the name says that this is a secret; environment variables are readable with DescribeModel: "
        "put it in Secrets Manager and hand over its ARN"
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("hf_" + "a" * 34, "a Hugging Face token"),
        ("AKIA" + "A1" * 8, "an AWS access key"),
        ("ghp_" + "a" * 36, "a GitHub token"),
        ("--header=sk-" + "a" * 40, "an API key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", "a private key"),
    ],
)
def test_refuses_a_secret_by_its_value_without_repeating_it(value: str, kind: str) -> None:
    (line,) = environment_problems({"SETTING": value}, PATH)
    assert line.startswith(f"{PATH}.SETTING: the value looks like {kind}; ")
    assert value not in line


def test_finds_a_secret_among_the_options_too() -> None:
    options = SglangOptions(model_loader_extra_config={"token": "hf_" + "b" * 34})
    (line,) = environment_problems({}, PATH, rendered=options.environment())
    assert re.search(r"SM_SGLANG_MODEL_LOADER_EXTRA_CONFIG: the value looks like a Hugging Face token", line)


@pytest.mark.parametrize("value", ["arn:aws:secretsmanager:us-east-1:111122223333:secret:hf", "${Token[TOKEN.7]}", ""])
def test_takes_a_reference_to_a_secret(value: str) -> None:
    assert environment_problems({"HF_TOKEN": value}, PATH) == []


def test_sends_sglangs_variables_to_the_options() -> None:
    assert environment_problems(
        {
            "SM_SGLANG_TP_SIZE": "2",
            "SM_SGLANG_LORA_BACKEND": "triton",
            "SM_SGLANG_LOG_LEVEL": "error",
            "SM_SGLANG_ENGINE": "diffusion",
        },
        PATH,
    ) == [
        f"{PATH}.SM_SGLANG_ENGINE: set by the server options, and SGLang has no such option; remove it",
        f"{PATH}.SM_SGLANG_LOG_LEVEL: set by the server options; use server.extra.log_level",
        f"{PATH}.SM_SGLANG_LORA_BACKEND: set by the server options; use server.lora.backend",
        f"{PATH}.SM_SGLANG_TP_SIZE: set by the server options; use server.tp_size",
    ]
