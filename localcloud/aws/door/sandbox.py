"""Stored content of the embedded AWS must not run as a page of its origin: a bucket may contain arbitrary objects.

A presigned address of an HTML file would otherwise open as a page of the console's origin, whose scripts can read the key that the
console keeps there. https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Content-Security-Policy/sandbox (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

_HEADER: Final = "Content-Security-Policy"
_POLICY: Final = "sandbox allow-scripts"
"""Scripts run, so that a stored report can be viewed, but in a separate origin, which the door refuses."""


def sandboxed(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Wrap a WSGI application so that every response without a policy of its own is sandboxed in a browser."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if not any(name.lower() == _HEADER.lower() for name, _ in headers):
                headers = [*headers, (_HEADER, _POLICY)]
            return start_response(status, headers, *more)

        return application(environ, start)

    return wrapped
