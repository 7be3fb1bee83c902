"""Every argument vector the entry emits, judged by SGLang's own parser and resolver (one process for the whole file)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_server import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.engine.recipe import engine_environment, engine_python

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

Ask = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def ask(models: dict[str, Path]) -> Iterator[Ask]:
    environment = engine_environment({**os.environ, "PYTHONPATH": str(ROOT / "container"), "PYTHONWARNINGS": "ignore"})
    command = [str(engine_python()), str(Path(__file__).with_name("vector_checker.py"))]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask_once(request: dict[str, Any]) -> dict[str, Any]:
            if "environment" in request:
                request["environment"] = {"CDK_SGLANG_MODEL_DIR": str(models["base"]), **request["environment"]}
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield ask_once
        stdin.close()


@pytest.fixture(scope="module")
def flags(ask: Ask) -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = ask({"describe": True})["flags"]
    return described


def test_every_field_the_contract_owns_is_still_a_field_of_sglang(ask: Ask, flags: list[dict[str, Any]]) -> None:
    assert set(ask({"describe": True})["owned"]) <= {flag["dest"] for flag in flags}


@pytest.mark.parametrize(
    ("variables", "values"),
    [
        ({}, {"port": "8080", "host": "'0.0.0.0'"}),
        ({"TP": "2"}, {"tp_size": "2"}),
        ({"CONTEXT_LENGTH": "1024", "DTYPE": "bfloat16"}, {"context_length": "1024"}),
        ({"ENABLE_METRICS": "true", "TRUST_REMOTE_CODE": "false"}, {"enable_metrics": "True"}),
        (
            {"ENABLE_LORA": "true", "MAX_LORA_RANK": "8", "LORA_TARGET_MODULES": "q_proj v_proj"},
            {"enable_lora": "True"},
        ),
        ({"LORA_TARGET_MODULES": '["all"]', "MAX_LORA_RANK": "8", "ENABLE_LORA": ""}, {"max_lora_rank": "8"}),
        ({"NO_LORA_STRICT_LOADING": "true"}, {"lora_strict_loading": "False"}),
        ({"LORA_STRICT_LOADING": "false"}, {"lora_strict_loading": "False"}),
        ({"CHUNKED_PREFILL_SIZE": "-1"}, {"chunked_prefill_size": "-1"}),
        ({"MEM_FRACTION_STATIC": "0.8"}, {"mem_fraction_static": "0.8"}),
        ({"TOOL_CALL_PARSER": "qwen25", "REASONING_PARSER": "qwen3"}, {"tool_call_parser": "'qwen25'"}),
        ({"BUCKET_TIME_TO_FIRST_TOKEN": "0.1 0.5 1"}, {"bucket_time_to_first_token": "[0.1, 0.5, 1.0]"}),
        ({"MODEL": "/elsewhere"}, {"model_path": "'/elsewhere'"}),
        ({"JSON_MODEL_OVERRIDE_ARGS": '{"rope_theta": 1e4}'}, {"json_model_override_args": "'{\"rope_theta\": 1e4}'"}),
    ],
)
def test_sglang_reads_what_was_meant(ask: Ask, variables: dict[str, str], values: dict[str, str]) -> None:
    environment = {f"SM_SGLANG_{name}": value for name, value in variables.items()}
    resolvable = "MODEL" not in variables and "TP" not in variables
    answer = ask({"environment": environment, "resolve": resolvable})
    assert {key: answer["values"][key] for key in values} == values, answer


@pytest.mark.parametrize(
    "variables",
    [
        {"ENABLE_LORA": "true"},
        {"CONTEXT_LENGTH": "4096"},
        {"SPECULATIVE_ALGORITHM": "MTP"},
        {"CHUNKED_PREFILL_SIZE": "100", "PAGE_SIZE": "16"},
        {"ENABLE_HIERARCHICAL_CACHE": "true", "DISABLE_RADIX_CACHE": "true"},
        {"MAX_RUNNING_REQUESTS": "many"},
    ],
)
def test_what_sglang_refuses_is_one_line_of_ours(ask: Ask, variables: dict[str, str]) -> None:
    environment = {f"SM_SGLANG_{name}": value for name, value in variables.items()}
    (problem,) = ask({"environment": environment, "resolve": True})["refused"]
    assert problem.startswith("SGLang")
    assert "\n" not in problem


def _value(flag: dict[str, Any]) -> st.SearchStrategy[str]:
    """Values a flag of this kind can take."""
    if flag["arity"] == "SWITCH":
        return st.sampled_from(["true", "false", ""])
    if flag["choices"]:
        one: st.SearchStrategy[str] = st.sampled_from(flag["choices"])
    elif flag["type"] in {"int", "human_readable_int", "nullable_str"}:
        one = st.integers(min_value=-5, max_value=10**6).map(str)
    elif flag["type"] == "float":
        one = st.floats(min_value=-5, max_value=1e6, allow_nan=False).map(lambda value: f"{value:.6f}")
    elif flag["type"] in {"loads", "json_list_type"}:
        one = st.just('["a", {"b": 1}]')
    else:
        words = st.text(st.characters(codec="ascii", exclude_categories=("C",)), min_size=1, max_size=12)
        one = words.filter(lambda text: text.strip().lower() not in {"", "true", "false"} and text[0] not in "[{-")
    if flag["arity"] == "VALUES":
        return st.lists(one, min_size=1, max_size=3).map(json.dumps)
    return one


# Their values have a grammar of their own, which random text does not meet.
_OWN_GRAMMAR = {"lora_paths", "cuda_graph_config", "json_model_override_args"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_valid_settings_become_a_vector_that_sglangs_parser_takes(
    ask: Ask, flags: list[dict[str, Any]], data: st.DataObject
) -> None:
    usable = [
        flag
        for flag in flags
        if flag["dest"] not in _OWN_GRAMMAR
        and not str(flag["type"]).startswith("parse_")
        and flag["dest"] not in set(_owned(ask))
    ]
    chosen = data.draw(st.lists(st.sampled_from(usable), max_size=6, unique_by=lambda flag: flag["dest"]))
    environment = {}
    for flag in chosen:
        option = data.draw(st.sampled_from(flag["options"]))
        environment["SM_SGLANG_" + option[2:].replace("-", "_").upper()] = data.draw(_value(flag))
    answer = ask({"environment": environment})
    refusals = [problem for problem in answer.get("refused", ()) if problem.startswith("SGLang's parser")]
    assert refusals == [], (environment, answer)


_known: list[str] = []


def _owned(ask: Ask) -> list[str]:
    if not _known:
        _known.extend(ask({"describe": True})["owned"])
    return _known
