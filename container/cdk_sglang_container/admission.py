"""Whether a request's body may be passed to SGLang: it is JSON, and each of its fields is within its bounds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from cdk_sglang_container.fields import FIELDS
from cdk_sglang_container.http import HttpError

if TYPE_CHECKING:
    from cdk_sglang_container.limits import RequestLimits

# Objects in a body whose fields count as fields of the request: SGLang's, Ollama's, Vertex's.
_NESTED = ("sampling_params", "options", "parameters", "instances")
_PROMPTS = ("prompt", "text", "input_ids", "input", "instances")
_SHOWN_MAX = 80


def parse(body: bytes, *, depth: int) -> dict[str, Any]:
    """The body's object.

    Args:
        body: JSON text.
        depth: Levels of nested arrays and objects it may have.

    Raises:
        HttpError: 400; it is not JSON, not an object, or nested too deeply.
    """
    try:
        request = _DECODER.decode(body.decode(json.detect_encoding(body)))
    except RecursionError:
        raise _too_deep(depth) from None
    except ValueError as error:
        raise HttpError(400, f"the request body is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise HttpError(400, f"the request body must be a JSON object, got {_kind(request)}")
    if body.count(b"[") + body.count(b"{") > depth and _is_deeper(request, depth):
        raise _too_deep(depth)
    if b"\\ud" in body or b"\\uD" in body:
        try:
            json.dumps(request, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise HttpError(400, "the request body is not JSON: it holds half of a surrogate pair (\\ud800)") from None
    return request


def check_request(request: dict[str, Any], limits: RequestLimits) -> None:
    """Raise unless every field of a request is within its bounds.

    Args:
        request: Its body.
        limits: The loaded model's and the operator's.

    Raises:
        HttpError: 400 with the first field that is not, its value, and the allowed values.
    """
    _check_object(request, limits, "")
    _check_sequences(request, limits)


def _check_object(fields: dict[str, Any], limits: RequestLimits, prefix: str) -> None:
    for name, value in fields.items():
        if value is not None and (rule := FIELDS.get(name)) is not None:
            requirement = rule(value, limits)
            if requirement is not None:
                raise _refusal(f"{prefix}{name}", requirement, value)
    for name in _NESTED:
        inner = fields.get(name)
        if inner is None:
            continue
        parts = inner if isinstance(inner, list) else [inner]
        for part in parts:
            if isinstance(part, dict):
                _check_object(part, limits, f"{prefix}{name}.")
        if name == "sampling_params" and (not parts or not all(isinstance(part, dict) for part in parts)):
            raise _refusal(f"{prefix}{name}", "an object, or a list of objects", inner)


def _check_sequences(request: dict[str, Any], limits: RequestLimits) -> None:
    choices = max(_choices(request), _choices(request.get("parameters")))
    for name in _PROMPTS:
        prompts = request.get(name)
        if not isinstance(prompts, list) or not prompts:
            continue
        several = isinstance(prompts[0], str | list) or name == "instances"
        if several and len(prompts) * choices > limits.sequences:
            requirement = f"at most {limits.sequences} prompts times n"
            raise _refusal(name, requirement, len(prompts), got=f"{len(prompts)} prompts times n {choices}")


def _choices(fields: object) -> int:
    """Number of answers per prompt, the largest if prompts differ; a list has one number per prompt."""
    if not isinstance(fields, dict):
        return 1
    sampling = fields.get("sampling_params")
    parts = [fields, *(sampling if isinstance(sampling, list) else [sampling])]
    counts = [part.get("n") for part in parts if isinstance(part, dict)]
    numbers = [number for one in counts for number in (one if isinstance(one, list) else [one])]
    return max((int(number) for number in numbers if number is not None), default=1)


def _refusal(field: str, requirement: str, value: object, *, got: str | None = None) -> HttpError:
    return HttpError(400, f"{field} must be {requirement}; got {got or _shown(value)}", param=field)


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        value = next(iter(_outliers(value)), value)
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 3]}..."


def _outliers(value: list[Any] | dict[str, Any]) -> list[Any]:
    """Show a long list of numbers by its largest, which is nearly always the wrong one."""
    if isinstance(value, list) and len(value) > 1 and all(type(each) is int for each in value):
        low, high = min(value), max(value)
        return [low if low < 0 else high]
    return []


def _is_deeper(request: dict[str, Any], depth: int) -> bool:
    level: list[Any] = [request]
    for _ in range(depth):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _too_deep(depth: int) -> HttpError:
    return HttpError(400, f"the request body must be nested at most {depth} deep")


def _kind(value: object) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
