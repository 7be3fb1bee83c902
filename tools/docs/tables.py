"""Markdown tables, and text that is safe inside their cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_ENTITIES: Final = {ord(one): f"&#{ord(one)};" for one in "&<|[]*_\\`"}


def cell(text: str) -> str:
    """Return text on one line, with the syntax of Markdown and HTML escaped."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner is text
        parts[-2:] = ["&#96;".join(parts[-2:])]
    return "".join(code(part) if index % 2 else part.translate(_ENTITIES) for index, part in enumerate(parts))


def code(text: str) -> str:
    """Return text as code; characters that Markdown would read as syntax inside a cell become entities of HTML."""
    return f"<code>{text.translate(_ENTITIES)}</code>"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; its cells are not escaped."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
