"""Server-sent events as the OpenAI chat format uses them, from parts that need not end where an event does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

_END: Final = re.compile(rb"\r?\n\r?\n")
_DONE: Final = b"[DONE]"


def events(parts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the JSON of each event until `[DONE]`."""
    rest = b""
    for part in parts:
        *whole, rest = _END.split(rest + part)
        for event in whole:
            lines = (line.removeprefix(b"data:").strip() for line in event.splitlines() if line.startswith(b"data:"))
            data = b"\n".join(lines)
            if data == _DONE:
                return
            if data:
                yield dict(json.loads(data))
