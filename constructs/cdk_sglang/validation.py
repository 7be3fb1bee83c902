"""The pydantic base class of every specification, which translates pydantic's errors into problems.

A specification has two spellings and one validation: an environment file embeds it and reads pydantic's errors with their location; Python code
that calls its class gets one `ConfigurationError`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.validation_errors import key_of, problems_of


class Spec(BaseModel):
    """Frozen, keyword-only, no unknown keys, no silent conversion ("4" is not 4, true is not 1).

    A validator of several fields raises a `ConfigurationError` whose paths begin at the specification itself.
    """

    # Not use_attribute_docstrings: it reads and parses the source of every model on import, although only the schema needs that
    # (`meanings`).
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True, populate_by_name=True
    )

    _noun: ClassVar[str] = ""
    """First part of a problem's path if Python code creates the value, such as "scaling"; the name of the class if empty."""

    _is_file: ClassVar[bool] = False
    """Whether this is a whole file, whose problems never mention Python."""

    # Only at run time: a checker must see the constructor that pydantic derives from the fields.
    if not TYPE_CHECKING:

        def __init__(self, /, **data: Any) -> None:
            try:
                self.__pydantic_validator__.validate_python(data, self_instance=self)
            except ValidationError as error:
                noun = self._noun or type(self).__name__
                raise ConfigurationError(problem.under(noun) for problem in problems_of(error, type(self))) from None

        # pydantic's own marker (its RootModel uses it): validation of a nested model then does not call __init__,
        # so errors keep their location.
        __init__.__pydantic_base_init__ = True

    _parts: ClassVar[tuple[Callable[[Any], Iterator[Problem]], ...]] = ()
    """Checks across fields that the class's own validator runs, for a class with many: if a field is invalid, the other checks still run."""

    @classmethod
    def hint_for(cls, key: str, value: object) -> str | None:  # noqa: ARG003  for classes that know more
        """Return what to do with a key that this specification does not have; None to suggest the nearest one.

        Args:
            key: The key.
            value: Its value.
        """
        return None

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values, validated like a new one."""
        keys = {name: field.alias or name for name, field in type(self).model_fields.items()}
        values = {keys[name]: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**{**values, **{keys.get(name, name): value for name, value in changes.items()}})

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe every field with the docstring below it."""
        written = handler(schema)
        described = handler.resolve_ref_schema(written)
        for name, meaning in meanings(cls).items():
            place = described.get("properties", {}).get(key_of(name, cls.model_fields[name]))
            if place is not None:
                place.setdefault("description", meaning)
        return written


S = TypeVar("S", bound=Spec)


@cache
def meanings(model: type[Spec]) -> Mapping[str, str]:
    """Return the docstring below each field of a specification, as written in its source."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if owner is Spec or not issubclass(owner, Spec):
            continue
        try:
            source = inspect.getsource(owner)
        except OSError:  # installed without sources: there are no descriptions
            continue
        (definition,) = ast.parse(textwrap.dedent(source)).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in pairwise(definition.body):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(meaning))),
                ) if name in model.model_fields:
                    found[name] = inspect.cleandoc(meaning)
    return found


def validated(model: type[S], path: str, /, **values: object) -> tuple[S, list[Problem]]:
    """Return a specification created from Python values without the invalid ones, and the problems of the invalid ones.

    A caller can then check the rest and report all problems at once.

    Args:
        model: Its class.
        path: Prefix of the problems' paths, such as the name of a component.
        **values: Its fields; an omitted one has its default.

    Raises:
        ConfigurationError: The remaining values are not valid either, for example because a field without a default is missing.
    """
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        places = [detail["loc"] for detail in error.errors(include_url=False)]
        problems = [problem.under(path) for problem in problems_of(error, model)]
    try:
        return model.model_validate(_without(values, places)), problems
    except ValidationError:
        raise ConfigurationError(problems) from None


def _without(values: dict[str, object], places: Iterable[tuple[int | str, ...]]) -> dict[str, object]:
    """Return values without those at some places: from a mapping the item is removed, any other value is removed as a whole."""
    left = dict(values)
    for name, *inner in filter(None, places):
        value = left.get(str(name))
        if inner and isinstance(value, dict):
            left[str(name)] = {key: item for key, item in value.items() if key != inner[0]}
        else:
            left.pop(str(name), None)
    return left
