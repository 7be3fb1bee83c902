"""The documentation and the schema of environments as resources: next to the package in a wheel, at the top of a checkout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from cdk_sglang.assets import find_folder

SCHEMA_URI: Final = "cdk-sglang://schema/environment.json"
"""Address of the schema of environment files."""
_PAGES: Final = ("*.md", "runbooks/*.md", "skills/*/SKILL.md")
"""Pages that are resources; decisions (`adr`) are for contributors."""
_FRONT_MATTER: Final = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_SECTION: Final = re.compile(r"^#{1,4} +(.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A resource.

    Attributes:
        uri: Its address.
        title: What a person reads.
        media_type: Kind of its content.
        path: The file.
    """

    uri: str
    title: str
    media_type: str
    path: Path

    def text(self) -> str:
        """Return the content."""
        return self.path.read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page.

    Attributes:
        document: The page.
        heading: Its heading.
        text: What it says.
    """

    document: Document
    heading: str
    text: str


@cache
def documents() -> Mapping[str, Document]:
    """Return every resource by its address; none of a kind whose files are not installed."""
    found = [*_pages(), *_schema()]
    return {one.uri: one for one in found}


def _pages() -> list[Document]:
    try:
        folder = find_folder("docs", holds="mcp.md")
    except FileNotFoundError:
        return []
    paths = [path for pattern in _PAGES for path in sorted(folder.glob(pattern))]
    return [
        Document(
            uri=f"cdk-sglang://docs/{path.relative_to(folder).as_posix()}",
            title=_title(path),
            media_type="text/markdown",
            path=path,
        )
        for path in paths
    ]


def _schema() -> list[Document]:
    try:
        path = find_folder("environments", holds="schema.json") / "schema.json"
    except FileNotFoundError:
        return []
    title = "Schema of environment files"
    return [Document(uri=SCHEMA_URI, title=title, media_type="application/schema+json", path=path)]


@cache
def schema() -> Mapping[str, Any] | None:
    """Return the schema of environment files; None if it is not installed."""
    import json

    document = documents().get(SCHEMA_URI)
    if document is None:
        return None
    content: dict[str, Any] = json.loads(document.text())
    return content


@cache
def sections() -> tuple[Section, ...]:
    """Return every section of every page."""
    found = []
    for document in documents().values():
        if document.media_type != "text/markdown":
            continue
        text = _FRONT_MATTER.sub("", document.text())
        heads = list(_SECTION.finditer(text))
        ends = [*(head.start() for head in heads[1:]), len(text)]
        found += [
            Section(document=document, heading=head[1], text=text[head.end() : end])
            for head, end in zip(heads, ends, strict=True)
        ]
    return tuple(found)


def _title(path: Path) -> str:
    """Return the first heading of a page."""
    head = _SECTION.search(_FRONT_MATTER.sub("", path.read_text(encoding="utf-8")))
    return path.stem if head is None else head[1]
