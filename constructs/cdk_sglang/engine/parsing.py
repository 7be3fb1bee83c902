"""Converts SM_SGLANG_* variables to options: the inverse of `rendering`, under the same rules of the container's entry script."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from cdk_sglang.engine.extra import FORBIDDEN
from cdk_sglang.engine.flag_spec import FlagSpec
from cdk_sglang.engine.flags import find_flag
from cdk_sglang.engine.model_base import OptionsModel, typed_dests
from cdk_sglang.engine.options import SglangOptions
from cdk_sglang.engine.releases import Release, release_of
from cdk_sglang.engine.rendering import PREFIX, spells_attention_groups_by_switch, text_of
from cdk_sglang.errors import ConfigurationError

_WHOLE: Final = frozenset({"int", "human_readable_int"})
_GROUPS_SWITCH: Final = "enable_dp_attention"
_NO_VALUE: Final = "a switch takes no value"
_ROUNDS: Final = 8
"""Maximum number of attempts that set aside invalid values; each attempt reports all that it finds."""


@dataclass(frozen=True, kw_only=True)
class ParsedOptions:
    """Options read from a container's environment.

    Attributes:
        options: Options that could be read.
        server: The same in the form of an environment file, without SGLang's defaults.
        left: Reasons for variables that could not be converted, by variable.
    """

    options: SglangOptions
    server: Mapping[str, Any]
    left: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Found:
    variable: str
    spec: FlagSpec
    value: Any


def parse(variables: Mapping[str, str], *, sglang_version: str | None = None) -> ParsedOptions:
    """Return the options in a container's environment; variables with other names are ignored.

    Rendering them for the same release gives the same variables again, except those in `left`.

    Args:
        variables: The container's environment.
        sglang_version: SGLang's release in the image, such as "0.5.20"; the newest known one if `None`.
    """
    release, left = release_of(sglang_version), dict[str, str]()
    found: dict[str, _Found] = {}
    for variable, text in sorted(variables.items()):
        if not variable.startswith(PREFIX) or text.strip().lower() == "false":  # which the entry scripts drop
            continue
        read = _read(variable, text, release=release)
        if isinstance(read, str):
            left[variable] = read
        elif read.spec.dest in found:
            left[variable] = f"is the same option as {found[read.spec.dest].variable}"
        else:
            found[read.spec.dest] = read
    _join_attention_groups(found, release=release)
    server, of_path = _placed(found, release=release, left=left)
    options = _validated(server, of_path, left=left)
    return ParsedOptions(options=options, server=server, left=left)


def _read(variable: str, text: str, *, release: Release) -> _Found | str:
    """Return the option and value of a variable, or the reason why there is none."""
    name = variable.removeprefix(PREFIX).lower()
    spec = release.spelled(name) or find_flag(name)
    bare = not text.strip() or text.strip().lower() == "true"
    if spec is None or (name.startswith("no_") and spec.can_be_negated):
        return _switched_off(variable, name, bare=bare, release=release)
    by_switch = spec.dest == _GROUPS_SWITCH and spells_attention_groups_by_switch(release)
    if spec.dest in FORBIDDEN and not by_switch:
        return FORBIDDEN[spec.dest]
    if spec.is_switch:
        return _Found(variable=variable, spec=spec, value=True) if bare else _NO_VALUE
    if bare:
        return "it has no value"
    try:
        return _Found(variable=variable, spec=spec, value=_value(text, spec))
    except ValueError:
        return f"{text!r} is none of its values"


def _switched_off(variable: str, name: str, *, bare: bool, release: Release) -> _Found | str:
    """Return the option that a `--no-` spelling switches off, or the reason why there is none."""
    switch = name.removeprefix("no_")
    spec = release.spelled(switch) or find_flag(switch)
    if switch == name or spec is None or not spec.can_be_negated:
        return f"SGLang {release.version} has no such option"
    return _Found(variable=variable, spec=spec, value=False) if bare else _NO_VALUE


def _value(text: str, spec: FlagSpec) -> Any:
    if spec.takes_list:
        values = [_one(item, spec) for item in text.split()]
        return values if len(values) > 1 else values[0]
    return _one(text, spec)


def _one(text: str, spec: FlagSpec) -> Any:
    if spec.value_type in _WHOLE:
        return int(text)
    return float(text) if spec.value_type == "float" else text


def _join_attention_groups(found: dict[str, _Found], *, release: Release) -> None:
    """Convert `--dp-size N --enable-dp-attention` of releases before 0.5.22 to `attn_dp_size`."""
    if not spells_attention_groups_by_switch(release) or found.pop(_GROUPS_SWITCH, None) is None:
        return
    groups = found.pop("dp_size", None)
    if groups is None:  # of one group
        return
    spec = find_flag("attn_dp_size")
    assert spec is not None
    found["attn_dp_size"] = _Found(variable=groups.variable, spec=spec, value=groups.value)


def _placed(
    found: Mapping[str, _Found], *, release: Release, left: dict[str, str]
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the options in the form of a file, and the variables by path."""
    paths = typed_dests(SglangOptions)
    server: dict[str, Any] = {}
    of_path: dict[str, list[str]] = {}
    for dest, one in found.items():
        path = paths.get(dest)
        if path is None:
            server.setdefault("extra", {})[dest] = one.value
            of_path[f"extra.{dest}"] = [one.variable]
            continue
        group, _, inner = path.partition(".")
        of_path[path] = [one.variable]
        if inner:
            server.setdefault(group, {})[inner] = _typed(group, inner, one.value)
        elif _group_of(group) is not None:
            server.setdefault(group, {})
        else:
            server[group] = _typed(None, group, one.value)
    for name in [name for name in server if _group_of(name) is not None]:
        _complete(name, server, found, of_path, release=release, left=left)
    _say_own_defaults(server, found, release=release)
    return server, of_path


def _group_of(name: str) -> type[OptionsModel] | None:
    found = SglangOptions.model_fields.get(name)
    kinds = () if found is None else (found.annotation, *typing.get_args(found.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, OptionsModel)), None)


def _typed(group: str | None, name: str, value: Any) -> Any:
    """Return a value in the type of its field: a list if required, a mapping for JSON text."""
    model: type[BaseModel] | None = SglangOptions if group is None else _group_of(group)
    assert model is not None
    kinds = str(model.model_fields[name].annotation)
    if "dict[" in kinds and isinstance(value, str):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    if "tuple[" in kinds:
        return value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    return value


def _complete(
    name: str,
    server: dict[str, Any],
    found: Mapping[str, _Found],
    of_path: dict[str, list[str]],
    *,
    release: Release,
    left: dict[str, str],
) -> None:
    """Add required values of a group that were omitted as SGLang's defaults, or remove the group if its switch is off."""
    model = _group_of(name)
    assert model is not None
    switch, values = model.switch(), server[name]
    required = [field for field, info in model.model_fields.items() if info.is_required()]
    for member in required:
        spec = release.option(model.dest_of(member))
        if member not in values and spec is not None and spec.default is not None and switch is not None:
            values[member] = spec.default
    is_off = switch is not None and switch not in found
    if not is_off and all(member in values for member in required):
        return
    needed = f"--{(switch or model.dest_of(required[0])).replace('_', '-')}"
    del server[name]
    for path in [path for path in of_path if path.split(".")[0] == name]:
        left.update(dict.fromkeys(of_path.pop(path), f"it does nothing without {needed}"))


def _say_own_defaults(server: dict[str, Any], found: Mapping[str, _Found], *, release: Release) -> None:
    """Write out values left to SGLang whose default in this library differs, such as disabled metrics."""
    for name, info in SglangOptions.model_fields.items():
        dest = SglangOptions.dest_of(name)
        spec = release.option(dest) if dest else None
        if spec is None or name in server or info.is_required() or info.default is None:
            continue
        if name == "log_requests_level" and "log_requests" not in found:
            continue
        default = spec.default if not spec.is_switch else bool(spec.default)
        if default is not None and text_of(default, spec=spec) != text_of(info.default, spec=spec):
            server[name] = default


def _validated(server: dict[str, Any], of_path: Mapping[str, list[str]], *, left: dict[str, str]) -> SglangOptions:
    """Return the options without values that the types refuse."""
    for _ in range(_ROUNDS):
        try:
            return SglangOptions(**server)
        except ConfigurationError as error:
            for problem in error.problems:
                _set_aside(server, problem.path.removeprefix("SglangOptions."), problem.text, of_path, left)
    left.update({variable: "the options do not go together" for names in of_path.values() for variable in names})
    server.clear()
    return SglangOptions()


def _set_aside(
    server: dict[str, Any], path: str, text: str, of_path: Mapping[str, list[str]], left: dict[str, str]
) -> None:
    names = path.split("[", maxsplit=1)[0].split(".")
    place: dict[str, Any] = server
    for name in names[:-1]:
        place = place.get(name, {}) if isinstance(place, dict) else {}
    if isinstance(place, dict):
        place.pop(names[-1], None)
    where = ".".join(names)
    for known, variables in of_path.items():
        if known == where or known.startswith(f"{where}.") or (names[2:] and where.startswith(f"{known}.")):
            left.update(dict.fromkeys(variables, text))
