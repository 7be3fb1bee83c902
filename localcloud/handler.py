"""How the server answers a connection: moto's handler, which ends every answer, also where the caller has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import MotoRequestHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HEADERS = "localcloud.headers"
"""In a request's environ: its headers as sent, name and value."""
_BODY = "localcloud.body"


class Handler(MotoRequestHandler):  # type: ignore[misc]
    """moto's, silent, and one that closes the answer to a caller who reset the connection.

    werkzeug 3 looks for what is left of the request before it closes an answer, and forgets to close it when that fails: a copy
    would seem busy for ever, and its connection would stay open.
    """

    def make_environ(self) -> dict[str, Any]:
        """Keep the headers as they were sent."""
        environ: dict[str, Any] = super().make_environ()
        environ[HEADERS] = list(self.headers.items())
        return environ

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep the terminal for what matters."""

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Close what was being answered."""
        super().connection_dropped(error, environ)
        if environ is not None and (body := environ.get(_BODY)) is not None:
            body.close()


class _ClosedOnce:
    """An answer's parts."""

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
    """Wrap a WSGI application so that `Handler` finds the answer that it has to close."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[_BODY] = body = _ClosedOnce(application(environ, start_response))
        return body

    return wrapped
