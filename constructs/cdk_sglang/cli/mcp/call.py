"""One call of a tool: check the arguments, call the function, and report every error as a problem. Independent of the protocol."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import typer
from pydantic import ValidationError

from cdk_sglang.checks import did_you_mean
from cdk_sglang.cli.aws import FailedError, reading_only
from cdk_sglang.cli.mcp.catalogue import TOOLS
from cdk_sglang.cli.mcp.problems import PROBLEMS_MAX, lines, problem_row
from cdk_sglang.cli.mcp.tool import ProblemRow
from cdk_sglang.cli.mcp.workspace import Workspace
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.validation_errors import problems_of

_logger: Final = logging.getLogger(__name__)
_SIGNIFICANT_DIGITS: Final = 6
"""As in a plan's JSON (`planning/export.py`)."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a call.

    Attributes:
        content: The answer, or the problems, as JSON members.
        text: The problems, one line each; empty for an answer.
    """

    content: Mapping[str, Any]
    text: str = ""

    @property
    def is_error(self) -> bool:
        """Whether there are problems."""
        return bool(self.text)


def call(name: str, arguments: Mapping[str, Any], workspace: Workspace) -> Outcome:
    """Call a tool; every error is part of the outcome.

    Args:
        name: Name of the tool.
        arguments: Its arguments.
        workspace: The folder that is served.
    """
    tool = TOOLS.get(name)
    if tool is None:
        problem = Problem("tool", f"there is no {name[:100]!r}; {did_you_mean(name[:100], list(TOOLS))}")
        return _refused([problem_row(problem)])
    try:
        query = tool.takes.model_validate(dict(arguments))
    except ValidationError as error:
        return _refused([problem_row(problem) for problem in problems_of(error, tool.takes)])
    try:
        with reading_only():
            return Outcome(content=_shortened(tool.answer(query, workspace).model_dump(mode="json")))
    except ConfigurationError as error:
        return _refused([problem_row(problem, tool) for problem in error.problems])
    except FailedError as error:
        return _refused([problem_row(Problem("aws" if tool.calls_aws else "", error.text), tool)])
    except (Exception, SystemExit, typer.Exit) as error:
        # The protocol goes on whatever a tool or the user's own app does; the log has the traceback.
        _logger.exception("%s failed", name)
        text = f"failed within ({type(error).__name__}: {error})"
        return _refused([problem_row(Problem(name, f"{' '.join(text.split())}; see the server's log on stderr"))])


def _shortened(value: Any) -> Any:
    """Return an answer in which every number that is not an integer has six digits."""
    if isinstance(value, float):
        return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _shortened(part) for key, part in value.items()}
    return [_shortened(part) for part in value] if isinstance(value, list) else value


def _refused(rows: list[ProblemRow]) -> Outcome:
    shown = rows[:PROBLEMS_MAX]
    more = len(rows) - len(shown)
    content = {"problems": [row.model_dump(mode="json") for row in shown], "more": more}
    return Outcome(content=content, text=lines(shown) + (f"\nand {more} more" if more else ""))
