"""Ranges of PromQL, such as 5m."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_UNIT_SECONDS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(window: str) -> int:
    """Return the seconds of a PromQL range such as 5m, 6h or 3d."""
    return int(window[:-1]) * _UNIT_SECONDS[window[-1]]
