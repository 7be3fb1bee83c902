"""The text format in which an engine publishes its metrics.

Written from https://prometheus.io/docs/instrumenting/exposition_formats/ (read 2026-11); prometheus_client also has a parser, but is a
dependency only of the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(?:\{(?P<labels>(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?\s*(?P<value>\S+)(?:\s+-?\d+)?\s*"
)
_LABEL = re.compile(
    r"\s*(?:(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)|\"(?P<quoted>(?:[^\"\\]|\\.)*)\")\s*(?:=\s*\"(?P<value>(?:[^\"\\]|\\.)*)\"\s*)?(?:,|$)"
)
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


class ExpositionError(ValueError):
    """The text is not in the format."""


def parse(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield name, labels and value of every sample. Raises ExpositionError, with the line's number, for an invalid line."""
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = _LINE.fullmatch(stripped)
        if found is None:
            raise ExpositionError(f"line {number} is no sample: {stripped[:100]!r}")
        try:
            labels = dict(_labels(found["labels"] or ""))
            name = found["name"] or labels.pop("", "")
            value = float(found["value"])
        except ValueError as error:
            raise ExpositionError(f"line {number} is no sample: {stripped[:100]!r}") from error
        if not name:
            raise ExpositionError(f"line {number} has no name: {stripped[:100]!r}")
        yield name, labels, value


def _labels(text: str) -> Iterator[tuple[str, str]]:
    """Yield labels and their values; a quoted name without a value is the metric's, under the label ""."""
    position = 0
    while position < len(text.rstrip()):
        found = _LABEL.match(text, position)
        if found is None or (found["value"] is None and found["quoted"] is None):
            raise ValueError(text)
        if found["value"] is None:
            yield "", _unescaped(found["quoted"])
        else:
            yield _unescaped(found["name"] or found["quoted"]), _unescaped(found["value"])
        position = found.end()


def _unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), text)
