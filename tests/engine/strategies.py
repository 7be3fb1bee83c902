"""Any options a settings file may hold, as hypothesis draws them from the types."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import annotated_types
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cdk_sglang.engine import SglangOptions
from cdk_sglang.engine.extra import FORBIDDEN
from cdk_sglang.engine.flag_spec import FlagSpec
from cdk_sglang.engine.flags import flag_of
from cdk_sglang.engine.model_base import typed_dests
from cdk_sglang.engine.releases import KNOWN_RELEASES, release_of

Known = Mapping[str, st.SearchStrategy[Any]]

_TYPED = frozenset(typed_dests(SglangOptions))
_FREE = sorted(
    {
        spec.dest
        for version in KNOWN_RELEASES
        for spec in release_of(version).options
        if spec.dest not in _TYPED | FORBIDDEN.keys() and spec.nargs != "?" and release_of(version).option(spec.dest)
    }
)
"""Options of any release that go into `extra`."""
_TEXT = st.from_regex(r"[A-Za-z0-9/_.][A-Za-z0-9/_.@+-]{0,30}", fullmatch=True).filter(
    lambda text: text.lower() not in {"true", "false"}
)
_NUMBERS = st.floats(min_value=0.01, max_value=0.99).map(lambda number: round(number, 4))
_PATTERNED = {
    "otlp_endpoint": st.just("collector:4317"),
    "algorithm": st.sampled_from(["EAGLE", "nextn", "Ngram", "DSPARK"]),
}


def _literals(annotation: object) -> list[Any]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [value for part in typing.get_args(annotation) for value in _literals(part)]


def _types(annotation: object) -> set[object]:
    return {annotation, *(found for part in typing.get_args(annotation) for found in _types(part))}


def _value(name: str, field: FieldInfo, known: Known = MappingProxyType({})) -> st.SearchStrategy[Any]:
    types = _types(field.annotation)
    model = next((t for t in types if isinstance(t, type) and issubclass(t, BaseModel)), None)
    literals = _literals(field.annotation)
    if name in known:
        found = known[name]
    elif name in _PATTERNED:
        found = _PATTERNED[name]
    elif name == "extra":
        found = _extra()
    elif model is not None:
        found = options_of(model, known)
    elif literals:
        one = st.sampled_from(literals)
        many = any(typing.get_origin(t) is tuple for t in types)
        found = st.lists(one, min_size=1, max_size=4, unique=True) if many else one
    else:
        found = _open_value(types, field)
    return found


def _open_value(types: set[object], field: FieldInfo) -> st.SearchStrategy[Any]:
    if any(typing.get_origin(t) is dict for t in types):
        return st.dictionaries(_TEXT, st.integers() | _TEXT | st.booleans(), max_size=3)
    if bool in types:
        return st.booleans()
    if float in types:
        return _NUMBERS
    if int in types:
        low = next((m.ge for m in field.metadata if isinstance(m, annotated_types.Ge)), 1)
        return st.integers(min_value=int(typing.cast("int", low)), max_value=2**20)
    return _TEXT


def options_of(model: type[BaseModel], known: Known = MappingProxyType({})) -> st.SearchStrategy[dict[str, Any]]:
    """Any subset of a model's fields, with any values that their types let pass.

    Args:
        model: The options, or a group of them.
        known: Narrower values for some fields, by name.
    """
    fields = model.model_fields.items()
    needed = {name: _value(name, field, known) for name, field in fields if field.is_required()}
    optional = {name: _value(name, field, known) for name, field in fields if not field.is_required()}
    return st.fixed_dictionaries(needed, optional=optional)


def a_few_options(known: Known, *, most: int) -> st.SearchStrategy[dict[str, Any]]:
    """Up to so many options at once: most combinations of many are refused by a rule."""
    fields = SglangOptions.model_fields

    def with_values(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({name: _value(name, fields[name], known) for name in names})

    return st.lists(st.sampled_from(sorted(fields)), max_size=most, unique=True).flatmap(with_values)


def _extra_value(spec: FlagSpec) -> st.SearchStrategy[Any]:
    if spec.is_switch:
        return st.booleans()
    scalar: st.SearchStrategy[Any] = _TEXT
    if spec.choices:
        scalar = st.sampled_from(list(spec.choices))
    elif spec.value_type in {"int", "human_readable_int"}:
        scalar = st.integers(min_value=-1, max_value=2**31)
    elif spec.value_type == "float":
        scalar = _NUMBERS
    elif spec.value_type == "loads":
        scalar = st.dictionaries(_TEXT, st.integers(), max_size=2).map(json.dumps)
    elif spec.value_type == "json_list_type":
        scalar = st.lists(st.integers(), max_size=2).map(json.dumps)
    return st.lists(scalar, min_size=1, max_size=3) if spec.takes_list else scalar


def _extra() -> st.SearchStrategy[dict[str, Any]]:
    pairs = st.sampled_from(_FREE).flatmap(lambda dest: st.tuples(st.just(dest), _extra_value(flag_of(dest))))
    return st.lists(pairs, max_size=6).map(dict)
