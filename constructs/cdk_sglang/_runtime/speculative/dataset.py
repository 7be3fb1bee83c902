"""Conversion of training data, line by line: sources are read as streams, and only one record is held in memory."""

from __future__ import annotations

import codecs
import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .capture import OtherComponentError, conversation, event_id, is_capture
from .formats import CAPTURE, RecordError, converted, family

LINE_MAX = 4 * 2**20
"""Maximum size of a record in bytes: a million tokens of text; more indicates a file without line ends."""
FIRST_BAD = 10
_READ = 1 << 16
_BELOW_ARRAY = 2  # depth of a record inside the array of records


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a source.

    Attributes:
        file: Name of the file.
        number: Number of the line, or of the entry of a JSON array, from 1.
        text: Its bytes; None if they are longer than `LINE_MAX`.
    """

    file: str
    number: int
    text: bytes | None


@dataclass(kw_only=True)
class Counts:
    """What a conversion found.

    Attributes:
        lines: Records that are trained on.
        bad: Records that cannot be trained on.
        first_bad: The first of these, with file, line and reason.
        formats: Records by format.
        others: Captured records of other components.
        dropped: Records that the owner's filter removed.
    """

    lines: int = 0
    bad: int = 0
    first_bad: list[str] = field(default_factory=list)
    formats: dict[str, int] = field(default_factory=dict)
    others: int = 0
    dropped: int = 0
    family: str = ""

    def refuse(self, row: Row, reason: str) -> None:
        """Count a record that is not trained on."""
        self.bad += 1
        if len(self.first_bad) < FIRST_BAD:
            self.first_bad.append(f"{row.file}:{row.number}: {reason}")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record that is trained on.

    Attributes:
        id: Id by which it is selected for a sample.
        content: Its line.
    """

    id: str
    content: dict[str, Any]


def rows(file: str, blocks: Iterable[bytes]) -> Iterator[Row]:
    """Yield the records of a file: its lines, or the entries of one JSON array, which ShareGPT's files are.

    Args:
        file: Name of the file.
        blocks: Its bytes in pieces.
    """
    source = iter(blocks)
    buffer = b""
    for block in source:
        buffer += block
        if buffer.strip():
            break
    rest = _chain(buffer, source)
    yield from _entries(file, rest) if buffer.lstrip().startswith(b"[") else _lines(file, rest)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _lines(file: str, blocks: Iterator[bytes]) -> Iterator[Row]:
    buffer, number, is_long = b"", 0, False
    for block in blocks:
        *complete, buffer = (buffer + block).split(b"\n")
        for text in complete:
            number += 1
            if is_long or len(text) > LINE_MAX:
                yield Row(file=file, number=number, text=None)
            elif text.strip():
                yield Row(file=file, number=number, text=text)
            is_long = False
        if len(buffer) > LINE_MAX:
            buffer, is_long = b"", True
    if is_long or buffer.strip():
        yield Row(file=file, number=number + 1, text=None if is_long else buffer)


def _entries(file: str, blocks: Iterator[bytes]) -> Iterator[Row]:
    """Yield the entries of a JSON array, by the depth of braces outside of strings."""
    depth, number, start, in_text, escaped = 0, 0, -1, False, False
    buffer = bytearray()
    position = 0
    for block in blocks:
        buffer += block
        while position < len(buffer):
            byte = buffer[position]
            position += 1
            if in_text:
                escaped = not escaped and byte == ord("\\")
                in_text = (
                    escaped
                    or byte != ord('"')
                    or (buffer[position - 2] == ord("\\") and not _is_even(buffer, position - 2))
                )
                continue
            if byte == ord('"'):
                in_text = True
            elif byte in b"{[":
                depth += 1
                if depth == _BELOW_ARRAY:
                    start = position - 1
            elif byte in b"}]":
                depth -= 1
                if depth == 1 and start >= 0:
                    number += 1
                    yield Row(file=file, number=number, text=bytes(buffer[start:position]))
                    del buffer[:position]
                    position, start = 0, -1
        if len(buffer) > LINE_MAX:
            number += 1
            yield Row(file=file, number=number, text=None)
            return
    if depth:
        yield Row(file=file, number=number + 1, text=b"" if start < 0 else bytes(buffer[start:]))


def _is_even(buffer: bytearray, last: int) -> bool:
    count = 0
    while last >= 0 and buffer[last] == ord("\\"):
        count, last = count + 1, last - 1
    return count % 2 == 0


def records(source: Iterable[Row], counts: Counts, *, component: str = "") -> Iterator[Record]:
    """Yield the records that are trained on, and count the others.

    Args:
        source: Rows.
        counts: Counts, which are added to.
        component: Name of the component in SageMaker, for captured data.
    """
    for row in source:
        if row.text is None:
            counts.refuse(row, f"longer than {LINE_MAX} bytes")
            continue
        try:
            found = json.loads(row.text.removeprefix(codecs.BOM_UTF8).decode())
        except (ValueError, RecursionError) as error:
            reason = (
                f"no JSON at character {error.pos}" if isinstance(error, json.JSONDecodeError) else "no JSON in UTF-8"
            )
            counts.refuse(row, reason)
            continue
        try:
            captured = is_capture(found)
            name, content = conversation(found, component=component) if captured else converted(found)
        except OtherComponentError:
            counts.others += 1
            continue
        except RecordError as error:
            counts.refuse(row, str(error))
            continue
        counts.family = counts.family or family(name)
        if family(name) != counts.family:
            counts.refuse(row, f"is {family(name)} in a dataset of {counts.family}; a job takes one format")
            continue
        name = CAPTURE if captured else name
        counts.formats[name] = counts.formats.get(name, 0) + 1
        counts.lines += 1
        place = f"{row.file}:{row.number}"
        yield Record(id=event_id(found, place) if captured else place, content=content)


def drawn(found: Iterable[Record], size: int) -> tuple[int | None, int]:
    """Return the bound of a sample, and the number of records it is drawn from: it contains records whose `draw` is at most the bound; None for all.

    The draw follows from the record's id, so that a second run draws the same sample without holding any record.

    Args:
        found: Records.
        size: Size of the sample.
    """
    highest: list[int] = []
    count = 0
    for record in found:
        count += 1
        heapq.heappush(highest, -draw(record.id))
        if len(highest) > size:
            heapq.heappop(highest)
    return (-highest[0] if count > size else None), count


def draw(record_id: str) -> int:
    """Return a record's position among all draws."""
    return int.from_bytes(hashlib.sha256(record_id.encode()).digest()[:8], "big")


def blocks(body: Any) -> Iterator[bytes]:
    """Yield the bytes of an S3 response."""
    read: Callable[[int], bytes] = body.read
    while block := read(_READ):
        yield block
