"""A hub of models on loopback: the API and the files of huggingface.co as the client uses them, with faults on order."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class HubModel:
    files: dict[str, bytes]
    revision: str = REVISION
    license: str | None = "apache-2.0"
    gated: bool = False
    small_bytes: int = 1000  # larger files are kept in large-file storage, behind a redirect to another host

    def siblings(self) -> list[dict[str, Any]]:
        return [self._sibling(name, body) for name, body in self.files.items()]

    def _sibling(self, name: str, body: bytes) -> dict[str, Any]:
        blob = hashlib.sha1(f"blob {len(body)}\0".encode() + body).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": len(body), "blobId": blob}
        if len(body) > self.small_bytes:
            entry["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
        return entry


@dataclass
class Faults:
    """What goes wrong, by path, and how often."""

    cut_after: dict[str, list[int]] = field(default_factory=dict)  # bytes each next answer is cut after
    corrupt: Counter[str] = field(default_factory=Counter)
    busy: Counter[str] = field(default_factory=Counter)
    no_ranges: bool = False
    store_url: str = ""  # of a store that does not answer
    refused: Counter[str] = field(default_factory=Counter)  # answers 403 of the host that has the bytes


class HubServer:
    """Two servers: the hub, and the store that large files are fetched from."""

    def __init__(self) -> None:
        self.models: dict[str, HubModel] = {}
        self.tokens: dict[str, set[str]] = {}  # token -> models it may read
        self.narrow_tokens: set[str] = set()  # fine-grained, without the permission to read models of others
        self.faults = Faults()
        self.requests: list[tuple[str, str, str | None]] = []  # host, path, Range
        self.leaked_tokens: list[str] = []
        self._servers: list[ThreadingHTTPServer] = []
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        for store in (False, True):
            server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, is_store=store))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            self._servers.append(server)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_address[1]}"

    @property
    def store_url(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_address[1]}"

    def fetched(self, name: str) -> list[str | None]:
        """Ranges asked of a file's bytes."""
        return [
            byte_range for host, path, byte_range in self.requests if path.endswith(f"/{name}") and host != "redirect"
        ]


def _handler(hub: HubServer, *, is_store: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            path = unquote(self.path.split("?")[0])
            if is_store:
                if self.headers.get("Authorization"):
                    hub.leaked_tokens.append(self.headers["Authorization"])
                repo, name = self._resolved(path)
                self._send_file(hub.models[repo], name, path, "store")
            elif path.startswith("/api/models/"):
                self._describe(path)
            else:
                self._resolve(path)

        def do_HEAD(self) -> None:
            """A file without its bytes; of tokens that the hub does not know, 401."""
            repo, _ = self._resolved(unquote(self.path))
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            model = hub.models.get(repo)
            if token and token not in hub.tokens:
                self._refuse(401, None)
            elif model is None:
                self._refuse(404, "RepoNotFound")
            elif token in hub.narrow_tokens:
                self._refuse(403, None)
            elif model.gated and repo not in hub.tokens.get(token, set()):
                self._refuse(403 if token else 401, "GatedRepo")
            else:
                self.send_response(302)
                self.send_header("Location", f"{hub.store_url}{self.path}?X-Amz-Signature=5ec3e7")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def _resolved(self, path: str) -> tuple[str, str]:
            match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([0-9a-f]+)/(.+)", path)
            assert match is not None
            return match[1], match[3]

        def _allowed(self, repo: str) -> bool:
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            return repo in hub.tokens.get(token, set())

        def _describe(self, path: str) -> None:
            if hub.faults.busy["api"] > 0:
                hub.faults.busy["api"] -= 1
                self._refuse(503, None)
                return
            match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/([^/]+)", path)
            assert match is not None
            model = hub.models.get(match[1])
            if model is None:
                self._refuse(401, "RepoNotFound")
            elif match[2] not in {model.revision, "f" * 40}:
                self._refuse(404, "RevisionNotFound")
            else:
                card = {"license": model.license} if model.license else {}
                body = {"sha": model.revision, "siblings": model.siblings(), "gated": model.gated, "cardData": card}
                self._send(200, json.dumps(body).encode())

        def _resolve(self, path: str) -> None:
            repo, name = self._resolved(path)
            model = hub.models[repo]
            if model.gated and not self._allowed(repo):
                self._refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo")
            elif len(model.files[name]) > model.small_bytes:
                hub.requests.append(("redirect", path, self.headers.get("Range")))
                self.send_response(302)
                self.send_header(
                    "Location", f"{hub.faults.store_url or hub.store_url}{self.path}?X-Amz-Signature=5ec3e7"
                )
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._send_file(model, name, path, "hub")

        def _send_file(self, model: HubModel, name: str, path: str, host: str) -> None:
            byte_range = self.headers.get("Range")
            with hub.lock:
                hub.requests.append((host, path, byte_range))
                if hub.faults.refused[name] > 0:
                    hub.faults.refused[name] -= 1
                    self._refuse(403, None)
                    return
                if hub.faults.busy[name] > 0:
                    hub.faults.busy[name] -= 1
                    self._refuse(429, None, retry_after="0")
                    return
                body = model.files[name]
                if hub.faults.corrupt[name] > 0 and byte_range != "bytes=0-0":
                    hub.faults.corrupt[name] -= 1
                    body = body[:-1] + bytes([body[-1] ^ 1])
                cuts = hub.faults.cut_after.get(name, [])
                cut = cuts.pop(0) if cuts and byte_range != "bytes=0-0" else None
            status, start, end = 200, 0, len(body)
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", byte_range or "")
            if match and not hub.faults.no_ranges:
                status, start = 206, int(match[1])
                end = int(match[2]) + 1 if match[2] else len(body)
            self.send_response(status)
            self.send_header("Content-Length", str(end - start))
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(body)}")
            self.end_headers()
            sent = body[start:end]
            try:
                self.wfile.write(sent if cut is None else sent[:cut])
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            if cut is not None:
                self.close_connection = True

        def _refuse(self, status: int, code: str | None, *, retry_after: str | None = None) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
