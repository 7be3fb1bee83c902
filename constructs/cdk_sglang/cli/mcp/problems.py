"""Problems as a tool reports them: path, problem and next step apart, in the names of the tool's arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from cdk_sglang.cli.mcp.tool import ProblemRow, Tool
from cdk_sglang.errors import Problem

PROBLEMS_MAX: Final = 20
"""Problems of one answer."""
_TEXT_MAX: Final = 1_000
"""Characters of a problem or a next step."""
_OPTION: Final = re.compile(r"(?<![\w-])--(?:no-)?([a-z]+(?:-[a-z]+)*)(?![\w-])")
_WORDS: Final[Mapping[str, str]] = {"env": "environment", "type": "instance"}
"""Arguments by options of the command line that have another name there."""


def problem_row(problem: Problem, tool: Tool | None = None) -> ProblemRow:
    """Return a problem for an answer.

    Args:
        problem: The problem; what follows its first semicolon, outside of brackets, is the next step.
        tool: The tool whose arguments it names; none for the settings of an environment.
    """
    text, next_step = parted(problem.text)
    path = ": ".join(part for part in (problem.file, problem.path) if part)
    if tool is not None:
        path, text, next_step = (argument_names(part, tool) for part in (path, text, next_step))
    return ProblemRow(path=path, problem=text[:_TEXT_MAX], next_step=next_step[:_TEXT_MAX])


def parted(text: str) -> tuple[str, str]:
    """Return what is wrong, and what to do about it; the latter is empty if the text has no next step.

    Args:
        text: Text of a problem.
    """
    depth = 0
    for position, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth <= 0 and text.startswith("; ", position):
            return text[:position], text[position + 2 :]
    return text, ""


def lines(rows: Iterable[ProblemRow]) -> str:
    """Return problems as text, one line each.

    Args:
        rows: The problems.
    """
    return "\n".join(
        ": ".join(filter(None, (row.path, "; ".join(filter(None, (row.problem, row.next_step)))))) for row in rows
    )


def argument_names(text: str, tool: Tool) -> str:
    """Return a text in which the command line's options have the names of a tool's arguments.

    Args:
        text: Text of a problem, or a place.
        tool: The tool.
    """

    def name(match: re.Match[str]) -> str:
        option = match[1]
        argument = {**_WORDS, **tool.options}.get(option, option.replace("-", "_"))
        return argument if argument in tool.takes.model_fields else match[0]

    return _OPTION.sub(name, text)
