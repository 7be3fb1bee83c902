"""The output of a run: a table of its steps if there is room, else lines."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cdk_sglang.optimization.progress import Progress, Step

_WIDE_FROM: Final = 90
"""Minimum characters per line for a table of steps."""
_MINUTE, _HOUR = 60, 3600


def screen(progress: Progress, now: dt.datetime, *, width: int) -> RenderableType:
    """Return a run for a terminal.

    Args:
        progress: The run.
        now: The time.
        width: Characters per line.
    """
    parts: list[RenderableType] = [Text(_head(progress, now), style="bold")]
    if width >= _WIDE_FROM:
        table = Table("step", "state", "took", "calls", "found", box=None, padding=(0, 2, 0, 0), header_style="dim")
        for step in progress.steps:
            is_now = progress.is_running and step is progress.steps[-1]
            table.add_row(
                step.name, _state(progress, step), duration(step.seconds(now)), str(step.calls), Text(step.note),
                style="bold" if is_now else "",
            )  # fmt: skip
        parts.append(table)
    else:
        for step in progress.steps:
            note = f": {step.note}" if step.note else ""
            parts.append(Text(f"{step.name} ({_state(progress, step)}, {duration(step.seconds(now))}){note}"))
    return Group(*parts, *(Text(line) for line in end_lines(progress)))


def end_lines(progress: Progress) -> list[str]:
    """Return how a run ended, and what to do next; what it waits for while it runs."""
    ending = progress.ending
    if ending is None:
        if progress.step == "approval":
            return [f"waits for a person: cdk-sglang eagle promote --run {progress.run} or reject --run {progress.run}"]
        return []
    lines = [f"{ending.state}: {ending.reason}" if ending.reason else ending.state]
    if ending.report:
        lines.append(f"report: {ending.report}")
    if ending.next_step:
        lines.append(f"next: {ending.next_step}")
    return lines


def line_of(progress: Progress) -> str:
    """Return a run in one line without times, which changes only when the run does."""
    if progress.ending is not None:
        return f"{progress.run}: " + "; ".join(end_lines(progress))
    note = progress.steps[-1].note if progress.steps else ""
    return (
        f"{progress.run}: {progress.step or 'begins'}{f': {note}' if note else ''}; {progress.spent_usd:.2f} $ so far"
    )


def progress_json(progress: Progress, now: dt.datetime) -> dict[str, Any]:
    """Return a run with stable names of its members, for other programs."""
    ending = progress.ending
    return {
        "run": progress.run,
        "execution": progress.execution,
        "reason": progress.reason,
        "status": progress.status,
        "began": progress.began.isoformat(),
        "ended": None if progress.ended is None else progress.ended.isoformat(),
        "elapsed_seconds": round(progress.seconds(now)),
        "step": progress.step,
        "steps": [
            {
                "name": step.name,
                "began": step.began.isoformat(),
                "ended": None if step.ended is None else step.ended.isoformat(),
                "calls": step.calls,
                "found": step.note,
            }
            for step in progress.steps
        ],
        "spent_usd": round(progress.spent_usd, 2),
        "ending": None
        if ending is None
        else {
            "state": ending.state,
            "reason": ending.reason,
            "next": ending.next_step,
            "report": ending.report or None,
        },
    }


def duration(seconds: float) -> str:
    """Return a duration for a person."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


def _head(progress: Progress, now: dt.datetime) -> str:
    ending, spent = progress.ending, progress.spent_usd
    if ending is not None and ending.spent_usd is not None:
        spent = ending.spent_usd
    word = "runs" if progress.is_running else progress.status.lower().replace("_", " ")
    return f"{progress.run} ({progress.reason}): {word}, {duration(progress.seconds(now))}, about {spent:,.2f} $ so far"


def _state(progress: Progress, step: Step) -> str:
    if step is not progress.steps[-1]:
        return "done"
    if progress.is_running:
        return "now"
    return "done" if progress.ending is not None and progress.ending.is_good else "last"
