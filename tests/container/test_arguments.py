"""`SM_SGLANG_*` to arguments, on a small parser: SGLang's own is asked in test_argument_vectors.py."""

from __future__ import annotations

import argparse

import pytest
from cdk_sglang_container.arguments import build_arguments
from cdk_sglang_container.flags import Flags
from cdk_sglang_container.refused import RefusedError
from cdk_sglang_container.settings import Settings


def _flags() -> Flags:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-path", "--model")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--api-key")
    parser.add_argument("--tp-size", "--tensor-parallel-size", type=int)
    parser.add_argument("--pp-size", type=int)
    parser.add_argument("--pp-async-batch-depth", type=int)
    parser.add_argument("--enable-metrics", action="store_true")
    parser.add_argument("--strict", action=argparse.BooleanOptionalAction)
    parser.add_argument("--lora-paths", nargs="*")
    parser.add_argument("--lora-target-modules", nargs="*", choices=["q_proj", "v_proj", "all"])
    parser.add_argument("--buckets", nargs="+", type=float)
    parser.add_argument("--chunked-prefill-size", type=int)
    parser.add_argument("--model-checksum", nargs="?")
    parser.add_argument("--override", type=str)
    parser.add_argument("--dtype", choices=["auto", "float32"])
    parser.add_argument("--uvicorn-access-log-exclude-prefixes", nargs="*")
    return Flags.from_parser(parser)


def _build(**variables: str) -> list[str]:
    arguments = build_arguments(variables, flags=_flags(), settings=Settings())
    ends = ["--uvicorn-access-log-exclude-prefixes", "/ping", "--host", "0.0.0.0", "--port", "8080"]
    assert arguments[-6:] == ends
    return arguments[:-6]


DEFAULT_MODEL = ["--model-path", "/opt/ml/model"]


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ({}, []),
        ({"SM_SGLANG_ENABLE_METRICS": "true"}, ["--enable-metrics"]),
        ({"SM_SGLANG_ENABLE_METRICS": "TRUE"}, ["--enable-metrics"]),
        ({"SM_SGLANG_ENABLE_METRICS": ""}, ["--enable-metrics"]),
        ({"SM_SGLANG_ENABLE_METRICS": "false"}, []),
        ({"SM_SGLANG_STRICT": "false"}, ["--no-strict"]),
        ({"SM_SGLANG_NO_STRICT": "true"}, ["--no-strict"]),
        ({"SM_SGLANG_NO_STRICT": "false"}, ["--strict"]),
        ({"SM_SGLANG_TENSOR_PARALLEL_SIZE": "4"}, ["--tensor-parallel-size", "4"]),
        ({"SM_SGLANG_TP": "4"}, ["--tp-size", "4"]),
        ({"SM_SGLANG_PP": "2"}, ["--pp-size", "2"]),
        ({"SM_SGLANG_TP_SIZE": "false"}, []),
        ({"SM_SGLANG_CHUNKED_PREFILL_SIZE": "-1"}, ["--chunked-prefill-size", "-1"]),
        ({"SM_SGLANG_OVERRIDE": "--looks-like-a-flag"}, ["--override=--looks-like-a-flag"]),
        ({"SM_SGLANG_OVERRIDE": '{"a": true, "b": [1]}'}, ["--override", '{"a": true, "b": [1]}']),
        ({"SM_SGLANG_LORA_PATHS": "a=/x b=/y"}, ["--lora-paths", "a=/x", "b=/y"]),
        ({"SM_SGLANG_LORA_PATHS": '"a=/with space" b=/y'}, ["--lora-paths", "a=/with space", "b=/y"]),
        ({"SM_SGLANG_LORA_PATHS": '["a=/x", {"lora_name": "b"}]'}, ["--lora-paths", "a=/x", '{"lora_name":"b"}']),
        ({"SM_SGLANG_LORA_PATHS": '{"lora_name": "b"}'}, ["--lora-paths", '{"lora_name": "b"}']),
        ({"SM_SGLANG_BUCKETS": "0.1 1 10"}, ["--buckets", "0.1", "1", "10"]),
        ({"SM_SGLANG_BUCKETS": "[0.1, 1]"}, ["--buckets", "0.1", "1"]),
        ({"SM_SGLANG_MODEL_CHECKSUM": "true"}, ["--model-checksum"]),
        ({"SM_SGLANG_ENGINE": ""}, []),
        ({"UNRELATED": "x", "SM_SGLANGX": "y"}, []),
    ],
)
def test_a_variable_becomes_arguments(variables: dict[str, str], arguments: list[str]) -> None:
    assert _build(**variables) == arguments + DEFAULT_MODEL


@pytest.mark.parametrize("variable", ["SM_SGLANG_MODEL_PATH", "SM_SGLANG_MODEL"])
def test_a_model_given_by_any_name_replaces_the_default(variable: str) -> None:
    assert "/opt/ml/model" not in _build(**{variable: "org/model"})


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"SM_SGLANG_HOST": "127.0.0.1"},
            "SM_SGLANG_HOST: cannot be set: the container listens where SageMaker calls it",
        ),
        ({"SM_SGLANG_PORT": "1"}, "SM_SGLANG_PORT: cannot be set: SageMaker calls port 8080"),
        ({"SM_SGLANG_API_KEY": "s"}, "SM_SGLANG_API_KEY: cannot be set: SageMaker's health check carries no key"),
        ({"SM_SGLANG_OVERRIDE": "a\nb"}, "SM_SGLANG_OVERRIDE: must be one line, got 2"),
        (
            {"SM_SGLANG_MODEL": "a", "SM_SGLANG_MODEL_PATH": "b"},
            "SM_SGLANG_MODEL_PATH: is the same flag as SM_SGLANG_MODEL",
        ),
        ({"SM_SGLANG_STRICT": "true", "SM_SGLANG_NO_STRICT": "true"}, "is the same flag as"),
        ({"SM_SGLANG_ENABLE_METRICS": "yes"}, "--enable-metrics is on or off: 'true' or 'false', got 'yes'"),
        ({"SM_SGLANG_DTYPE": "float33"}, "SM_SGLANG_DTYPE: must be one of auto, float32, got 'float33'"),
        ({"SM_SGLANG_LORA_TARGET_MODULES": "q_proj x"}, "must be one of q_proj, v_proj, all, got 'x'"),
        ({"SM_SGLANG_TP_SIZE": ""}, "--tp-size needs one value, got ''"),
        ({"SM_SGLANG_TP_SIZE": "true"}, "--tp-size needs one value, got 'true'"),
        ({"SM_SGLANG_TP_SIZ3": "1"}, "SGLang has no flag --tp-siz3; did you mean SM_SGLANG_TP_SIZE"),
        ({"SM_SGLANG_MODE": "x"}, "is the beginning of several flags; name one of SM_SGLANG_MODEL,"),
        ({"SM_SGLANG_LORA_PATHS": '["a'}, "is not a JSON list"),
        ({"SM_SGLANG_LORA_PATHS": 'a "b'}, "cannot be split into values (No closing quotation)"),
        ({"SM_SGLANG_LORA_PATHS": "a=/x --port 1"}, "a value of a list cannot begin with '-', got '--port'"),
        ({"SM_SGLANG_ENGINE": "diffusion"}, "serves language models only, got 'diffusion'"),
    ],
)
def test_a_trap_is_refused_with_the_way_out(variables: dict[str, str], message: str) -> None:
    with pytest.raises(RefusedError) as refused:
        _build(**variables)
    assert any(message in problem for problem in refused.value.problems), refused.value.problems
    assert refused.value.exit_code == 2


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(RefusedError) as refused:
        _build(SM_SGLANG_HOST="x", SM_SGLANG_NOPE="x", SM_SGLANG_DTYPE="x")
    assert len(refused.value.problems) == 3


def test_the_order_of_the_environment_does_not_matter() -> None:
    variables = {"SM_SGLANG_TP_SIZE": "2", "SM_SGLANG_DTYPE": "auto", "SM_SGLANG_STRICT": "true"}
    assert _build(**variables) == _build(**dict(reversed(variables.items())))
