"""A tool: its name, its input and output, and the function that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import Field

from cdk_sglang.cli.mcp.workspace import Workspace
from cdk_sglang.validation import Spec

T = TypeVar("T")

ROWS_MAX: Final = 20
"""Rows of a list in an answer, unless its field says otherwise."""

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=300)]
"""A name or a path."""
Region: TypeAlias = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", max_length=30)]
"""Name of an AWS Region."""
Count: TypeAlias = Annotated[int, Field(ge=0)]
"""Number of rows that a list leaves out."""
Limit: TypeAlias = Annotated[int, Field(ge=1, le=50)]
"""Maximum number of rows to return."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool.

    Args:
        name: Name.
        title: What a person reads.
        description: When to use it, for the model that chooses.
        takes: Its arguments.
        gives: Its answer.
        answer: Function of the arguments and the folder that is served.
        calls_aws: Whether it calls AWS, with the credentials of the user who started the server.
        options: Names of arguments by the options of the command line that the answer's problems speak of, where they differ.
    """

    name: str
    title: str
    description: str
    takes: type[Spec]
    gives: type[Spec]
    answer: Callable[[Any, Workspace], Spec]
    calls_aws: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


class Band(Spec):
    """A prediction, and the range that holds the measured value in 8 of 10 configurations."""

    value: float
    """The prediction."""

    low: float
    """Lower bound."""

    high: float
    """Upper bound."""


class Range(Spec):
    """Minimum, typical value and maximum of a number."""

    low: float
    """Least."""

    typical: float
    """Typical."""

    high: float
    """Most."""


class ProblemRow(Spec):
    """A mistake, or why something is not available."""

    path: str
    """Place of the value: names joined by dots, or an argument of the tool; empty for the whole."""

    problem: str
    """What is wrong, with the value found."""

    next_step: str
    """What to do about it; empty if the problem says it all."""


def band(value: Any) -> Band | None:
    """Convert a band to that of an answer; None stays None.

    Args:
        value: A band of the planner's or of a status report.
    """
    return None if value is None else Band(value=value.value, low=value.low, high=value.high)


def span(value: Any) -> Range | None:
    """Convert a range to that of an answer; None stays None.

    Args:
        value: A range of a plan.
    """
    return None if value is None else Range(low=value.low, typical=value.typical, high=value.high)


def bounded(rows: Iterable[T], limit: int = ROWS_MAX) -> tuple[list[T], int]:
    """Return the first rows, and how many more there are.

    Args:
        rows: All of them.
        limit: Maximum number to return.
    """
    everything = list(rows)
    return everything[:limit], max(0, len(everything) - limit)
