"""Turn the links of a document into links of the site: documents are written for readers of the repository, and some are outside of docs/."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

_LINK: Final = re.compile(r"(\]\()([^)\s]+)(\))")
_FENCE: Final = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
FILES: Final = "files"
"""Folder of the site for repository files that documents link to."""


def relinked(markdown: str, *, origin: str, page: str, target: Callable[[str], str | None]) -> str:
    """Return a document with its links pointing into the site; code blocks and links without a target in the site do not change.

    Args:
        markdown: The document.
        origin: Its path in the repository.
        page: Its path in the site's sources.
        target: Path in the site's sources of a path in the repository, or None if the site has no such file.
    """

    def replace(match: re.Match[str]) -> str:
        address, hash_, anchor = match[2].partition("#")
        if not address or "://" in address or address.startswith("mailto:"):
            return match[0]
        page_path = target(posixpath.normpath(posixpath.join(posixpath.dirname(origin), address)))
        if page_path is None:
            return match[0]
        return f"{match[1]}{posixpath.relpath(page_path, posixpath.dirname(page) or '.')}{hash_}{anchor}{match[3]}"

    parts = _FENCE.split(markdown)
    return "".join(part if index % 2 else _LINK.sub(replace, part) for index, part in enumerate(parts))


def linked_files(markdown: str, *, origin: str, root: Path) -> set[str]:
    """Return the repository paths of existing files that a document links to.

    Args:
        markdown: The document.
        origin: Its path in the repository.
        root: The repository.
    """
    paths = set()
    for match in _LINK.finditer(_FENCE.sub("", markdown)):
        address = match[2].partition("#")[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), address))
        if address and "://" not in address and (root / path).is_file():
            paths.add(path)
    return paths
