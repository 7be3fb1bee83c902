"""The pydantic base of every options model, and its errors as house lines.

Two ways in, one set of checks: a settings file embeds the models and collects pydantic's errors with their place; code
that calls `SglangOptions(...)` gets one `ConfigurationError` with a line per problem.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails

from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import ConfigurationError


class OptionsModel(BaseModel):
    """Frozen, keyword-only, no unknown keys, no silent conversion ("4" is not 4, true is not 1)."""

    # Not use_attribute_docstrings: it reads and parses the source of every model whenever one is imported, for what only a schema
    # and one message want (`meanings`).
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    _switch: ClassVar[str | None] = None
    """SGLang's switch that turns this group on."""

    _dests: ClassVar[dict[str, str]] = {}
    """Fields whose name in SGLang differs; an empty name: the field is no option of SGLang by itself."""

    # Only at run time: a checker must see the constructor that pydantic derives from the fields.
    if not TYPE_CHECKING:

        def __init__(self, /, **data: Any) -> None:
            try:
                self.__pydantic_validator__.validate_python(data, self_instance=self)
            except ValidationError as error:
                raise ConfigurationError(problem_lines(error, path=type(self).__name__, model=type(self))) from None

        # pydantic's own mark (its RootModel uses it): validation of a model inside another one does not go through
        # __init__, so errors keep their place.
        __init__.__pydantic_base_init__ = True

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe every field with the text that stands below it."""
        written = handler(schema)
        described = handler.resolve_ref_schema(written)
        for name, meaning in meanings(cls).items():
            place = described.get("properties", {}).get(name)
            if place is not None:
                place.setdefault("description", meaning)
        return written

    @classmethod
    def dest_of(cls, field: str) -> str:
        """Return the name under which SGLang stores a field."""
        return cls._dests.get(field, field)

    @classmethod
    def switch(cls) -> str | None:
        """Return the name of SGLang's switch that turns this group on, `None` for the root."""
        return cls._switch


@cache
def meanings(model: type[OptionsModel]) -> Mapping[str, str]:
    """Return the text below each field of a model, as written in its source."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if owner is OptionsModel or not issubclass(owner, OptionsModel):
            continue
        try:
            source = inspect.getsource(owner)
        except OSError:  # installed without sources: there is nothing to tell
            continue
        (definition,) = ast.parse(textwrap.dedent(source)).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in pairwise(definition.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(meaning))):
                    found[name] = inspect.cleandoc(meaning)
    return found


def problem_lines(error: ValidationError, *, path: str, model: type[BaseModel]) -> list[str]:
    """Turn pydantic's errors into house lines: path, problem, value got, values allowed, next step.

    Args:
        error: What pydantic collected.
        path: The place of the model itself, such as `endpoints.chat.components.llama.server`.
        model: The model that was validated, to find near misses of unknown keys.
    """
    return [_line(detail, path=path, model=model) for detail in error.errors(include_url=False, include_context=True)]


def _line(detail: ErrorDetails, *, path: str, model: type[BaseModel]) -> str:
    where = ".".join((path, *(str(part) for part in detail["loc"] if part != "[key]")))
    return f"{where}: {_said(detail, model=model)}"


def _said(detail: ErrorDetails, *, model: type[BaseModel]) -> str:
    loc, got, message = detail["loc"], detail["input"], detail["msg"].removeprefix("Input ")
    match detail["type"]:
        case "extra_forbidden":
            owner = _model_at(model, loc[:-1])
            said = f"unknown key; {did_you_mean(str(loc[-1]), owner.model_fields) if owner else 'remove it'}"
        case "missing":
            owner = _model_at(model, loc[:-1])
            text = _meaning(owner, str(loc[-1]))
            meaning = f" ({_first_sentence(text)})" if text else ""
            said = f"missing{meaning}; add it"
        case "literal_error":
            expected = str(detail.get("ctx", {}).get("expected", ""))
            words = re.findall(r"'([^']*)'", expected)
            said = f"does not take {got!r}; {did_you_mean(str(got), words) if words else f'allowed: {expected}'}"
        case "int_type" | "float_type" | "bool_type" | "string_type" as wrong:
            said = f"takes {_TYPES[wrong]}, got {got!r}; {_hint(wrong, got)}"
        case "model_type" | "dict_type" | "list_type" | "tuple_type":
            said = f"{message}, got {type(got).__name__}"
        case "options":
            said = message
        case _:
            message = message.removeprefix("Value error, ")
            said = f"{message[:1].lower()}{message[1:]}, got {got!r}"
    return said


_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
}


def _hint(wrong: str, got: object) -> str:
    if wrong == "string_type":
        return "put it in quotes"
    if isinstance(got, str):
        return "write it in full, without quotes or a suffix"
    return "change it"


def _meaning(owner: type[BaseModel] | None, name: str) -> str | None:
    if owner is None:
        return None
    if issubclass(owner, OptionsModel):
        return meanings(owner).get(name)
    field = owner.model_fields.get(name)
    return None if field is None else field.description


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[^.])\.(\s|$)|;", text, maxsplit=1)[0].strip()


def _model_at(model: type[BaseModel] | None, loc: Sequence[int | str]) -> type[BaseModel] | None:
    for part in loc:
        field = model.model_fields.get(str(part)) if model else None
        model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 (a type expression)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part)) is not None), None)


@cache
def typed_dests(model: type[OptionsModel], *, path: str = "") -> Mapping[str, str]:
    """Return SGLang's name to field path of every option a model and its groups cover, switches included."""
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        where = f"{path}{name}"
        inner = _model_in(field.annotation)
        if inner is not None and issubclass(inner, OptionsModel):
            switch = inner.switch()
            if switch:
                found[switch] = where
            found.update(typed_dests(inner, path=f"{where}."))
        elif model.dest_of(name):
            found[model.dest_of(name)] = where
    return found
