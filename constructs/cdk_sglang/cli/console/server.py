"""The console's server: loopback only, only with the key of this start, and read-only.

A page that the user visits can reach loopback too, by `fetch`, by a form, or as its own origin, if its name is pointed at 127.0.0.1 after it
was loaded. So a request needs a Host that only this machine has, no foreign Origin, and for data the key in a header, which no form and no
simple request of another page can send. No response has CORS headers. The key is in the part of the address after `#`, which no browser
sends to a server.
"""

from __future__ import annotations

import hmac
import http
import http.client
import http.server
import json
import logging
import mimetypes
import secrets
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cdk_sglang.console import page
from cdk_sglang.console.stream import Streams, TooManyError, hung_up

if TYPE_CHECKING:
    from email.message import Message

    from cdk_sglang.cli.console.content import Content

_logger: Final = logging.getLogger(__name__)
LOOPBACK: Final = "127.0.0.1"
"""The only address that is listened on."""
_DATA: Final = "/data/"
_OWN_PAGES: Final = frozenset({"", "none", "same-origin"})
_TIMEOUT_S: Final = 20
"""Seconds within which a request must arrive and its answer must be read."""
_KEY_BYTES: Final = 32


class ConsoleServer(http.server.ThreadingHTTPServer):
    """Serves one environment's page.

    Args:
        port: Port; 0 for any free one.
        content: What it shows.

    Raises:
        OSError: The port cannot be used.
    """

    daemon_threads = True

    def __init__(self, port: int, content: Content) -> None:
        self.content = content
        self.key = secrets.token_urlsafe(_KEY_BYTES)
        self.streams = Streams(content.snapshot, content.beat)
        super().__init__((LOOPBACK, port), _Handler)
        suffix = f":{self.server_port}" if self.server_port != http.client.HTTP_PORT else ""
        self.hosts = frozenset(f"{name}{suffix}" for name in (LOOPBACK, "localhost"))

    def server_bind(self) -> None:
        """Bind without asking the resolver for this machine's name, which can take seconds."""
        super(http.server.HTTPServer, self).server_bind()
        self.server_name, self.server_port = LOOPBACK, self.socket.getsockname()[1]

    @property
    def address(self) -> str:
        """Address that opens the page, with the key."""
        return f"http://{LOOPBACK}:{self.server_port}/#key={self.key}"

    def handle_error(self, *_: Any) -> None:
        """Log internal errors, but not a page that went away in the middle of an answer."""
        error = sys.exception()
        if not isinstance(error, OSError):
            _logger.error("an answer failed", exc_info=error)


def refusal(
    method: str, path: str, headers: Message | Mapping[str, str], *, hosts: frozenset[str], key: str
) -> tuple[int, str] | None:
    """Return status and reason with which a request is refused, None if it is admitted.

    Args:
        method: Its method.
        path: Its path, without a query.
        headers: Its headers.
        hosts: Hosts that are this server.
        key: Key of this start.
    """
    named = headers.get_all("Host") if hasattr(headers, "get_all") else [headers.get("Host", "")]
    if named is None or len(named) != 1 or named[0].strip().lower() not in hosts:
        return http.HTTPStatus.FORBIDDEN, f"Host: this server is {' or '.join(sorted(hosts))}"
    origin = headers.get("Origin")
    if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
        return http.HTTPStatus.FORBIDDEN, "Origin: this server answers no other site"
    if headers.get("Sec-Fetch-Site", "").lower() not in _OWN_PAGES:
        return http.HTTPStatus.FORBIDDEN, "Sec-Fetch-Site: this server answers no page of another site"
    if method not in ("GET", "HEAD"):
        return http.HTTPStatus.METHOD_NOT_ALLOWED, f"{method[:20]} is not for the console, which only reads"
    if path.startswith(_DATA) and not hmac.compare_digest(
        headers.get("Authorization", "").encode(), f"Bearer {key}".encode()
    ):
        return http.HTTPStatus.FORBIDDEN, "the key of this start is needed, which is in the address that was printed"
    return None


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ConsoleServer
    timeout = _TIMEOUT_S
    server_version, sys_version = "cdk-sglang", ""

    def do_GET(self) -> None:
        """Answer a request."""
        path = urlsplit(self.path).path
        refused = refusal(self.command, path, self.headers, hosts=self.server.hosts, key=self.server.key)
        if refused is not None:
            self._problem(*refused)
        elif path.startswith(_DATA):
            self._data(path.removeprefix(_DATA))
        else:
            self._file(path.removeprefix("/"))

    def __getattr__(self, name: str) -> Any:
        """Pass a request of any method to the guard: http.server looks for `do_POST` and the like."""
        if name.startswith("do_"):
            return self.do_GET
        raise AttributeError(name)

    def _data(self, what: str) -> None:
        content = self.server.content
        if what == "live":
            self._live()
        elif what == "overview":
            self._json(content.overview())
        elif what == "choices":
            self._json(content.choices)
        else:
            self._problem(http.HTTPStatus.NOT_FOUND, "no such path")

    def _live(self) -> None:
        try:
            events, close = self.server.streams.open(lambda: hung_up(self.connection))
        except TooManyError as error:
            self._problem(http.HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        try:
            self.connection.settimeout(
                None
            )  # a socket with a timeout would wait when it is asked whether the page has gone
            self._begin(http.HTTPStatus.OK, "text/event-stream", None)
            if self.command == "HEAD":
                return
            for event in events:
                self.wfile.write(event)
        except OSError:
            return  # the page has gone
        finally:
            close()

    def _file(self, name: str) -> None:
        body = page.file(name) if name else page.page(console="aws").encode()
        if body is None:
            self._problem(http.HTTPStatus.NOT_FOUND, "no such path")
            return
        kind = mimetypes.guess_type(name)[0] if name else "text/html"
        self._send(http.HTTPStatus.OK, f"{kind}; charset=utf-8", body)

    def _json(self, body: Any, status: int = http.HTTPStatus.OK) -> None:
        self._send(status, "application/json", json.dumps(body).encode())

    def _problem(self, status: int, message: str) -> None:
        self._json({"message": message}, status)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self._begin(status, kind, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self, status: int, kind: str, length: int | None) -> None:
        self.send_response(status)
        for name, value in page.HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not an HTTP request that this server knows, without repeating any of it."""
        del message, explain
        self.close_connection = True
        self.command = self.command or "GET"
        self._problem(code, http.HTTPStatus(code).phrase)

    def log_message(self, *_: object) -> None:
        """Log nothing: the terminal shows the address, not a list of requests."""
