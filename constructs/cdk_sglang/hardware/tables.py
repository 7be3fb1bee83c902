"""Reads the package's data files: comma-separated, one header line, one fact per row with its source."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_table(beside: str, name: str) -> tuple[Mapping[str, str], ...]:
    """Return the rows of `data/<name>` next to the module file `beside`, as mappings by column name."""
    text = (Path(beside).parent / "data" / name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def number_or_none(text: str) -> float | None:
    """Return the number in a cell; None for an empty cell, which means that the fact is unknown or the hardware lacks the feature."""
    return float(text) if text else None
