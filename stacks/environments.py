"""From a file to checked settings: YAML without surprises, every problem at once, each with its path."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import ConfigurationError
from stacks.settings import Environment

FOLDER: Final = Path("environments")
_SHOWN_LENGTH: Final = 60


def load(name: str, *, folder: Path = FOLDER) -> Environment:
    """Read and check one environment.

    Args:
        name: File name without `.yaml`.
        folder: Where environments live.

    Raises:
        ConfigurationError: There is no such file, or anything in it is wrong; one line per problem.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        there = sorted(file.stem for file in folder.glob("*.yaml"))
        raise ConfigurationError([f"{path}: no such file; environments that exist: {', '.join(there) or 'none yet'}"])
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: cannot be read as UTF-8 text: {_one_line(str(error))}"]) from None
    return parse(text, source=str(path))


def cdk_json_context(path: Path = Path("cdk.json")) -> dict[str, Any]:
    """Return the context of cdk.json, so that `python app.py` makes what the CDK CLI makes: only the CLI reads that file."""
    if not path.is_file():
        return {}
    context: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")).get("context", {})
    return context


def parse(text: str, *, source: str) -> Environment:
    """Check the text of an environment file; `source` begins every problem's line.

    Raises:
        ConfigurationError: One line per problem.
    """
    try:
        content = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506  a SafeLoader that also refuses repeated keys
    except ConfigurationError as error:
        raise ConfigurationError([f"{source}: {problem}" for problem in error.problems]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: impossible dates, such as 2026-13-45
        raise ConfigurationError([f"{source}: not YAML: {_one_line(str(error))}"]) from None
    return check(content, source=source)


def check(content: object, *, source: str) -> Environment:
    """Check what an environment file holds, once it is read; `source` begins every problem's line.

    Raises:
        ConfigurationError: One line per problem.
    """
    if not isinstance(content, dict):
        got = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigurationError(
            [f"{source}: expected a mapping with the keys {', '.join(Environment.model_fields)}, got {got}"]
        )
    try:
        return Environment.model_validate(content)
    except ValidationError as error:
        problems = [line for problem in error.errors(include_url=False) for line in _lines(dict(problem))]
        raise ConfigurationError([f"{source}: {problem}" for problem in problems]) from None


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML lets the second of two equal keys win in silence: a second component would replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: dict[object, int] = {}
        problems = []
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *anchor`: keys of its own win, as YAML says
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a mapping is no key", key_node.start_mark)
            if key in seen:
                problems.append(
                    f"line {line}: {key!r} stands there twice, first on line {seen[key]}; rename or remove one"
                )
            seen.setdefault(key, line)
        if problems:
            raise ConfigurationError(problems)
        return super().construct_mapping(node, deep=deep)


def _lines(problem: dict[str, Any]) -> list[str]:
    loc: tuple[str | int, ...] = problem["loc"]
    if loc[-1:] == ("[key]",):
        loc = (*loc[:-2], str(problem["input"]))  # as written: pydantic shows the key False as 0
    path = ".".join(text if (text := str(part)).isprintable() else repr(text) for part in loc)
    if problem["type"] == "value_error":  # a check of several fields: each of its lines begins with one of them
        fields = _fields_at(loc)
        said = str(problem["ctx"]["error"]).splitlines()
        return [_join(path, line, "." if line.partition(":")[0].partition(".")[0] in fields else ": ") for line in said]
    return [_join(path, _message(problem, loc), ": ")]


def _join(path: str, text: str, separator: str) -> str:
    return f"{path}{separator}{text}" if path else text


def _message(problem: dict[str, Any], loc: tuple[str | int, ...]) -> str:  # noqa: PLR0911  one return a kind
    kind, given, context = problem["type"], problem.get("input"), problem.get("ctx", {})
    got = _shown(given)
    match kind:
        case "extra_forbidden":
            return f"unknown key; {did_you_mean(str(loc[-1]), _fields_at(loc[:-1]))}"
        case "missing":
            return "missing; it has no default"
        case "literal_error":
            allowed = re.findall(r"'([^']*)'", context["expected"])
            hint = did_you_mean(str(given), allowed) if allowed else f"use {context['expected']}"
            return f"{got} is not allowed; {hint}"
        case "string_type" if isinstance(given, bool | int | float):
            return f"{got} is {'true or false' if isinstance(given, bool) else 'a number'} here; write it in quotes"
        case "int_type" | "float_type" if isinstance(given, str):
            return f"{got} is text; write a number without quotes"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            sign = {"greater_than_equal": ">=", "greater_than": ">", "less_than_equal": "<=", "less_than": "<"}[kind]
            bound = next(iter(context.values()))
            return f"{got} is not allowed; use a value {sign} {bound}"
        case _:
            message = _one_line(str(problem["msg"]))
            return f"{message[:1].lower()}{message[1:]}, got {got}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def _one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in " ".join(text.split()))


def _fields_at(loc: tuple[str | int, ...]) -> list[str]:
    """Return the keys the settings know at this place."""
    place: Any = Environment
    for part in loc:
        place = _step(place, str(part))
    return list(place.model_fields) if isinstance(place, type) and issubclass(place, BaseModel) else []


def _step(place: Any, part: str) -> Any:  # noqa: ANN401  annotations are objects of many kinds
    if isinstance(place, type) and issubclass(place, BaseModel):
        field = place.model_fields.get(part)
        return _unwrap(field.annotation) if field is not None else None
    arguments = typing.get_args(place)  # dict[Name, Component] -> Component
    return _unwrap(arguments[-1]) if arguments else None


def _unwrap(annotation: Any) -> Any:  # noqa: ANN401
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return next((part for part in typing.get_args(annotation) if part is not type(None)), None)
    return annotation
