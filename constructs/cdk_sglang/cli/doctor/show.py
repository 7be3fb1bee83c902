"""The examination as text: one line for each check, with what to do below it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cdk_sglang.cli.doctor.check import Outcome, Result
from cdk_sglang.cli.doctor.examination import Examination

_WIDE_FROM: Final = 100
"""Minimum characters per line for checks in columns."""
_STYLES: Final = {
    Outcome.OK: "green",
    Outcome.WARNING: "yellow",
    Outcome.FAILURE: "bold red",
    Outcome.UNKNOWN: "magenta",
}
_NAME_WIDTH: Final = 44
_INDENT: Final = 2


def print_examination(examination: Examination, console: Console) -> None:
    """Print an examination on a console.

    Args:
        examination: What all checks found.
        console: The console.
    """
    head = Text(f"{examination.environment} in {examination.region}", style="bold")
    body = _table(examination) if console.width >= _WIDE_FROM else Group(*_lines(examination))
    console.print(Group(head, body, _summary(examination)))


def _table(examination: Examination) -> Table:
    table = Table("result", "check", "found", box=None, padding=(0, 2, 0, 0), show_header=False)
    table.columns[0].no_wrap = True
    table.columns[1].max_width = _NAME_WIDTH
    for result in examination.results:
        table.add_row(_outcome(result), Text(result.name, overflow="fold"), _found(result))
    return table


def _lines(examination: Examination) -> Iterator[RenderableType]:
    for result in examination.results:
        yield _outcome(result).append(f"  {result.name}", style="default")
        yield Padding(_found(result), (0, 0, 0, _INDENT))


def _outcome(result: Result) -> Text:
    return Text(result.finding.outcome.value, style=_STYLES[result.finding.outcome])


def _found(result: Result) -> Text:
    text = Text(result.finding.text, overflow="fold")
    if result.finding.next_step:
        text.append(f"\nnext: {result.finding.next_step}")
    return text


def _summary(examination: Examination) -> Text:
    counts = ", ".join(f"{number} {outcome.value}" for outcome in Outcome if (number := examination.count(outcome)))
    verdict = (
        "a deployment would fail" if examination.failed else "nothing that was checked would make a deployment fail"
    )
    return Text(f"{counts}: {verdict}", style="bold")
