"""Base of SGLang's option groups, which maps fields to SGLang's options."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, Final, TypeAlias

from pydantic import BaseModel

from cdk_sglang.validation import Spec


class OptionsModel(Spec):
    """Options of SGLang: a group of them, or all."""

    _switch: ClassVar[str | None] = None
    """SGLang's switch that turns this group on."""

    _dests: ClassVar[dict[str, str]] = {}
    """SGLang's names of fields that are named differently here; an empty name if the field is not an SGLang option by itself."""

    @classmethod
    def dest_of(cls, field: str) -> str:
        """Return the name under which SGLang stores a field."""
        return cls._dests.get(field, field)

    @classmethod
    def switch(cls) -> str | None:
        """Return the name of SGLang's switch that turns this group on, `None` for the root."""
        return cls._switch


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part)) is not None), None)


@cache
def typed_dests(model: type[OptionsModel], *, path: str = "") -> Mapping[str, str]:
    """Return the field path of every option in a model and its groups, including switches, by SGLang's name."""
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


_ONLY_WITH: Final = {"log_requests_level": "log_requests", "log_requests_format": "log_requests"}

Setting: TypeAlias = tuple[str, str, Any]
"""Field path, SGLang's name and value of an option."""


def settings_of(model: OptionsModel, *, path: str = "") -> Iterator[Setting]:
    """Yield every typed option that is set, including the switches of groups."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if value is None:
            continue
        where = f"{path}{name}"
        if isinstance(value, OptionsModel):
            switch = value.switch()
            if switch:
                yield where, switch, True
            yield from settings_of(value, path=f"{where}.")
        elif model.dest_of(name):
            needs = _ONLY_WITH.get(name)
            if needs is None or getattr(model, needs):
                yield where, model.dest_of(name), value
