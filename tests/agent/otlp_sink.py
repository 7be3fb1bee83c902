"""A stand-in for an OTLP collector: keeps the bodies of what is exported, to search in them."""

from __future__ import annotations

import gzip
import threading
import time

from tests.agent.stand_in import Request, Response


class OtlpSink:
    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._last = time.monotonic()

    def __call__(self, request: Request) -> Response:
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        with self._lock:
            kind = request.path.rpartition("/")[2]
            self.bodies[kind] = self.bodies.get(kind, b"") + body
            self._last = time.monotonic()
        return Response(200, {"content-type": "application/x-protobuf"}, ())

    def settled(self, *marks: str, quiet_s: float = 0.6) -> bytes:
        """All that was exported, once it has the marks and the exporters (every 0.2 s) have sent nothing for a while."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            content = b"".join(self.bodies.values())
            if all(mark.encode() in content for mark in marks) and time.monotonic() - self._last > quiet_s:
                return content
            threading.Event().wait(0.05)
        raise AssertionError(f"not exported: {marks}")
