"""The output of `cdk-sglang diff` as text of any width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from cdk_sglang.cli.diff.report import DiffReport, Effect, Item, Span

_MOST_REASONS = 6
"""Changed values of one part that are shown; --json has all."""
_STYLES = {
    Effect.REPLACED: "bold red",
    Effect.REMOVED: "bold red",
    Effect.REFUSED: "bold red",
    Effect.SECOND_FLEET: "bold yellow",
    Effect.BATCHES: "bold yellow",
    Effect.NEW_COPIES: "yellow",
    Effect.LEFT: "yellow",
    Effect.CREATED: "green",
}


def print_diff(report: DiffReport, console: Console, *, notes: Sequence[str] = ()) -> None:
    """Print a report.

    Args:
        report: The report.
        console: Where to print.
        notes: What a reader should know of the comparison; by default whether this is the first deployment.
    """
    _print_wrapped(f"{report.title}: what a deployment would do", console, style="bold")
    for note in notes or (["no endpoint is deployed yet"] if report.is_first else []):
        _print_wrapped(note, console)
    quiet = [item.name for item in report.items if item.effect is Effect.UNTOUCHED]
    for item in report.items:
        if item.effect is not Effect.UNTOUCHED:
            _print_item(item, console)
    if quiet:
        _print_wrapped(f"untouched: {', '.join(quiet)}", console)
    _print_list("alarms", [] if report.is_first else list(report.alarms), console)
    others = [
        f"{action}: {sum(types.values())} ({', '.join(f'{count} {name}' for name, count in sorted(types.items()))})"
        for action, types in report.counts().items()
    ]
    _print_list("other resources", others, console)
    _print_list("refused by AWS", list(report.refused), console)
    _print_list("not in one deployment", list(report.order.problems), console)
    _print_list("order", [report.order.why] if report.order.why else [], console)
    _print_list(
        "stacks that are no longer part of the environment, and stay",
        [f"{one.name}; delete it with: {one.command}" for one in report.left],
        console,
    )
    for line in _end(report):
        _print_wrapped(line, console)


def lines(item: Item) -> Iterator[str]:
    """Yield the lines below an item's first line.

    Args:
        item: The item.
    """
    yield from item.why[:_MOST_REASONS]
    if len(item.why) > _MOST_REASONS:
        yield f"and {len(item.why) - _MOST_REASONS} more values"
    if not item.certain:
        yield "only if the values above turn out to be different"
    if item.effect is Effect.CREATED:
        yield from _created(item)
    elif item.effect in {Effect.NEW_COPIES, Effect.REPLACED, Effect.SECOND_FLEET, Effect.BATCHES}:
        yield from _replacing(item)
    yield from item.notes
    if item.is_guarded:
        yield (
            f"alarms that trigger a rollback: {'; '.join(item.guards)}"
            if item.guards
            else ("no alarm rolls it back: whatever answers /ping is kept")
        )
        if not item.verified:
            yield "not verified afterwards"
    if item.command is not None:
        yield f"delete it with: {item.command}"


def _created(item: Item) -> Iterator[str]:
    if item.copies is not None and item.gpus is not None:
        yield f"{counted(item.copies, 'copy', 'copies')}, {counted(item.gpus, 'GPU', 'GPUs')}"
    if item.instances is not None:
        yield f"{span_text(item.instances)} x {' or '.join(item.types)}"


def _replacing(item: Item) -> Iterator[str]:
    if item.copies is not None and item.gpus is not None:
        copies, gpus = counted(item.copies, "copy", "copies"), counted(item.gpus, "GPU", "GPUs")
        yield f"{copies}; a step needs {gpus} in addition to what serves"
    time = "for how long is unknown" if item.minutes is None else f"for about {span_text(item.minutes)} minutes"
    if item.instances is not None:
        money = "" if item.usd is None else f", about {span_text(item.usd, digits=2)} $"
        yield f"{span_text(item.instances)} more x {' or '.join(item.types)} meanwhile, {time}{money}"
    elif item.copies is not None:
        yield (
            f"lasts {time.removeprefix('for ')}"
            if item.minutes is not None
            else "how long is unknown: it is not planned"
        )
    if item.down_minutes is not None:
        yield f"nothing serves for about {item.down_minutes:.0f} minutes"


def _print_item(item: Item, console: Console) -> None:
    console.print(Text.assemble((f"{item.name}: ", "bold"), (item.effect.value, _STYLES.get(item.effect, ""))))
    for line in lines(item):
        _print_indented(line, console)


def _print_list(title: str, entries: list[str], console: Console) -> None:
    if entries:
        _print_wrapped(f"{title}:", console)
    for entry in entries:
        _print_indented(entry, console)


def _print_indented(text: str, console: Console) -> None:
    _print_wrapped(text, console, indent="  ")


def _print_wrapped(text: str, console: Console, *, indent: str = "", style: str = "") -> None:
    wrapped = textwrap.fill(
        text, console.width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    console.print(Text(wrapped, style=style), soft_wrap=True)


def _end(report: DiffReport) -> Iterator[str]:
    if report.usd_per_hour is not None:
        before, after = report.usd_per_hour
        if before != after:
            yield f"at full scale: {before:,.2f} -> {after:,.2f} $/h"
    if report.is_empty:
        yield "nothing changes" if not report.left else "nothing is changed or deleted by a deployment"


def span_text(span: Span, *, digits: int = 0) -> str:
    """Return both ends of a span, or one number if they look the same.

    Args:
        span: The span.
        digits: Digits behind the point.
    """
    low, high = (f"{value:,.{digits}f}" for value in (span.low, span.high))
    return low if low == high else f"{low} to {high}"


def counted(span: Span, one: str, several: str) -> str:
    """Return a span with what it counts.

    Args:
        span: The span.
        one: The word for one.
        several: The word for several.
    """
    return f"{span_text(span)} {one if span.low == span.high == 1 else several}"
