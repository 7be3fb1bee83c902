from __future__ import annotations

import json
import typing
from collections.abc import Callable, Mapping
from typing import Any

import annotated_types
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.serving.sglang import SglangOptions, environment_problems
from cdk_sglang.serving.sglang.extra import FORBIDDEN
from cdk_sglang.serving.sglang.flags import FlagSpec, all_flags, dlc_gaps, flag_of
from cdk_sglang.serving.sglang.model_base import typed_dests

Entry = Callable[[Mapping[str, str]], list[str]]
Parse = Callable[[list[str]], dict[str, object]]

_TYPED = frozenset(typed_dests(SglangOptions))
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


def _value(name: str, field: FieldInfo) -> st.SearchStrategy[Any]:
    types = _types(field.annotation)
    model = next((t for t in types if isinstance(t, type) and issubclass(t, BaseModel)), None)
    literals = _literals(field.annotation)
    if name in _PATTERNED:
        found = _PATTERNED[name]
    elif name == "extra":
        found = _extra()
    elif model is not None:
        found = _fields(model)
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


def _fields(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    needed = {name: _value(name, field) for name, field in model.model_fields.items() if field.is_required()}
    optional = {name: _value(name, field) for name, field in model.model_fields.items() if not field.is_required()}
    return st.fixed_dictionaries(needed, optional=optional)


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
    free = {spec.dest: spec for spec in all_flags() if spec.dest not in _TYPED | FORBIDDEN.keys() and spec.nargs != "?"}
    pairs = st.sampled_from(sorted(free)).flatmap(lambda dest: st.tuples(st.just(dest), _extra_value(flag_of(dest))))
    return st.lists(pairs, max_size=6).map(dict)


_SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow])  # fmt: skip


@_SETTINGS
@given(asked=_fields(SglangOptions))
def test_any_options_render_an_environment_that_sglangs_parser_reads_back(
    asked: dict[str, Any], entry: Entry, parse: Parse
) -> None:
    options = SglangOptions.model_validate(asked)
    found = options.problems("server", model_max_context=131072, gpu_capability="9.0")
    assume(not any("characters, SageMaker takes" in line for line in found))
    env = options.environment()
    assert environment_problems({}, "environment", rendered=env) == []
    parsed = parse(entry(env))
    for _, dest, value in options.settings():
        spec = flag_of(dest)
        expected = list(value) if isinstance(value, tuple) else value
        if isinstance(value, dict):
            expected = json.dumps(value, separators=(",", ":"), sort_keys=True)
        if dest == "trace_modules":
            expected = ",".join(value)
        if spec.value_type in {"loads", "json_list_type"}:
            expected = json.loads(value)
        if spec.is_switch and not value and not spec.can_be_negated:
            expected = spec.default
        assert parsed[dest] == expected, dest


@_SETTINGS
@given(asked=_fields(SglangOptions))
def test_what_is_fine_for_the_aws_container_uses_only_what_its_release_has(
    asked: dict[str, Any], dlc_entry: Entry, parse: Parse
) -> None:
    refused = {line.split(":")[0].split(".")[1] for line in SglangOptions.model_validate(asked).problems_for("dlc")}
    options = SglangOptions.model_validate({name: value for name, value in asked.items() if name not in refused})
    assert options.problems_for("dlc") == []
    argv = dlc_entry(options.environment(image_kind="dlc"))
    assert dlc_gaps().flags.isdisjoint(argv)
    parse(argv)


@_SETTINGS
@given(asked=_fields(SglangOptions))
def test_rendering_is_stable_and_what_a_round_trip_keeps(asked: dict[str, Any]) -> None:
    options = SglangOptions.model_validate(asked)
    again = SglangOptions.model_validate_json(options.model_dump_json())
    assert list(options.environment().items()) == list(again.environment().items())
    assert options.problems("s") == again.problems("s")
    assert options.gpus_per_copy >= options.tp_size


def _construct(noise: dict[str, Any]) -> SglangOptions | list[str]:
    try:
        return SglangOptions(**noise)
    except ConfigurationError as error:
        return list(error.problems)


@settings(max_examples=300, deadline=None)
@given(
    noise=st.dictionaries(
        st.sampled_from([*SglangOptions.model_fields, "tp", "modl"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.lists(st.integers())
        | st.dictionaries(st.text(), st.text()),
        max_size=5,
    ),
    capability=st.sampled_from([None, "8.0", "8.9", "10.3", "12.0"]),
)
def test_anything_else_is_a_configuration_error_with_one_line_per_problem(
    noise: dict[str, Any], capability: str | None
) -> None:
    options = _construct(noise)
    if isinstance(options, list):
        assert options
        assert [line for line in options if not line.startswith("SglangOptions.")] == []
        return
    for line in options.problems("server", gpu_capability=capability) + options.problems_for("dlc", "server"):
        assert line.startswith("server.")
