"""Server-sent events of a chat answer, from bytes that arrive in arbitrary pieces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def events(body: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Read the JSON events of a SageMaker response stream up to `[DONE]`.

    Args:
        body: botocore's event stream; its parts begin and end anywhere, within a character too.

    Yields:
        One object per `data:` line. Lines that are not a JSON object are skipped.
    """
    buffer = b""
    for part in body:
        buffer += part.get("PayloadPart", {}).get("Bytes", b"")
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            yield from _event(line)
    yield from _event(buffer)


def _event(line: bytes) -> Iterator[dict[str, Any]]:
    data = line.strip().removeprefix(b"data:").strip()
    if data.startswith(b"{"):
        try:
            event = json.loads(data)
        except ValueError:
            return
        if isinstance(event, dict):
            yield event
