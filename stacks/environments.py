"""From a file to checked settings: YAML without surprises, every problem at once, each with its path."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.validation import one_line, problems_of
from stacks.settings import Environment

FOLDER: Final = Path("environments")


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
        raise ConfigurationError(
            [Problem(path, f"no such file; environments that exist: {', '.join(there) or 'none yet'}")]
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([Problem(path, f"cannot be read as UTF-8 text: {one_line(str(error))}")]) from None
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
        raise ConfigurationError(problem.in_file(source) for problem in error.problems) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: impossible dates, such as 2026-13-45
        raise ConfigurationError([Problem(source, f"not YAML: {one_line(str(error))}")]) from None
    return check(content, source=source)


def check(content: object, *, source: str) -> Environment:
    """Check what an environment file holds, once it is read; `source` begins every problem's line.

    Raises:
        ConfigurationError: One line per problem.
    """
    if not isinstance(content, dict):
        got = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigurationError(
            [Problem(source, f"expected a mapping with the keys {', '.join(Environment.model_fields)}, got {got}")]
        )
    try:
        return Environment.model_validate(content, by_alias=True, by_name=False)  # keys of files, not names of Python
    except ValidationError as error:
        raise ConfigurationError(problem.in_file(source) for problem in problems_of(error, Environment)) from None


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
                    Problem(f"line {line}", f"{key!r} is listed twice, first on line {seen[key]}; rename or remove one")
                )
            seen.setdefault(key, line)
        if problems:
            raise ConfigurationError(problems)
        return super().construct_mapping(node, deep=deep)
