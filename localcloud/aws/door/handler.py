"""HTTP handler of the server: moto's, except that it closes every response, even if the caller has disconnected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler

HEADERS = "localcloud.headers"
"""Key in a request's environ: its headers as they were sent, pairs of name and value."""
_BODY = "localcloud.body"


class Handler(MotoRequestHandler):
    """moto's handler, without its log, that closes the response to a caller who reset the connection.

    werkzeug 3 reads the rest of the request before it closes a response, and does not close it if that fails: the copy would seem
    busy forever, and its connection would stay open.
    """

    def make_environ(self) -> dict[str, Any]:
        """Keep the headers as they were sent."""
        environ: dict[str, Any] = super().make_environ()
        environ[HEADERS] = list(self.headers.items())
        return environ

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the terminal is for the user."""

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Close the response that was being sent."""
        super().connection_dropped(error, environ)
        if environ is not None and (body := environ.get(_BODY)) is not None:
            body.close()


class _ClosedOnce:
    """Parts of a response, which are closed at most once."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts: Iterable[bytes] | None = parts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts or ())

    def close(self) -> None:
        parts, self._parts = self._parts, None
        close = getattr(parts, "close", None)
        if close is not None:
            close()


def closed_in_any_case(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Wrap a WSGI application so that `Handler` finds the response that it has to close."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[_BODY] = body = _ClosedOnce(application(environ, start_response))
        return body

    return wrapped
