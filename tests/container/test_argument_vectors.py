"""Every argument vector the entry emits, judged by SGLang's own parser and resolver (one process for the whole file)."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_server import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cdk_sglang import ConfigurationError, SglangOptions
from localcloud.engine.recipe import engine_environment, engine_python
from tests.engine.strategies import a_few_options

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
        {"CONTEXT_LENGTH": "16384"},
        {"SPECULATIVE_ALGORITHM": "MTP"},
        {"CHUNKED_PREFILL_SIZE": "100", "PAGE_SIZE": "16"},
        {"ENABLE_HIERARCHICAL_CACHE": "true", "DISABLE_RADIX_CACHE": "true"},
        {"MAX_RUNNING_REQUESTS": "many"},
        {"KV_CACHE_DTYPE": "fp4_mx_block16"},  # a RuntimeError, where there is no GPU
    ],
)
def test_what_sglang_refuses_is_one_line_of_ours(ask: Ask, variables: dict[str, str]) -> None:
    environment = {f"SM_SGLANG_{name}": value for name, value in variables.items()}
    (problem,) = ask({"environment": environment, "resolve": True})["refused"]
    assert problem.startswith("SGLang")
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"CDK_SGLANG_MODEL_DIR": "/nowhere"}, "model folder /nowhere: is not there"),
        ({"SM_SGLANG_MEM_FRACTION_STATIC": "1.5", "SM_SGLANG_HICACHE_STORAGE_BACKEND": "file"}, "between 0 and 1"),
        ({"SM_SGLANG_CONTEXT_LENGTH": "999999"}, "SGLang refuses these settings"),
        ({"SM_SGLANG_TP_SIZE": "two"}, "SGLang's parser refuses"),
        ({"SM_SGLANG_CONTEX_LENGTH": "1024"}, "did you mean SM_SGLANG_CONTEXT_LENGTH"),
    ],
)
def test_settings_that_cannot_serve_are_refused_before_loading(
    ask: Ask, variables: dict[str, str], message: str
) -> None:
    done = ask({"environment": variables, "start": True})
    assert done["code"] == 2
    assert message in done["stderr"]
    assert "Traceback" not in done["stderr"]


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


# What SGLang says of the GPU that this machine has not, or of the tiny Llama: no other refusal is left to it.
_HARDWARE_OR_MODEL = re.compile(
    r"CUDA|\bGPUs?\b|SM ?\d\d|CpuPlatform|Unknown quantization method|not validated for|backend 'intel_amx'"
    r"|no prediction layers of its own"
)
_ONE_OF = st.sampled_from


def _realistic(draft: str) -> dict[str, st.SearchStrategy[Any]]:
    """Values as users write them: of a real machine, within the tiny model's context, paths that are there."""
    widths = ("tp_size", "attn_dp_size", "ep_size")
    return {
        **dict.fromkeys(widths, _ONE_OF([1, 2, 4, 8])),
        **dict.fromkeys(("pp_size", "dp_size"), _ONE_OF([1, 2])),
        "chat_template": _ONE_OF(["llama-2", "chatml"]),
        "chunked_prefill_size": _ONE_OF([-1, 512, 4096]),
        "context_length": _ONE_OF([512, 2048]),
        "draft_model_path": st.just(draft),
        "draft_model_revision": st.just("main"),
        "eagle_topk": _ONE_OF([1, 4]),
        "extra": st.just({}),
        "max_prefill_tokens": _ONE_OF([4096, 16384]),
        "max_running_requests": _ONE_OF([1, 48, 256]),
        "max_total_tokens": _ONE_OF([2048, 16384]),
        "model_loader_extra_config": st.just({"num_threads": 4}),
        "num_draft_tokens": _ONE_OF([3, 4, 8]),
        "num_steps": _ONE_OF([2, 3]),
        "page_size": _ONE_OF([1, 16, 64]),
        "storage_extra_config": st.just({}),
        "token_map": st.just(f"{draft}/config.json"),
    }


def test_settings_that_synth_lets_pass_are_accepted_by_sglangs_parser_and_resolver(
    ask: Ask, models: dict[str, Path]
) -> None:
    resolved = 0

    @settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(fields=a_few_options(_realistic(str(models["base"])), most=6))
    def check(fields: dict[str, Any]) -> None:
        nonlocal resolved
        try:
            options = SglangOptions.model_validate(fields)
        except (ConfigurationError, ValidationError):
            return
        if options.problems("server", model_max_context=2048):
            return
        answer = ask({"environment": options.environment(), "resolve": True, "on_cpu": False})
        refusals = [line for line in answer.get("refused", ()) if not _HARDWARE_OR_MODEL.search(line)]
        assert refusals == [], options.environment()
        resolved += "refused" not in answer

    check()
    assert resolved > 100


_SILENT = [
    {"mem_fraction_static": "1.5"},
    {"speculative_draft_model_path": "."},
    {"hicache_storage_backend": "file"},
    {"load_format": "remote_instance"},
    {"attention_backend": "fa3"},
    {"kv_cache_dtype": "fp8_e4m3"},
]


@pytest.mark.parametrize("variables", _SILENT, ids=[next(iter(row)) for row in _SILENT])
def test_what_sglang_takes_without_a_word_and_serves_wrongly_is_refused_by_the_entry(
    ask: Ask, models: dict[str, Path], variables: dict[str, str]
) -> None:
    base = str(models["base"])
    environment = {f"SM_SGLANG_{name.upper()}": base if text == "." else text for name, text in variables.items()}
    assert "refused" not in ask({"environment": environment, "resolve": True, "rules": False})
    (problem,) = ask({"environment": environment, "resolve": True})["refused"]
    assert problem.startswith(next(iter(environment)))


_known: list[str] = []


def _owned(ask: Ask) -> list[str]:
    if not _known:
        _known.extend(ask({"describe": True})["owned"])
    return _known
