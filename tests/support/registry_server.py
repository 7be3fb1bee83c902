"""A registry on this machine: the OCI distribution specification's manifests behind its tokens, as Docker Hub serves them."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit


class RegistryServer:
    """Attributes: `digests` by "name:tag"; `busy` makes it answer 429; `request_lines` is every request line."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self.busy = False
        self.request_lines: list[str] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Keep quiet."""

            def do_GET(self) -> None:
                registry.request_lines.append(f"GET {self.path}")
                query = parse_qs(urlsplit(self.path).query)
                body = json.dumps({"token": f"for {query['scope'][0]}", "expires_in": 300}).encode()
                self._answer(200, {"content-length": str(len(body))}, body)

            def do_HEAD(self) -> None:
                registry.request_lines.append(f"HEAD {self.path}")
                name, _, tag = self.path.removeprefix("/v2/").partition("/manifests/")
                scope = f"repository:{name}:pull"
                if registry.busy:
                    self._answer(429, {"content-length": "0"})
                elif self.headers.get("Authorization") != f"Bearer for {scope}":
                    realm = f'Bearer realm="{registry.url}/token",service="registry.test",scope="{scope}"'
                    self._answer(401, {"WWW-Authenticate": realm, "content-length": "0"})
                elif f"{name}:{tag}" not in registry.digests:
                    self._answer(404, {"content-length": "0"})
                else:
                    assert "application/vnd.oci.image.index.v1+json" in self.headers["Accept"]
                    digest = registry.digests[f"{name}:{tag}"]
                    self._answer(200, {"Docker-Content-Digest": digest, "content-length": "1234"})

            def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
