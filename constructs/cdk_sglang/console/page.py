"""The page and its files, and the headers with which they are sent. None of them contains data."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import jinja2

_HERE: Final = Path(__file__).parent
_FILES: Final = _HERE / "static"
_RANGE_S: Final = 3600
_REFRESH_S: Final = 10
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""Headers of every response: no other origin is loaded, may frame the page or learns its address, and nothing is cached."""


def page(
    *,
    console: Literal["aws", "embedded"],
    ranges: Iterable[tuple[int, str]] = (),
    refreshes: Iterable[tuple[int, str]] = (),
) -> str:
    """Return the page.

    Args:
        console: What it shows, which decides its words: an environment in AWS, or the embedded AWS.
        ranges: Time ranges of dashboards to choose from, in seconds, each with its name; without any there is no list of dashboards.
        refreshes: Pauses between two refreshes to choose from, likewise.
    """
    return _template().render(
        console=console,
        ranges=list(ranges),
        refreshes=list(refreshes),
        chosen=_RANGE_S,
        pause=_REFRESH_S,
    )


def file(name: str) -> bytes | None:
    """Return a file of the page by its exact name, None if there is none.

    Args:
        name: Name without a folder.
    """
    return (_FILES / name).read_bytes() if name in _names() else None


@functools.cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in _FILES.iterdir() if path.is_file())


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("console.html")
