"""Text as Markdown of GitHub's kind: whatever an environment's file says stays text, and neither links, mentions nor closes anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from cdk_sglang.wording import one_line

_MEANING: Final = re.compile(r"([\\`*{}\[\]<>~!]|(?<!\w)_|_(?!\w))")
_APART: Final = "&#8203;"
"""A zero-width space: GitHub does not link a name, number or address that contains it."""
_LINKED: Final = re.compile(r"(@|#|:(?=//)|www(?=\.))")


def text(words: str) -> str:
    """Return a text whose characters have no meaning in Markdown.

    Args:
        words: The text.
    """
    plain = _MEANING.sub(r"\\\1", one_line(words).replace("&", "&amp;"))
    if plain.count("$") > 1:  # a formula, to GitHub
        plain = plain.replace("$", "\\$")
    return _LINKED.sub(rf"\1{_APART}", plain)


def code(words: str) -> str:
    """Return a text as code within a line.

    Args:
        words: The text.
    """
    plain = one_line(words)
    longest = max((len(run) for run in re.findall("`+", plain)), default=0)
    fence, room = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{room}{plain}{room}{fence}"


def block(lines: Iterable[str]) -> str:
    """Return lines as a block of code.

    Args:
        lines: The lines.
    """
    plain = [one_line(line) for line in lines]
    longest = max((len(run) for line in plain for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *plain, fence])


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = ()) -> str:
    """Return a table; its cells are Markdown.

    Args:
        headings: Headings of the columns.
        rows: Rows of cells.
        numbers: Columns that are aligned to the right.
    """
    right = set(numbers)
    lines = [list(headings), ["--:" if at in right else "---" for at in range(len(headings))], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def folded(summary: str, content: str) -> str:
    """Return a section that a reader has to open.

    Args:
        summary: What is visible before, as Markdown without blocks.
        content: What is inside, as Markdown.
    """
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def quoted(kind: str, content: str) -> str:
    """Return an alert of GitHub's.

    Args:
        kind: NOTE, WARNING or CAUTION.
        content: What is inside, as Markdown.
    """
    return "\n".join(f"> {line}".rstrip() for line in [f"[!{kind}]", *content.splitlines()])
