"""Text of dashboards: CloudWatch's Markdown as HTML that cannot run scripts."""

from __future__ import annotations

import functools
import re
from typing import Final

from markdown_it import MarkdownIt

_BUTTON: Final = re.compile(r"\[button:(?:primary:)?([^\]]*)\]\(")


@functools.cache
def _renderer() -> MarkdownIt:
    """Renderer without HTML: tags in the text are shown, and links that run scripts are text."""
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def html_of(markdown: str) -> str:
    """Convert the Markdown of a text widget; its buttons become links."""
    return str(_renderer().render(_BUTTON.sub(r"[\1](", markdown)))
