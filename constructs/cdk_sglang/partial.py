"""Checks across fields if some fields are invalid: checks that need none of the invalid fields still run.

Pydantic skips the validators of a whole model as soon as one of its fields is invalid, so the problems that they find would be reported only in
a second round. Here a model with invalid fields is created without them: a validator that reads one of those stops there and reports nothing;
the problems that all other validators find are reported at once.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from cdk_sglang.errors import ConfigurationError, Problem

Place = tuple[int | str, ...]
"""Keys and indices from the outermost to the innermost."""
_NOTHING: Final = object()
"""Marker for a value that cannot be created."""
_adapters: Final[dict[int, tuple[object, TypeAdapter[Any]]]] = {}
"""By identity of the type, because equal types may validate differently, for example unions in another order. The types are kept, so that no
identity is reused."""


def further_problems(model: type[BaseModel], content: object, wrong: Iterable[Place]) -> list[Problem]:
    """Return the problems that validators of whole models find in content with invalid values.

    Args:
        model: The model that was validated.
        content: Content that it was created from, with the keys of files.
        wrong: Places of the invalid values.
    """
    problems: list[Problem] = []
    if isinstance(content, Mapping):
        _made(model, content, [place for place in wrong if place], problems, ())
    return problems


def _made(
    model: type[BaseModel], content: Mapping[str, Any], wrong: Sequence[Place], problems: list[Problem], at: Place
) -> BaseModel:
    """Return a model without its invalid fields, after its own validators have reported what they can."""
    values: dict[str, Any] = {}
    absent = []
    keys = {name: field.validation_alias or name for name, field in model.model_fields.items()}
    # An unknown key may be a misspelt known one, whose default is then not the intended value.
    has_unknown = any(place[0] not in keys.values() for place in wrong)
    for name, field in model.model_fields.items():
        key = str(keys[name])
        inner = [place[1:] for place in wrong if place[0] == key]
        if key in content:
            value = _value(field, content[key], inner, problems, (*at, key))
        else:
            value = (
                _NOTHING
                if inner or has_unknown or field.is_required()
                else field.get_default(call_default_factory=True)
            )
        if value is _NOTHING:
            absent.append(name)
        else:
            values[name] = value
    instance = model.model_construct(_fields_set={*values} & {*content}, **values)
    for name in absent:  # model_construct sets missing fields to their defaults
        instance.__dict__.pop(name, None)
    for check in getattr(model, "_parts", None) or _validators(model):
        problems += [problem.under(".".join(map(str, at))) for problem in _said(check, instance)]
    return instance


def _validators(model: type[BaseModel]) -> list[Callable[[Any], Any]]:
    decorators = model.__pydantic_decorators__.model_validators.values()
    return [validator.func for validator in decorators if validator.info.mode == "after"]


def _said(check: Callable[[Any], Any], instance: BaseModel) -> Iterator[Problem]:
    """Yield the problems that a check finds; the check is one of a specification's `_parts`, or a pydantic validator."""
    try:
        found = check(instance)
        if isinstance(found, Iterator):
            yield from found
    except ConfigurationError as error:
        yield from error.problems
    except ValueError as error:
        yield Problem("", str(error))
    except AttributeError:  # it reads an invalid field
        return


def _value(field: FieldInfo, content: object, wrong: Sequence[Place], problems: list[Problem], at: Place) -> Any:
    """Return the value of a field, with nested models created as far as possible."""
    if () in wrong:
        return _NOTHING
    if wrong:
        return _inside(_plain(field.annotation), content, wrong, problems, at)
    kind: Any = typing.Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    strict: ConfigDict | None = None if _is_model(_plain(field.annotation)) else {"strict": True}
    try:
        return _adapter(kind, strict, of=field).validate_python(content)
    except (ValidationError, PydanticUserError):
        return _NOTHING


def _adapter(kind: Any, config: ConfigDict | None, *, of: object) -> TypeAdapter[Any]:
    """Return the validator of a kind, created once per field or type: creating it takes longer than everything else here."""
    if id(of) not in _adapters:
        _adapters[id(of)] = (of, TypeAdapter(kind, config=config))
    return _adapters[id(of)][1]


def _inside(kind: Any, content: object, wrong: Sequence[Place], problems: list[Problem], at: Place) -> Any:
    if not isinstance(content, Mapping):
        return _NOTHING
    if _is_model(kind):
        return _made(kind, content, wrong, problems, at)
    if typing.get_origin(kind) is not dict:
        return _NOTHING
    item = _plain(typing.get_args(kind)[1])
    found = {}
    for key, value in content.items():
        inner = [place[1:] for place in wrong if place[0] == key]
        if () in inner or ("[key]",) in inner:
            return _NOTHING  # it is unknown whether something of that name exists
        if inner:
            part = _inside(item, value, inner, problems, (*at, str(key)))
        else:
            try:
                part = _adapter(item, None, of=item).validate_python(value)
            except (ValidationError, PydanticUserError):
                part = _NOTHING
        if part is _NOTHING:
            return _NOTHING
        found[key] = part
    return found


def _plain(annotation: Any) -> Any:
    """Return an annotation without metadata and without None."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    is_union = type(None) in typing.get_args(annotation)
    return _plain(parts[0]) if is_union and len(parts) == 1 else annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
