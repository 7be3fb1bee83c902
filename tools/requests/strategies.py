"""Random bodies from SGLang's schema: one that a server would answer, with some of its fields wrong, extreme or hostile."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from tools.requests.schema import fields_of, known_bodies

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DrawFn, SearchStrategy

    from tools.requests.schema import Schema

_MESSAGES: Final = [{"role": "user", "content": "hello"}]
_TOKENS: Final = 4

GOOD_BODIES: Final[dict[str, dict[str, Any]]] = {
    "/api/chat": {"model": "m", "messages": _MESSAGES, "options": {"num_predict": _TOKENS}, "stream": False},
    "/api/generate": {"model": "m", "prompt": "hello", "options": {"num_predict": _TOKENS}, "stream": False},
    "/api/show": {"model": "m"},
    "/classify": {"text": "hello"},
    "/close_session": {"session_id": "fuzz"},
    "/encode": {"text": "hello"},
    "/generate": {"text": "hello", "sampling_params": {"max_new_tokens": _TOKENS}},
    "/invocations": {"messages": _MESSAGES, "max_tokens": _TOKENS},
    "/open_session": {"capacity_of_str_len": 1000, "session_id": "fuzz"},
    "/parse_function_call": {"text": "hello", "tools": []},
    "/separate_reasoning": {"text": "hello", "reasoning_parser": "qwen3"},
    "/v1/chat/completions": {"messages": _MESSAGES, "max_tokens": _TOKENS},
    "/v1/classify": {"input": "hello"},
    "/v1/completions": {"prompt": "hello", "max_tokens": _TOKENS},
    "/v1/decisions": {"model": "m", "questions": []},
    "/v1/detokenize": {"model": "m", "tokens": [1, 2]},
    "/v1/embeddings": {"input": "hello"},
    "/v1/messages": {"model": "m", "messages": _MESSAGES, "max_tokens": _TOKENS},
    "/v1/messages/count_tokens": {"model": "m", "messages": _MESSAGES},
    "/v1/rerank": {"query": "hello", "documents": ["world"]},
    "/v1/responses": {"input": "hello", "max_output_tokens": _TOKENS},
    "/v1/score": {"query": "hello", "items": ["a", "b"], "label_token_ids": [1, 2]},
    "/v1/systemone": {"state": "hello", "questions": []},
    "/v1/tokenize": {"model": "m", "prompt": "hello"},
    "/vertex_generate": {
        "instances": [{"text": "hello"}],
        "parameters": {"sampling_params": {"max_new_tokens": _TOKENS}},
    },
}
"""A body for each path that SGLang answers, or refuses for what the model is (an embedding from one that generates)."""

# Of SamplingParams: /generate takes them in an object without a schema.
SAMPLING_FIELDS: Final = (
    "beam_width",
    "custom_params",
    "ebnf",
    "frequency_penalty",
    "ignore_eos",
    "json_schema",
    "logit_bias",
    "max_new_tokens",
    "min_new_tokens",
    "min_p",
    "n",
    "no_stop_trim",
    "presence_penalty",
    "regex",
    "repetition_penalty",
    "sampling_seed",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "stop",
    "stop_regex",
    "stop_token_ids",
    "stream_interval",
    "structural_tag",
    "temperature",
    "top_k",
    "top_p",
)
_OBJECTS: Final = {
    "sampling_params": SAMPLING_FIELDS,
    "options": ["num_predict", "seed", "stop", "temperature", "top_k", "top_p"],
}
_TOKEN_LIMITS: Final = frozenset(
    {
        "max_completion_tokens",
        "max_new_tokens",
        "max_output_tokens",
        "max_tokens",
        "min_new_tokens",
        "min_tokens",
        "num_predict",
    }
)
# What callers reach on SageMaker, and the engine's own request behind all of them: half of what is sent.
INVOKED: Final = ("/invocations", "/v1/chat/completions", "/v1/completions", "/generate")
"""Paths whose requests SageMaker's callers send; behind an endpoint, a request of another path may ask for as many tokens as the context holds."""
_OFTEN: Final = INVOKED * 6
_CONTEXT: Final = 8192  # of the tiny model

_WHOLES: Final = [
    *(-(2**63) - 1, -(2**31) - 1, -2, -1, 0, 1, 2, 3, 19, 20, 21, 63, 64, 65, 260, 261, 300, 2047, 2048, 2049, 65536),
    *(2**30, 2**30 + 1, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, 999_999),
]
_NUMBERS: Final = [-1e300, -2.1, -1e-9, -0.0, 0.0, 1e-300, 1e-9, 0.01, 0.5, 1.0, 1.5, 2.0, 2.1, 100.1, 1e9, 1e39, 1e300]
_TEXTS: Final = [
    *("", "a", "hello", " ", "\0", "\n" * 50, "é" * 300, "\U0001f600", "x" * 2000, "(["),
    *(
        "(a+)+$",
        "a*a*a*b",
        "(a{1,1000}){1,1000}",
        "[",
        "{",
        "{}",
        '{"type": "object"}',
        "root ::= root",
        'root ::= "a"',
    ),
    *(
        "HEALTH_CHECK_1",
        "auto",
        "none",
        "required",
        "json",
        "default",
        "default:nobody",
        "nobody",
        "data:image/png;base64,AAAA",
    ),
    *("../../etc/passwd", "file:///etc/passwd", "%s%n", "<|im_end|>", "{{ 1 / 0 }}", "NaN", "null", "2147483648"),
]
_ROLES: Final = ["user", "system", "assistant", "tool", "developer", "function", ""]
_WHOLE = st.one_of(st.sampled_from(_WHOLES), st.integers(-5, 300), st.integers())
_NUMBER = st.one_of(st.sampled_from(_NUMBERS), st.floats(allow_nan=False, allow_infinity=False), _WHOLE)
_TEXT = st.one_of(st.sampled_from(_TEXTS), st.text(max_size=20))
_LEAF: SearchStrategy[Any] = st.one_of(st.none(), st.booleans(), _WHOLE, _NUMBER, _TEXT)
_ANYTHING: SearchStrategy[Any] = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=3), max_leaves=6
)
_DEEPEST: Final = 4

WHOLE_BODIES: Final = (
    *(b"", b"[]", b"null", b"0", b'"x"', b"{", b"{}", b"\xff\xfe", b'{"a":NaN}', b'{"a":1e999}', b'{"\\ud800":1}'),
    *(
        b'{"a":"\\udc00"}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 60_000 + b"]" * 60_000,
        b'{"a":' * 60_000 + b"}" * 60_000,
    ),
    *(
        b'{"messages":[],"messages":0}',
        b"\x00",
        b" " * 10_000,
        b'{"a": 1} trailing',
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
    ),
)
"""Bodies that are wrong as a whole."""


@dataclass(frozen=True)
class Body:
    """A request.

    Attributes:
        path: Path it is sent to.
        content: The body.
    """

    path: str
    content: bytes


@st.composite
def bodies(
    draw: DrawFn, schema: Schema | None = None, paths: tuple[str, ...] = (), adapters: tuple[str, ...] = ()
) -> Body:
    """Draw a request.

    Args:
        draw: Hypothesis's.
        schema: From `caller_bodies`. Default: the pinned SGLang's.
        paths: Paths to send to. Default: all of the schema.
        adapters: Names of loaded adapters; half of the requests ask for one of them. Default: none does on purpose.
    """
    known = schema or known_bodies()
    path = draw(st.sampled_from(paths or _OFTEN + tuple(known["paths"])))
    if draw(st.integers(0, 19)) == 0:
        return Body(path, draw(st.sampled_from(WHOLE_BODIES)))
    body = json.loads(json.dumps(GOOD_BODIES.get(path, {})))
    own = known["schemas"][known["paths"][path]].get("properties", {})
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, body, own, known)
    asks: bool = draw(st.booleans())
    if adapters and asks:
        _ask_for(body, draw(st.sampled_from(adapters)), own)
    content = json.dumps(_bounded(body, GOOD_BODIES.get(path, {})), allow_nan=False)
    return Body(path, content.encode())


def _change(draw: DrawFn, body: dict[str, Any], own: Schema, known: Schema) -> None:
    kind = draw(st.integers(0, 9))
    if kind == 0 and body:
        del body[draw(st.sampled_from(sorted(body)))]
        return
    name = draw(st.sampled_from(tuple(own) if kind > 1 and own else tuple(sorted(fields_of(known)))))
    if name in _OBJECTS and draw(st.integers(0, 9)):
        inner = body.setdefault(name, {})
        if isinstance(inner, dict):
            inner[draw(st.sampled_from(_OBJECTS[name]))] = draw(_ANYTHING)
        return
    fitting = _values(_Frozen(own.get(name, {})))
    body[name] = draw(fitting if draw(st.booleans()) else _ANYTHING)


def _ask_for(body: dict[str, Any], adapter: str, own: Schema) -> None:
    """Name an adapter as the path's callers do: `model` where the request has it, `lora_path` where it has that alone."""
    if "model" in own:
        body["model"] = f"default:{adapter}"
    elif "lora_path" in own:
        body["lora_path"] = adapter


class _Frozen:
    """A schema as a key of a cache."""

    def __init__(self, schema: Schema, level: int = 0) -> None:
        self.schema, self.level = schema, level
        self._text = f"{level}{json.dumps(schema, sort_keys=True)}"

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and self._text == other._text


@cache
def _values(frozen: _Frozen) -> SearchStrategy[Any]:
    """Values that a schema allows, at the edges of what their types hold."""
    schema, level = frozen.schema, frozen.level

    def inner(part: Schema) -> SearchStrategy[Any]:
        return _values(_Frozen(part, level + 1))

    if level > _DEEPEST:
        return _LEAF
    options = next((schema[word] for word in ("anyOf", "oneOf", "allOf") if word in schema), None)
    if "$ref" in schema:
        options = [known_bodies()["schemas"][schema["$ref"]]]
    fixed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if options is not None:
        values = st.one_of(*(inner(part) for part in options))
    elif fixed is not None:
        values = st.sampled_from(fixed)
    elif schema.get("type") == "array":
        values = st.lists(inner(schema.get("items", {})), max_size=3)
    elif schema.get("properties"):
        values = _objects(schema, inner)
    else:
        values = _SIMPLE.get(str(schema.get("type")), _ANYTHING)
    return values


_SIMPLE: Final[dict[str, SearchStrategy[Any]]] = {
    "integer": _WHOLE,
    "number": _NUMBER,
    "string": _TEXT,
    "boolean": st.booleans(),
    "null": st.none(),
    "object": st.dictionaries(_TEXT, _ANYTHING, max_size=3),
}


def _objects(schema: Schema, inner: Callable[[Schema], SearchStrategy[Any]]) -> SearchStrategy[Any]:
    parts = {name: inner(part) for name, part in schema["properties"].items()}
    if "role" in parts:
        parts["role"] = st.sampled_from(_ROLES)
    needed = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in needed},
        optional={name: part for name, part in parts.items() if name not in needed},
    )


def _bounded(value: dict[str, Any], good: dict[str, Any]) -> dict[str, Any]:
    """The same, asking for few tokens: what is measured is what is refused, not how long a model can write."""
    bounded = {}
    for key, part in value.items():
        number = isinstance(part, int | float) and not isinstance(part, bool)
        many = key in _TOKEN_LIMITS and number and _TOKENS < part <= _CONTEXT
        bounded[key] = _TOKENS if many else _bounded(part, {}) if isinstance(part, dict) else part
    for key, part in good.items():
        if key in _TOKEN_LIMITS and bounded.get(key) is None:
            bounded[key] = part
        elif key in _OBJECTS and isinstance(inner := bounded.get(key, {}), dict):
            bounded[key] = _bounded(inner, part)
    return bounded
