"""What of a body may go on to SGLang, field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cdk_sglang_container.admission import check_request, parse
from cdk_sglang_container.fields import FIELDS
from cdk_sglang_container.http import HttpError
from cdk_sglang_container.limits import RequestLimits

LIMITS = RequestLimits(vocabulary=261, context=2048)


def _nested(levels: int) -> str:
    return '{"type": "array", "items": ' * levels + "{}" + "}" * levels


def _chained(rules: int) -> str:
    return "root ::= r0\n" + "\n".join(f'r{rule} ::= r{rule + 1} | "a"' for rule in range(rules))


def _object(properties: int, **more: int) -> dict[str, Any]:
    return {"type": "object", "properties": {f"p{index}": {"type": "string"} for index in range(properties)}, **more}


def _refusal(request: dict[str, Any], limits: RequestLimits = LIMITS) -> HttpError:
    with pytest.raises(HttpError) as refused:
        check_request(request, limits)
    assert refused.value.status == 400
    return refused.value


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        ({"top_logprobs": 300}, "top_logprobs", "a whole number from 0 to 20; got 300"),
        ({"top_logprobs": -1}, "top_logprobs", "a whole number from 0 to 20; got -1"),
        ({"top_logprobs": True}, "top_logprobs", "a whole number from 0 to 20; got true"),
        ({"top_logprobs_num": [1, 300]}, "top_logprobs_num", "a whole number from 0 to 20; got 300"),
        ({"logprobs": 1_000_000}, "logprobs", "a whole number from 0 to 20; got 1000000"),
        ({"top_k": 2**31}, "top_k", "a whole number from -1 to 1073741824; got 2147483648"),
        ({"top_k": "2147483648"}, "top_k", "a whole number from -1 to 1073741824; got '2147483648'"),
        ({"input_ids": [1, 999_999]}, "input_ids", "token ids from 0 to 260, the model's vocabulary; got 999999"),
        ({"input_ids": [1, -1]}, "input_ids", "token ids from 0 to 260, the model's vocabulary; got -1"),
        ({"input_ids": [[1], [261]]}, "input_ids", "token ids from 0 to 260"),
        ({"input_ids": [1, "2"]}, "input_ids", "token ids from 0 to 260"),
        ({"input_ids": [True]}, "input_ids", "token ids from 0 to 260"),
        ({"prompt": [999_999]}, "prompt", "token ids from 0 to 260"),
        ({"prompt": [[1, 2], [999_999]]}, "prompt", "token ids from 0 to 260"),
        ({"token_ids_logprob": [261]}, "token_ids_logprob", "token ids from 0 to 260"),
        ({"stop_token_ids": [999_999]}, "stop_token_ids", "token ids from 0 to 260"),
        ({"logit_bias": {"261": 1}}, "logit_bias", "an object of token ids (0 to 260)"),
        ({"logit_bias": {"5": 1e39}}, "logit_bias", "numbers from -100 to 100"),
        ({"logit_bias": {"9" * 5000: 1}}, "logit_bias", "an object of token ids"),
        ({"logit_bias": [1]}, "logit_bias", "an object of token ids"),
        ({"n": 500}, "n", "a whole number from 1 to 64; got 500"),
        ({"n": 0}, "n", "a whole number from 1 to 64; got 0"),
        ({"best_of": 500}, "best_of", "a whole number from 1 to 64"),
        ({"max_tokens": 2049}, "max_tokens", "a whole number from 0 to 2048; got 2049"),
        ({"min_tokens": 10**12}, "min_tokens", "a whole number from 0 to 2048"),
        ({"logprob_start_len": 10**6}, "logprob_start_len", "a whole number from -1 to 2048"),
        ({"seed": 2**63}, "seed", "a whole number from -9223372036854775808 to 9223372036854775807"),
        ({"options": {"seed": []}}, "options", "an object with one number each for temperature"),
        ({"options": {"temperature": [0.5]}}, "options", "an object with one number each for temperature"),
        ({"priority": 2**63}, "priority", "a whole number from -2147483648 to 2147483647"),
        ({"bootstrap_room": 2**70}, "bootstrap_room", "a whole number from 0 to"),
        ({"routed_dp_rank": -1}, "routed_dp_rank", "a whole number from 0 to"),
        ({"temperature": "0.5"}, "temperature", "a number from 0 to 1e+09; got '0.5'"),
        ({"repetition_penalty": 1e-300}, "repetition_penalty", "a number from 0.01 to 2"),
        ({"rid": ["a"]}, "rid", "a text of 8 to 256"),
        ({"rid": "a"}, "rid", "a text of 8 to 256"),
        ({"rid": "HEALTH_CHECK_1"}, "rid", "does not begin with HEALTH_CHECK"),
        ({"lora_id": "x"}, "lora_id", "left out: it is set by the server"),
        ({"http_worker_ipc": "ipc:///tmp/x"}, "http_worker_ipc", "left out"),
        ({"session_params": {"id": "x", "bogus": 1}}, "session_params", "an object with drop_previous_output, id"),
        ({"session_params": {"offset": "y"}}, "session_params", "an object with"),
        ({"chat_template_kwargs": {"tokenize": True}}, "chat_template_kwargs", "an object without tokenize"),
        ({"chat_template_kwargs": [1]}, "chat_template_kwargs", "an object; got [1]"),
        ({"stop_regex": "(["}, "stop_regex", "a regular expression (unterminated"),
        ({"stop_regex": "(a+)+$"}, "stop_regex", "without repeats or alternatives in a repeat"),
        ({"stop_regex": "(a|a)*$"}, "stop_regex", "without repeats or alternatives in a repeat"),
        ({"stop_regex": ["x", "a*a*a*b"]}, "stop_regex", "at most 2 unbounded repeats"),
        ({"stop_regex": r"(a)\1"}, "stop_regex", "back references"),
        ({"regex": "(a{1,1000}){1,1000}"}, "regex", "repeats within repeats multiply to at most 10,000"),
        ({"regex": "((a+)+)+b"}, "regex", "repeats within repeats multiply to at most 10,000"),
        ({"regex": "x" * 70_000}, "regex", "at most 65536 bytes long"),
        ({"response_format": {"json_schema": {"schema": {"d": "x" * 70_000}}}}, "response_format", "at most 65536"),
        ({"sampling_params": {"stream_interval": 0}}, "sampling_params.stream_interval", "a whole number from 1"),
        ({"sampling_params": [{"top_k": 2**31}]}, "sampling_params.top_k", "a whole number from -1"),
        ({"sampling_params": [1]}, "sampling_params", "an object, or a list of objects"),
        ({"sampling_params": []}, "sampling_params", "an object, or a list of objects"),
        ({"options": {"top_k": 2**31}}, "options.top_k", "a whole number from -1"),
        ({"instances": [{"input_ids": [999_999]}]}, "instances.input_ids", "token ids from 0 to 260"),
        ({"input": ["a"] * 65}, "input", "at most 64 prompts times n; got 65 prompts times n 1"),
        ({"instances": [{"text": "a"}] * 65}, "instances", "at most 64 prompts times n"),
        ({"instances": [{"sampling_params": {"top_k": 2**31}}]}, "instances.sampling_params.top_k", "a whole number"),
        ({"parameters": {"sampling_params": {"n": 65}}}, "parameters.sampling_params.n", "a whole number from 1 to 64"),
        ({"instances": [{}] * 33, "parameters": {"sampling_params": {"n": 2}}}, "instances", "at most 64 prompts"),
        ({"documents": ["a"] * 2049}, "documents", "at most 2,048 of them"),
        ({"items": ["a"] * 2049}, "items", "at most 2,048 of them"),
        ({"items": [[999_999]]}, "items", "token ids from 0 to 260"),
        ({"stream": "yes"}, "stream", "true or false; got 'yes'"),
        ({"return_logprob": [[]]}, "return_logprob", "true or false"),
        ({"return_hidden_states": ["first"]}, "return_hidden_states", "true or false or 'last'"),
        ({"request_id": "a"}, "request_id", "a text of 8 to 256"),
        ({"stop": ["a"] * 33}, "stop", "a list of at most 32 texts, of at most 1024 characters"),
        ({"stop": "a" * 1025}, "stop", "of at most 1024 characters"),
        ({"stop_sequences": [1]}, "stop_sequences", "a text, or a list"),
        ({"stop_regex": ["a"] * 17}, "stop_regex", "a list of at most 16"),
        ({"timeout": -1}, "timeout", "a number from 0 to"),
        ({"json_schema": _nested(2000)}, "json_schema", "nested at most 64 deep"),
        ({"json_schema": "[" * 30_000 + "]" * 30_000}, "json_schema", "nested at most 64 deep"),
        ({"ebnf": _chained(3000)}, "ebnf", "a grammar of at most 512 rules"),
        ({"tools": [_object(513)]}, "tools", "with at most 512 properties in an object"),
        ({"response_format": _object(65, minProperties=10)}, "response_format", "with at most 64 properties in an obj"),
        (
            {"tools": [{"pattern": "((a+)+)+b"}]},
            "tools",
            "without a pattern like '((a+)+)+b', but with a regular expres",
        ),
        ({"tools": [{"patternProperties": {"((a+)+)+b": {}}}]}, "tools", "without such patternProperties"),
        ({"prompt": ["a"] * 33, "n": 2}, "prompt", "at most 64 prompts times n; got 33 prompts times n 2"),
        ({"text": ["a"] * 65}, "text", "at most 64 prompts times n; got 65 prompts times n 1"),
        ({"input_ids": [[1]] * 33, "sampling_params": {"n": 2}}, "input_ids", "at most 64 prompts times n"),
    ],
)
def test_a_field_beyond_its_bounds_is_refused_with_its_name_its_value_and_the_bounds(
    request_: dict[str, Any], field: str, message: str
) -> None:
    refusal = _refusal(request_)
    assert refusal.param == field
    assert refusal.message.startswith(f"{field} must be ")
    assert message in refusal.message


@pytest.mark.parametrize(
    "request_",
    [
        {"messages": [{"role": "user", "content": "hi"}], "logprobs": True, "top_logprobs": 20, "top_k": -1, "n": 64},
        {"prompt": "hi", "logprobs": 5, "echo": True, "max_tokens": 2048, "temperature": 0, "seed": -1},
        {"prompt": [0, 260], "stop": ["a", "b"], "stop_token_ids": [1], "logit_bias": {"260": -100}},
        {"prompt": [[0], [260]], "n": 32},
        {"prompt": ["a"] * 64},
        {"input": ["a", "b"], "dimensions": 8},
        {"input": [{"role": "user", "content": "hi"}], "tools": [{"type": "function"}]},
        {"text": {"format": {"type": "text"}}},
        {"input_ids": [], "session_params": {"id": "s", "offset": 3, "replace": False}},
        dict.fromkeys(FIELDS),
        {"top_k": 40.0, "max_tokens": 16.0},
        {"stop_regex": r"\d+\.\d+", "regex": r"[a-z]{1,64}"},
        {"regex": "x{20000}"},
        {"regex": r"(\w+\s){1,50}"},
        {"regex": r"(?<name>not Python's dialect"},
        {"options": {"num_predict": -1}},
        {"json_schema": '{"type": "object"}', "ebnf": _chained(400), "response_format": _object(64, minProperties=10)},
        {"tools": [_object(512), {"pattern": "^[a-z]{1,20}$", "properties": {"pattern": {"type": "string"}}}]},
        {"json_schema": "[not JSON", "structural_tag": '{"structures": []}'},
        {"stream": 1, "echo": False, "return_logprob": [True, False], "return_hidden_states": "last"},
        {"documents": ["a"] * 2048, "request_id": "resp_0123456789"},
        {"sampling_params": {"max_new_tokens": 8, "n": 2}},
        {"rid": "0123456789abcdef", "chat_template_kwargs": {"enable_thinking": False}},
    ],
)
def test_what_sglang_serves_passes(request_: dict[str, Any]) -> None:
    check_request(request_, LIMITS)


@pytest.mark.parametrize(
    "value", [[[0.1]], [[]], [[0.1, "x"]], [[0.1, True]], [[1e300, 0]], [[0.1, 0.2], [0.1]], [[[0.1, 0.2]], [[0.1]]], 5]
)
def test_an_embedding_of_another_width_is_refused(value: object) -> None:
    limits = RequestLimits(vocabulary=261, context=2048, width=2)
    for field in ("input_embeds", "embed_overrides"):
        assert _refusal({field: value}, limits).param == field
        for good in ([[0.1, 0.2], [1, 2]], [[[0.1, 0.2]], None, [[1, 2]]]):
            check_request({field: good}, limits)


def test_the_limits_are_the_operators_and_the_models() -> None:
    wide = RequestLimits(vocabulary=1000, context=8192, sequences=600, top_logprobs=5000, grammar_bytes=100_000)
    check_request({"n": 500, "top_logprobs": 1000, "max_tokens": 8192, "input_ids": [999], "ebnf": "x" * 99_000}, wide)
    assert "from 0 to 1000" in _refusal({"top_logprobs": 1001}, wide).message, "never more than there are tokens"
    truncating = RequestLimits(vocabulary=261, context=2048, truncates=True)
    check_request({"max_tokens": 100_000}, truncating)


def test_a_long_value_is_not_repeated() -> None:
    assert len(_refusal({"rid": "x y" * 1000}).message) < 250


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "must be a JSON object, got an array"),
        (b'"x"', "must be a JSON object, got a string"),
        (b"null", "must be a JSON object, got null"),
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'{"temperature": NaN}', "NaN is not a JSON value"),
        (b'{"temperature": -Infinity}', "-Infinity is not a JSON value"),
        (b'{"x": "\\ud800"}', "half of a surrogate pair"),
        (b'{"x": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b'{"x": ' + b"[" * 60_000 + b"]" * 60_000 + b"}", "nested at most 64 deep"),
        (b'{"x": ' + b"[" * 64 + b"]" * 64 + b"}", "nested at most 64 deep"),
        (b'{"x":' * 500 + b"1" + b"}" * 500, "nested at most 64 deep"),
    ],
)
def test_a_body_that_is_no_json_object_is_the_callers_mistake(body: bytes, message: str) -> None:
    with pytest.raises(HttpError) as refused:
        parse(body, depth=64)
    assert refused.value.status == 400
    assert message in refused.value.message


def test_what_only_looks_deep_or_broken_is_read() -> None:
    flat = {"x": [[1]] * 1000, "text": "[{" * 1000}
    assert parse(json.dumps(flat).encode(), depth=64) == flat
    assert parse(b'{"x": ' + b"[" * 63 + b"]" * 63 + b"}", depth=64)
    assert parse(json.dumps({"x": "\U0001f600"}).encode(), depth=64) == {"x": "\U0001f600"}


@pytest.mark.parametrize("n", [[], [None], [1], [2, None], None])
@pytest.mark.parametrize("place", ["n", "sampling_params", "samplings"])
def test_a_number_of_answers_per_prompt_is_read_whatever_its_shape(place: str, n: Any) -> None:
    fields = {
        "n": {"n": n},
        "sampling_params": {"sampling_params": {"n": n}},
        "samplings": {"sampling_params": [{"n": n}]},
    }
    check_request({"text": "hello", **fields[place]}, LIMITS)


def test_the_most_answers_of_any_prompt_count() -> None:
    sampling = [{"n": 1}, {"n": 40}]
    assert "2 prompts times n 40" in _refusal({"text": ["a", "b"], "sampling_params": sampling}).message
