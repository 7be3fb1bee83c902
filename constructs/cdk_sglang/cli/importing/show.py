"""What a deployment of the file would make different, as text of any width."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cdk_sglang.cli.importing.notes import Difference, Kind

_WIDE_FROM: Final = 120
"""Minimum characters per line for a table of differences."""
_TITLES: Final = {
    Kind.LOST: "cannot be expressed in the file",
    Kind.CHANGED: "our defaults would change",
    Kind.UNREAD: "could not be read",
}
_STYLES: Final = {Kind.LOST: "bold red", Kind.CHANGED: "yellow", Kind.UNREAD: "magenta"}
_COLUMNS: Final = ("field", "it has", "we would make")
_INDENT: Final = "  "
_PLACE: Final = re.compile(r"^endpoints\.[^.]+\.(components\.)?")
"""Beginning of the paths of an endpoint and its components, which is the same in all of them."""


def print_differences(differences: Sequence[Difference], names: Mapping[str, str], console: Console) -> None:
    """Print what a deployment of the file would make different.

    Args:
        differences: The differences.
        names: SageMaker's names after a deployment, by those that are now.
        console: Where to print.
    """
    renamed = [(now, then) for now, then in names.items() if now != then]
    _print(
        "names that callers use",
        "bold",
        [(now or "InferenceComponentName", now or "none", then) for now, then in renamed],
        console,
    )
    if not renamed:
        _line("names: as they are", console)
    for kind in Kind:
        rows = [(_PLACE.sub("", one.field), one.has, one.makes) for one in differences if one.kind is kind]
        _print(_TITLES[kind], _STYLES[kind], rows, console)


def _print(title: str, style: str, rows: Sequence[tuple[str, str, str]], console: Console) -> None:
    if not rows:
        return
    console.print(Text(f"{title}:", style=style))
    if console.width >= _WIDE_FROM:
        table = Table(*_COLUMNS, box=None, padding=(0, 2, 0, 2), pad_edge=True)
        for row in rows:
            table.add_row(*(Text(_plain(cell), overflow="fold") for cell in row))
        console.print(table)
        return
    for field, has, makes in rows:
        _line(f"{_INDENT}{_plain(field)}", console)
        _line(f"{_INDENT * 2}it has: {_plain(has)}", console)
        _line(f"{_INDENT * 2}we would make: {_plain(makes)}", console)


def _line(text: str, console: Console) -> None:
    indent = text[: len(text) - len(text.lstrip())]
    wrapped = textwrap.fill(text.strip(), console.width, initial_indent=indent, subsequent_indent=indent + _INDENT)
    console.print(Text(wrapped), soft_wrap=True)


def _plain(text: str) -> str:
    """Remove characters that move a terminal's cursor: some names come from others."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
