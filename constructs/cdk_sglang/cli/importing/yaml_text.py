"""An environment file's text: mappings in one line where they fit, and comments above the keys that they describe."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

_WIDTH: Final = 120
_COMMENT_WIDTH: Final = 110
_STEP: Final = "  "
_STRUCTURE: Final = re.compile(r"endpoints(\.[^.]+(\.components(\.[^.]+)?)?)?")
"""Paths that always have lines of their own."""


def environment_text(content: Mapping[str, Any], comments: Mapping[str, list[str]], *, head: list[str]) -> str:
    """Return the file.

    Args:
        content: Its content.
        comments: Comments by the path of the key below them.
        head: Comments at its top.
    """
    lines = ["# yaml-language-server: $schema=schema.json", *_commented(head, ""), *_mapping(content, comments, "", "")]
    return "\n".join([*lines, ""])


def _mapping(content: Mapping[str, Any], comments: Mapping[str, list[str]], path: str, indent: str) -> Iterator[str]:
    for key, value in content.items():
        where = f"{path}.{key}" if path else key
        yield from _commented(comments.get(where, []), indent)
        written = f"{indent}{_scalar(key)}:"
        inline = f"{written} {_flow(value)}"
        has_comments = any(other.startswith(f"{where}.") for other in comments)
        if (
            not isinstance(value, Mapping)
            or not value
            or (len(inline) <= _WIDTH and not has_comments and not _STRUCTURE.fullmatch(where))
        ):
            yield inline
        else:
            yield written
            yield from _mapping(value, comments, where, indent + _STEP)


def _commented(texts: list[str], indent: str) -> Iterator[str]:
    for text in texts:
        # A comment of one line: nothing that AWS says may end it and go on as a setting.
        for line in textwrap.wrap(" ".join(text.split()), _COMMENT_WIDTH, break_on_hyphens=False):
            yield f"{indent}# {line}"


def _flow(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**9, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _scalar(key: str) -> str:
    return _flow(key)
