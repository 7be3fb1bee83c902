"""The text cells of one row of a prediction table, and the problems found in them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from cdk_sglang.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cells:
    """The cells of a row, with the problems found while reading them."""

    def __init__(self, row: Mapping[str, str | None]) -> None:
        self._row = row
        self.problems: list[Problem] = []

    def text(self, name: str) -> str:
        """Return a cell without surrounding whitespace; an empty text if it is absent."""
        value = self._row.get(name)
        return value.strip() if isinstance(value, str) else ""

    def number(self, name: str, *, at_least: float, at_most: float = 1e9, whole: bool = False) -> float | None:
        """Return a cell's number; None if it is empty or invalid (then a problem is recorded)."""
        text = self.text(name)
        if not text:
            return None
        try:
            value = float(re.sub(r"^<=\s*", "", text))
        except ValueError:
            self.problems.append(Problem(name, f"{text[:40]!r} is not a number; leave it empty when it is unknown"))
            return None
        if not math.isfinite(value) or not at_least <= value <= at_most or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            self.problems.append(
                Problem(name, f"{text[:40]} is out of range; {kind} from {at_least:g} to {at_most:g} is needed")
            )
            return None
        return value

    def whole(self, name: str, *, at_least: int = 1, at_most: float = 1e9) -> int | None:
        """Return a cell's whole number; None if it is empty or invalid (then a problem is recorded)."""
        value = self.number(name, at_least=at_least, at_most=at_most, whole=True)
        return None if value is None else int(value)
