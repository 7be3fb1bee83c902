"""Translation of pydantic's errors into problems."""

from __future__ import annotations

import datetime as dt
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.numbers import as_number
from cdk_sglang.tokens import is_number_token
from cdk_sglang.wording import key_hint, key_text, meant_key, one_line, printable, replaced_keys, shown, written

_EXAMPLE_LENGTH: Final = 60
_KEYS_SHOWN: Final = 4


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Translate pydantic's errors.

    Args:
        error: The errors that pydantic collected.
        model: The model that was validated, which is searched for near misses of unknown keys; paths begin at it.
    """
    details = error.errors(include_url=False, include_context=True)
    return [problem for detail in _without_echoes(details, model) for problem in _problems(detail, model)]


def _problems(detail: ErrorDetails, model: type[BaseModel]) -> Iterable[Problem]:
    loc = detail["loc"]
    if loc[-1:] == ("[key]",):
        loc = (*loc[:-2], key_text(detail["input"]))  # as written: pydantic shows the key False as 0
    path = ".".join(_shown_part(str(part)) for part in loc)
    if detail["type"] != "value_error":
        return [Problem(path, printable(_text(detail, loc, model)))]
    cause = detail["ctx"]["error"]
    if isinstance(cause, ConfigurationError):
        return [problem.under(path) for problem in cause.problems]
    return [Problem(path, printable(str(cause)))]


def _shown_part(part: str) -> str:
    """Return a part of a path; in quotes if it could be mistaken for more than a name."""
    return part if part.isprintable() and part.strip() == part != "" and ": " not in part else repr(part)


_TYPES: Final = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}
_SIGNS: Final = {"greater_than_equal": ">=", "greater_than": ">", "less_than_equal": "<=", "less_than": "<"}


def _text(detail: ErrorDetails, loc: Sequence[int | str], model: type[BaseModel]) -> str:  # noqa: PLR0911  one return for each type of error
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    got = written(value) if getattr(model, "_is_file", False) else shown(value)
    if is_number_token(value):
        return "must be known at synth, got a token; give the number itself"
    match kind:
        case "extra_forbidden":
            key, place = str(loc[-1]), model_at(model, loc[:-1])
            hint_for = getattr(place, "hint_for", None)  # for classes that know more about their keys
            hint = None if hint_for is None else hint_for(key, value)
            return f"unknown key; {hint or key_hint(key, _keys(place))}"
        case "missing":
            return "missing; it has no default"
        case "literal_error":
            words = re.findall(r"'([^']*)'", context["expected"])
            hint = did_you_mean(str(value), words) if words else f"use {context['expected']}"
            return f"nothing is given; {hint}" if value is None else f"{got} is not allowed; {hint}"
        case "string_type" if isinstance(value, bool | int | float):
            return f"{got} is {'true or false' if isinstance(value, bool) else 'a number'} here; write it in quotes"
        case "int_type" | "float_type" | "int_parsing" | "float_parsing" if isinstance(value, str):
            return f"{got} is text; write {as_number(value, is_whole=kind.startswith('int'), name=str(loc[-1]))}"
        case "int_type" | "int_from_float" if isinstance(value, float) and math.isfinite(value):
            low, high = math.floor(value), math.ceil(value)
            return f"takes a whole number, got {got}; use {low if low == high else f'{low} or {high}'}"
        case "model_type":
            keys = ", ".join(_keys(model_at(model, loc))[:_KEYS_SHOWN])
            python = "" if getattr(model, "_is_file", False) else f", in Python {context['class_name']}(...)"
            return f"takes a mapping{python}, got {got}; give keys such as {keys}"
        case _ if kind in _TYPES:
            return f"takes {_TYPES[kind]}, got {got}; {_advice(detail, loc, model)}"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            bound = next(iter(context.values()))
            return f"{got} is not allowed; use a value {_SIGNS[kind]} {int(bound) if bound == int(bound) else bound}"
        case "options":
            return detail["msg"]
        case _:
            return _rarer_text(detail, got)


def _advice(detail: ErrorDetails, loc: Sequence[int | str], model: type[BaseModel]) -> str:
    """Return what to write instead of a value of another type."""
    kind, value = detail["type"], detail["input"]
    if value is None:
        return "write it, or remove the key"
    if kind in {"list_type", "tuple_type"} and isinstance(value, str | int | float):
        return f"write it in brackets{_example(f'[{value}]')}"
    if kind == "dict_type":
        keys = ", ".join(_keys(model_at(model, (*loc, "name")))[:_KEYS_SHOWN])
        return (
            f"write names below it, each with keys such as {keys}"
            if keys
            else "write one `name: value` a line below it"
        )
    if kind == "bool_type":
        return f"write true or false{' without quotes' if isinstance(value, str) else ''}"
    return _text_advice(value) if kind == "string_type" else f"write {_TYPES[kind]}"


def _example(text: str) -> str:
    """Return an example to append to advice; empty if it does not fit on one line."""
    return f": {text}" if text.isprintable() and len(text) <= _EXAMPLE_LENGTH else ""


def _text_advice(value: object) -> str:
    """Return what to write instead of a value that is not text."""
    if isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], str):
        return f"write it without brackets{_example(value[0])}"
    return "write it in quotes" if isinstance(value, dt.date) else "write one value"


def _without_echoes(details: Sequence[ErrorDetails], model: type[BaseModel]) -> list[ErrorDetails]:
    """Return errors without those that follow from another one, so that a mistake is reported once.

    These are errors about keys that are missing because their names are misspelt, and about lists that are too short because entries are invalid.
    """
    wrong = {
        (*detail["loc"][:-1], meant)
        for detail in details
        if detail["type"] == "extra_forbidden"
        for key, known in ((str(detail["loc"][-1]), _keys(model_at(model, detail["loc"][:-1]))),)
        for meant in (meant_key(key, known), *replaced_keys(key, known))
    }
    above = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
    return [
        detail
        for detail in details
        if not (detail["type"] == "missing" and detail["loc"] in wrong)
        and not (detail["type"] == "too_short" and detail["loc"] in above)
    ]


_RARER: Final[Mapping[str, Callable[[str, Mapping[str, Any]], str]]] = {
    "too_short": lambda got, limits: f"{got} has {_count(limits)}; list at least {limits['min_length']}",
    "too_long": lambda got, limits: f"{got} has {_count(limits)}; keep {limits['max_length']} or fewer",
    "string_too_short": lambda got, limits: f"{got} is too short; the least is {_characters(limits['min_length'])}",
    "string_too_long": lambda got, limits: f"{got} is too long; the most is {_characters(limits['max_length'])}",
    "string_pattern_mismatch": lambda got, limits: f"{got} is not allowed; it has to match {limits['pattern']}",
    "finite_number": lambda got, _: f"{got} is not allowed; use a finite number",
}


def _rarer_text(detail: ErrorDetails, got: str) -> str:
    kind = detail["type"]
    if kind in _RARER:
        return _RARER[kind](got, detail.get("ctx", {}))
    if kind == "invalid_key":
        is_digits = isinstance(detail["input"], int) or isinstance(detail["loc"][-1], int)
        hint = "a comma in the number before it? write that without one" if is_digits else "write it in quotes"
        return f"unknown key; {hint}"
    if kind.startswith("date_"):
        return f"{got} is not a date; write it as 2027-03-01"
    message = one_line(detail["msg"])
    return f"{message[:1].lower()}{message[1:]}, got {got}"


def _count(limits: Mapping[str, Any]) -> str:
    count = limits["actual_length"]
    return f"{count} {'entry' if count == 1 else 'entries'}"


def _characters(count: int) -> str:
    return f"{count} character{'' if count == 1 else 's'}"


def model_at(model: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel] | None:
    """Return the model at a location inside another model; None if there is none."""
    place: Any = model
    for part in loc:
        if _is_model(place):
            fields = {field.alias or name: field for name, field in place.model_fields.items()}
            place = _inner(fields[str(part)].annotation) if part in fields else None
        else:  # an item of a mapping or a list
            place = next((inner for inner in map(_inner, typing.get_args(place)[-1:]) if inner is not None), None)
    return place if _is_model(place) else None


def _keys(model: type[BaseModel] | None) -> list[str]:
    return [] if model is None else [key_of(name, field) for name, field in model.model_fields.items()]


def key_of(name: str, field: FieldInfo) -> str:
    """Return the key of a field in an environment file, which may differ from its name in Python."""
    return field.validation_alias if isinstance(field.validation_alias, str) else name


def _is_model(place: object) -> bool:
    return isinstance(place, type) and issubclass(place, BaseModel)


def _inner(annotation: Any) -> Any:
    """Return an annotation without its metadata; for alternatives, the first that is not None."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _inner(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return next((_inner(part) for part in typing.get_args(annotation) if part is not type(None)), None)
    return annotation
