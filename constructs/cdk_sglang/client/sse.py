"""Decode server-sent events from parts that may end anywhere: inside a character, a line or a line's end.

The standard (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, read 2026-11-29): lines end
with LF, CR or both; an empty line ends an event; `data` may have several lines; a line that begins with a colon is a comment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_OTHER_FIELDS: Final = frozenset({b"id", b"retry"})
_STRAY_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event: its name (empty for an ordinary event) and its data."""

    name: str
    data: bytes


@dataclass
class Decoder:
    """Decoder of one stream's events."""

    _line: bytearray = field(default_factory=bytearray)
    _lines: int = 0
    _skips_newline: bool = False
    _name: str = ""
    _data: list[bytes] = field(default_factory=list)
    _stray: bytearray = field(default_factory=bytearray)

    @property
    def stray(self) -> bytes:
        """Lines that belong to no event; the stream has another format, for example plain JSON, if there are any."""
        return bytes(self._stray)

    def feed(self, part: bytes) -> list[tuple[Event, int]]:
        """Return the events that this part completes, each with the offset of its end in the part."""
        if not part:
            return []
        start = int(self._skips_newline and part.startswith(b"\n"))  # the other half of a CR LF
        events = []
        for end in _LINE_END.finditer(part, start):
            line = bytes(self._line) + part[start : end.start()]
            self._line.clear()
            start = end.end()
            if event := self._take(line):
                events.append((event, start))
        self._line += part[start:]
        self._skips_newline = part.endswith(b"\r")
        return events

    def finish(self) -> Event | None:
        """Return the event that the end of the stream cut off; None if there is none."""
        if self._line:
            self._take(bytes(self._line))
            self._line.clear()
        return self._take(b"")

    def _take(self, line: bytes) -> Event | None:
        if not self._lines:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        self._lines += 1
        if not line:
            event = Event(name=self._name, data=b"\n".join(self._data)) if self._data else None
            self._name, self._data = "", []
            return event
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value.decode(errors="replace")
        elif name and name not in _OTHER_FIELDS and len(self._stray) < _STRAY_BYTES_MAX:
            self._stray += line + b"\n"
        return None
