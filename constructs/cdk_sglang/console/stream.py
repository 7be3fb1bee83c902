"""The console's live stream: server-sent events with what has changed since a second before.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html (read 2026-11). A browser's EventSource cannot send the key in a
header, so the page reads the stream with `fetch`.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

STREAMS_MAX: Final = 8
"""Streams at once: each takes a thread of the server for as long as its page is open."""
_PERIOD_S: Final = 1.0
_BEAT_S: Final = 5.0
"""Seconds between two events with the time."""


class TooManyError(Exception):
    """The maximum number of streams is open; the message is for the reader of the page."""


class Streams:
    """The open streams of this process; all of them share one snapshot a second.

    Args:
        snapshot: Function that returns what the pages draw.
        beat: Function that returns what always changes and is sent from time to time; the time by default.
    """

    def __init__(
        self, snapshot: Callable[[], dict[str, Any]], beat: Callable[[], dict[str, Any]] | None = None
    ) -> None:
        self._snapshot = snapshot
        self._beat = beat or (lambda: {"now": time.time()})
        self._lock = threading.Lock()
        self._ends: dict[threading.Event, Callable[[], bool]] = {}
        self._made = float("-inf")
        self._text = ""

    @property
    def count(self) -> int:
        """Number of open streams."""
        return len(self._ends)

    def open(self, gone: Callable[[], bool]) -> tuple[Iterator[bytes], Callable[[], None]]:
        """Open a stream.

        Args:
            gone: Function that says whether the page has gone.

        Returns:
            Its events, and the function that closes it; it must be called, whether or not an event was read.

        Raises:
            TooManyError: The maximum number of streams is open.
        """
        end = threading.Event()
        with self._lock:
            for other in [other for other, left in self._ends.items() if left()]:
                other.set()
                del self._ends[other]
            if len(self._ends) >= STREAMS_MAX:
                raise TooManyError(f"{STREAMS_MAX} pages follow the fleet already; close one, or use `Refresh now`")
            self._ends[end] = gone
            self._made = float("-inf")  # its page has drawn what is newer than the last snapshot of others

        def close() -> None:
            end.set()
            with self._lock:
                self._ends.pop(end, None)

        return self._events(end, gone), close

    def end(self) -> None:
        """End every open stream, within the second after which it checks again."""
        with self._lock:
            for end in self._ends:
                end.set()

    def _events(self, end: threading.Event, gone: Callable[[], bool]) -> Iterator[bytes]:
        sent, beat = "", float("-inf")
        while not end.is_set() and not gone():
            text = self._current()
            if text != sent:
                sent = text
                yield event("fleet", text)
            if time.monotonic() - beat >= _BEAT_S:
                beat = time.monotonic()
                yield event("time", json.dumps(self._beat()))
            end.wait(_PERIOD_S)

    def _current(self) -> str:
        """The snapshot as JSON, at most a period old; without its time, which is different in each."""
        with self._lock:
            if time.monotonic() - self._made >= _PERIOD_S * 0.9:
                self._text = json.dumps(self._snapshot())
                self._made = time.monotonic()
            return self._text


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side of a connection has closed it, without a wait and without reading from it."""
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def event(name: str, data: str) -> bytes:
    """One event; its data must be a single line, as JSON is."""
    return f"event: {name}\ndata: {data}\n\n".encode()
