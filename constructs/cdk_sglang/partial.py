"""Checks of several fields where some fields are wrong: those that need none of the wrong ones are made all the same.

pydantic leaves the validators of a whole model out as soon as one field of it is wrong, so that what they find would be told in a second
round. Here a model with wrong fields is made without them: a validator that asks for one of those ends there, and says nothing it cannot
know; what every other finds is told at once.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from cdk_sglang.errors import ConfigurationError, Problem

Place = tuple[int | str, ...]
"""Keys and indices from the outer to the inner."""
_NOTHING: Final = object()
"""A value that cannot be made."""
_adapters: Final[dict[int, tuple[object, TypeAdapter[Any]]]] = {}
"""By identity: equal types need not validate alike, as unions in another order. What each is of is kept, and so its identity its own."""


def further_problems(model: type[BaseModel], content: object, wrong: Iterable[Place]) -> list[Problem]:
    """Return what validators of whole models find in content with wrong values.

    Args:
        model: The model that was validated.
        content: What it was made from, with the keys of files.
        wrong: Places of the wrong values.
    """
    problems: list[Problem] = []
    if isinstance(content, Mapping):
        _made(model, content, [place for place in wrong if place], problems, ())
    return problems


def _made(
    model: type[BaseModel], content: Mapping[str, Any], wrong: Sequence[Place], problems: list[Problem], at: Place
) -> BaseModel:
    """Return a model without the fields that are wrong, after its own validators have said what they can."""
    values: dict[str, Any] = {}
    absent = []
    keys = {name: field.validation_alias or name for name, field in model.model_fields.items()}
    # An unknown key may be another one misspelt, whose default is then not what is meant.
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
    for name in absent:  # model_construct gives what is left out its default
        instance.__dict__.pop(name, None)
    for check in getattr(model, "_parts", None) or _validators(model):
        problems += [problem.under(".".join(map(str, at))) for problem in _said(check, instance)]
    return instance


def _validators(model: type[BaseModel]) -> list[Callable[[Any], Any]]:
    decorators = model.__pydantic_decorators__.model_validators.values()
    return [validator.func for validator in decorators if validator.info.mode == "after"]


def _said(check: Callable[[Any], Any], instance: BaseModel) -> Iterator[Problem]:
    """Yield what a check finds: one of a specification's `_parts`, or a validator of pydantic's."""
    try:
        found = check(instance)
        if isinstance(found, Iterator):
            yield from found
    except ConfigurationError as error:
        yield from error.problems
    except ValueError as error:
        yield Problem("", str(error))
    except AttributeError:  # it asks for a field that is wrong
        return


def _value(field: FieldInfo, content: object, wrong: Sequence[Place], problems: list[Problem], at: Place) -> Any:
    """Return the value of a field, with models inside made as far as they can be."""
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
    """Return what validates a kind, made once for the field or the type that it is of: making it takes longer than all else here."""
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
            return _NOTHING  # whether something of that name exists is not known
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
