"""Reading and checking of environment files: strict YAML, and all problems at once, each with its path."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.consequences import told_once
from cdk_sglang.environments.layers import EXTENDS, read_layers
from cdk_sglang.environments.location import ENVIRONMENTS, there_text
from cdk_sglang.environments.naming import environment_name_problems
from cdk_sglang.environments.settings import Environment
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.partial import further_problems
from cdk_sglang.validation_errors import problems_of
from cdk_sglang.wording import one_line

_NODES_MAX: Final = 100_000
"""Maximum number of keys, values and entries in a file after expanding every alias; a fleet of a hundred components has some thousands."""
_ADVICE: Final = {
    "single document": "remove the line --- and what belongs to another environment",
    "tag": "remove the tag, which begins with an exclamation mark",
    "alias": "define it with & above, or write the value out",
    "character": "put the value in quotes, and indent with spaces",
}
"""Advice for a parser error that names no structure, by words that the error contains."""
_STRUCTURE: Final = ("while parsing", "while scanning")


def load(name: str, *, folder: Path = ENVIRONMENTS) -> Environment:
    """Read and check one environment.

    Args:
        name: File name without `.yaml`.
        folder: Folder of environments.

    Raises:
        ConfigurationError: There is no such file, or anything in it is wrong; one line per problem.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise ConfigurationError([Problem(path, f"no such file; {there_text(folder, name)}")])
    misnamed = [problem.in_file(str(path)) for problem in environment_name_problems(name)]
    try:
        environment = _loaded(path, folder=folder)
    except ConfigurationError as error:
        raise ConfigurationError([*misnamed, *error.problems]) from None
    raise_if_any(misnamed)
    return environment


def _loaded(path: Path, *, folder: Path) -> Environment:
    """Return the settings of a file and of the files that it extends."""
    content = _content(path)
    if not isinstance(content, dict) or EXTENDS not in content:
        return check(content, source=str(path))
    layers = read_layers(path, folder=folder, read=_content)
    try:
        return _checked(layers.merged)
    except ConfigurationError as error:
        raise ConfigurationError(
            problem.in_file(layers.source_of(problem.path)) for problem in error.problems
        ) from None


def cdk_json_context(path: Path = Path("cdk.json")) -> dict[str, Any]:
    """Return the context of cdk.json, so that `python app.py` produces the same as the CDK CLI, which alone reads that file."""
    if not path.is_file():
        return {}
    context: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")).get("context", {})
    return context


def _content(path: Path) -> object:
    """Return the parsed content of a file."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        text = f"line {line} holds the byte 0x{error.object[error.start]:02x}, which is not UTF-8 text; save the file as UTF-8"
        raise ConfigurationError([Problem(path, text)]) from None
    except OSError as error:
        text = f"cannot be read: {error.strerror or error}; make it readable, or name another environment"
        raise ConfigurationError([Problem(path, text)]) from None
    return _read(text, source=str(path))


def parse(text: str, *, source: str) -> Environment:
    """Check the text of an environment file; `source` is the prefix of every problem's line.

    Raises:
        ConfigurationError: One line per problem.
    """
    return check(_read(text, source=source), source=source)


def _read(text: str, *, source: str) -> object:
    try:
        content: object = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506  a SafeLoader that also refuses repeated keys
    except ConfigurationError as error:
        raise ConfigurationError(problem.in_file(source) for problem in error.problems) from None
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError([Problem(source, f"not YAML: {_with_place(error)}")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"not YAML: line {line} holds the control character {error.character:#04x}; remove it"
        raise ConfigurationError([Problem(source, problem)]) from None
    except RecursionError:
        text = "nested too deeply; write it with fewer brackets and levels"
        raise ConfigurationError([Problem(source, f"not YAML: {text}")]) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: impossible dates, such as 2026-13-45
        raise ConfigurationError([Problem(source, f"not YAML: {one_line(str(error))}")]) from None
    return content


def check(content: object, *, source: str) -> Environment:
    """Check the parsed content of an environment file; `source` is the prefix of every problem's line.

    Raises:
        ConfigurationError: One line per problem.
    """
    if not isinstance(content, dict):
        text = (
            f"expected a mapping with the keys {', '.join(Environment.model_fields)}, got {_kind(content)}; "
            "begin with region, network and endpoints, or let `cdk-sglang init` write a file"
        )
        raise ConfigurationError([Problem(source, text)])
    try:
        return _checked(content)
    except ConfigurationError as error:
        raise ConfigurationError(problem.in_file(source) for problem in error.problems) from None


def _kind(content: object) -> str:
    """Return what a file contains instead of a mapping, in YAML terms."""
    match content:
        case None:
            return "nothing"
        case list():
            return "a list"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case _:
            return "a text"


def _checked(content: object) -> Environment:
    try:
        return Environment.model_validate(content, by_alias=True, by_name=False)  # keys as in files, not Python names
    except ValidationError as error:
        wrong = [
            detail["loc"] for detail in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        problems = [*problems_of(error, Environment), *further_problems(Environment, content, wrong)]
        raise ConfigurationError(told_once(dict.fromkeys(problems))) from None


_PARSER_WORDS: Final = (
    (
        "found character '\\t' that cannot start any token",
        "a tab is used where spaces are expected; indent with spaces",
    ),
    ("that cannot start any token", "begins no value of YAML; put the value in quotes"),
    (
        "could not determine a constructor for the tag",
        "is a YAML tag, which these files do not support; remove it, or put the value in quotes",
    ),
    ("a mapping is no key", "a mapping is no key; fill in the template's braces first, or put the value in quotes"),
    (
        "expected <block end>, but found '<block mapping start>'",
        "this line is indented differently from its neighbours; indent them alike",
    ),
    (
        "expected <block end>, but found '<block sequence start>'",
        "this line is indented differently from its neighbours; indent them alike",
    ),
    ("but got '<stream end>'", "the file ends before a bracket or brace is closed; close it"),
    ("unexpected end of stream", "the file ends before a quote is closed; close it"),
    (
        "mapping values are not allowed",
        "a colon follows text that cannot be a key; indent the line like its neighbours, or put the value in quotes",
    ),
)
"""Plain-language replacements for PyYAML's messages, by a part of the message."""


def _in_plain_words(text: str) -> str:
    """Return a parser's message in plain language; the same text if there is no replacement."""
    for phrase, replacement in _PARSER_WORDS:
        if phrase in text:
            value = re.search(r"'(tag:yaml.org,2002:)?([^']*)'", text)
            shown = "" if value is None else f"{'!!' if value[1] else ''}{value[2]} "
            return f"{shown}{replacement}" if replacement.startswith(("is ", "begins ")) else replacement
    return ""


def _with_place(error: yaml.MarkedYAMLError) -> str:
    """Return a parser's message with line and column as an editor counts them, and where the enclosing structure begins."""
    at, begun = error.problem_mark, error.context_mark
    text = one_line(str(error.problem or "cannot be read"))
    place = "" if at is None else f"line {at.line + 1}, column {at.column + 1}: "
    within = one_line(str(error.context)) if error.context else ""
    begin = "" if begun is None else f" that begins on line {begun.line + 1}, column {begun.column + 1}"
    if plain := _in_plain_words(text):
        return f"{place}{plain}{f' ({within}{begin})' if begin else ''}"
    if not within.startswith(
        _STRUCTURE
    ):  # such as "expected a single document in the stream", "but found another document"
        advice = next(
            (advice for words, advice in _ADVICE.items() if words in f"{within} {text}"), "write it differently"
        )
        return place + f"{within} {text}".strip() + f"; {advice}"
    return f"{place}{text} {within}{begin}; check indentation, quotes and brackets up to there"


class _UniqueKeyLoader(yaml.SafeLoader):
    """Loader that refuses repeated keys: YAML silently lets the last of two equal keys win, so a second component would replace the first.

    Digits with a leading zero stay text, because YAML 1.1 reads them as octal, which would change an account number. Expansion of aliases is
    limited, because a file of 2 KB can expand to gigabytes.
    """

    def get_single_node(self) -> Any:
        """Return the document; reject one whose aliases make it too large or recursive."""
        node = super().get_single_node()
        if node is not None:
            _count(node, {}, within=set())
        return node

    def construct_yaml_int(self, node: yaml.ScalarNode) -> Any:
        """Return a number; text for digits with a leading zero, and for times, which YAML 1.1 reads as a number of minutes."""
        text = str(self.construct_scalar(node))
        is_text = (len(text) > 1 and text.isdigit() and text[0] == "0") or ":" in text
        return text if is_text else super().construct_yaml_int(node)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> Any:
        """Return a number; text for times with a fraction of a second."""
        text = str(self.construct_scalar(node))
        return text if ":" in text else super().construct_yaml_float(node)

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        """Return a date; report the line of a date that does not exist."""
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            text = f"{node.value} is no date of the calendar ({error}); correct it, or write it in quotes"
            raise ConfigurationError([Problem(f"not YAML: line {node.start_mark.line + 1}", text)]) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  the base's signature
        first_lines: dict[object, int] = {}
        problems = []
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *anchor`: its own keys win, as YAML specifies
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a mapping is no key", key_node.start_mark)
            if key in first_lines:
                problems.append(
                    Problem(
                        f"line {line}",
                        f"{key!r} is listed twice, first on line {first_lines[key]}; rename or remove one",
                    )
                )
            first_lines.setdefault(key, line)
        if problems:
            raise ConfigurationError(problems)
        return super().construct_mapping(node, deep=deep)


_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:int", _UniqueKeyLoader.construct_yaml_int)
_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:float", _UniqueKeyLoader.construct_yaml_float)
_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:timestamp", _UniqueKeyLoader.construct_yaml_timestamp)


def _count(node: yaml.Node, counted: dict[int, int], *, within: set[int]) -> int:
    """Return the number of nodes that a node contains after expanding every alias.

    Args:
        node: The node.
        counted: Results by identity of the node; each node is counted once.
        within: Identities of the enclosing nodes.

    Raises:
        ConfigurationError: There are too many nodes, or a node contains itself.
    """
    if id(node) in within:
        problem = "an alias is part of the value that it refers to; write the value out"
        raise ConfigurationError([Problem(f"line {node.start_mark.line + 1}", problem)])
    if id(node) not in counted:
        value = node.value if isinstance(node, yaml.SequenceNode | yaml.MappingNode) else ()
        parts = [part for entry in value for part in (entry if isinstance(entry, tuple) else (entry,))]
        total = 1 + sum(_count(part, counted, within=within | {id(node)}) for part in parts)
        if total > _NODES_MAX:
            problem = f"stands for more than {_NODES_MAX:,} values with every alias written out; use fewer aliases"
            raise ConfigurationError([Problem(f"line {node.start_mark.line + 1}", problem)])
        counted[id(node)] = total
    return counted[id(node)]
