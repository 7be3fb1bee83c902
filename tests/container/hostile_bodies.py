"""Requests that SGLang 0.5.23 must not see, with the field that each answer must name.

Tried on the CPU engine with the container as it was before it looked into bodies (November 2026).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CHAT, INVOCATIONS, COMPLETIONS, GENERATE = "/v1/chat/completions", "/invocations", "/v1/completions", "/generate"
_MESSAGES = [{"role": "user", "content": "hello"}]


@dataclass(frozen=True)
class Hostile:
    """One request.

    Attributes:
        name: For the test's id.
        path: Where it is sent.
        body: Its content; text is sent as it stands.
        field: What the 400 must name in `param`; None where the whole body is wrong.
    """

    name: str
    path: str
    body: Any
    field: str | None


def chat(field: str, value: object, *, path: str = CHAT, param: str | None = None, **more: object) -> Hostile:
    body = {"messages": _MESSAGES, "max_tokens": 4, field: value, **more}
    streams = " streamed" if more.get("stream") else ""
    return Hostile(f"{field}={value!r:.40} on {path}{streams}", path, body, param or field)


def completion(field: str, value: object, *, param: str | None = None, **more: object) -> Hostile:
    body = {"prompt": "hello", "max_tokens": 4, field: value, **more}
    return Hostile(f"{field}={value!r:.40}", COMPLETIONS, body, param or field)


def generate(field: str, value: object, *, param: str | None = None, **more: object) -> Hostile:
    body = {"text": "hello", "sampling_params": {"max_new_tokens": 4}, field: value, **more}
    if "input_ids" in body:
        del body["text"]
    return Hostile(f"generate {field}={value!r:.40}", GENERATE, body, param or field)


def sampling(field: str, value: object, **more: object) -> Hostile:
    params = {"max_new_tokens": 4, field: value, **more}
    body = {"text": "hello", "sampling_params": params}
    return Hostile(f"sampling {field}={value!r:.40}", GENERATE, body, f"sampling_params.{field}")


_DEEP = b"[" * 60_000 + b"]" * 60_000
_MULTIPLIES = 'root ::= ((("a"{1,30}){1,30}){1,30}){1,30}'
_SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"description": "x" * 70_000}}}

ENDED = [
    chat("top_logprobs", 300, logprobs=True),
    chat("top_logprobs", 300, logprobs=True, path=INVOCATIONS, stream=True),
    chat("top_k", 2147483648),
    chat("top_k", 2147483648, path=INVOCATIONS, stream=True),
    chat("input_ids", [999999]),
    chat("input_ids", [-1]),
    chat("stop_token_ids", [999999], min_tokens=2),
    completion("prompt", [999999]),
    completion("prompt", [[1, 2], [999999]]),
    completion("logprobs", 1000000),
    sampling("stop_token_ids", [999999], min_new_tokens=2),
    sampling("top_k", 2147483648),
    generate("input_ids", [999999]),
    generate("input_ids", [[1], [999999]]),
    generate("top_logprobs_num", 300, return_logprob=True),
]
"""Each of these, or the same field on another path, ended the process for every caller."""

REFUSED = [
    chat("repetition_penalty", 1e-300),
    chat("n", 500),
    completion("n", 500),
    sampling("n", 500),
    chat("n", 0),
    chat("top_logprobs", -1, logprobs=True),
    chat("max_tokens", 100_000),
    chat("priority", 2**63),
    chat("seed", 2**63),
    chat("bootstrap_room", 2**70),
    chat("logit_bias", {"5": 1e39}),
    chat("logit_bias", {"999999": 1}),
    chat("rid", ["a"]),
    chat("rid", "HEALTH_CHECK_1"),
    chat("session_params", {"id": "x", "bogus": 1}),
    chat("stop_regex", "(["),
    chat("stop_regex", "(a+)+$"),
    chat("regex", "(a{1,1000}){1,1000}"),
    chat("response_format", _SCHEMA),
    chat("ebnf", _MULTIPLIES),
    sampling("ebnf", _MULTIPLIES),
    chat("response_format", {"type": "structural_tag", "format": {"type": "grammar", "grammar": _MULTIPLIES}}),
    chat("chat_template_kwargs", {"tokenize": True}),
    sampling("stream_interval", 0, stream=True),
    sampling("min_new_tokens", 10**12),
    sampling("beam_width", 100_000),
    sampling("temperature", "0.5"),
    sampling("logit_bias", [1]),
    generate("token_ids_logprob", [999999], return_logprob=True),
    generate("logprob_start_len", 10**6, return_logprob=True),
    generate("input_ids", [2**63]),
    generate("lora_id", "nobody"),
    generate("http_worker_ipc", "ipc:///tmp/x"),
    generate("sampling_params", []),
    Hostile("an array", INVOCATIONS, b"[]", None),
    Hostile("an array for chat", CHAT, b"[]", None),
    Hostile("an array for generate", GENERATE, b"[]", None),
    Hostile("60,000 deep", INVOCATIONS, b'{"messages": ' + _DEEP + b"}", None),
    Hostile("60,000 deep for generate", GENERATE, b'{"text": "a", "x": ' + _DEEP + b"}", None),
    Hostile("not a number", CHAT, b'{"messages": [], "temperature": NaN}', None),
    Hostile("half a character", CHAT, b'{"messages": [{"role": "user", "content": "\\ud800"}]}', None),
    Hostile("Ollama", "/api/generate", {"model": "m", "prompt": "a", "options": {"top_k": 2**31}}, "options.top_k"),
    Hostile(
        "Anthropic", "/v1/messages", {"model": "m", "messages": _MESSAGES, "max_tokens": 4, "top_k": 2**31}, "top_k"
    ),
    Hostile("Responses", "/v1/responses", {"input": "a", "top_logprobs": 300}, "top_logprobs"),
    Hostile("Vertex", "/vertex_generate", {"instances": [{"input_ids": [999999]}]}, "instances.input_ids"),
]
"""Answered 5xx, or not at all, or holding up every other caller, or beyond what the scheduler's types hold."""
