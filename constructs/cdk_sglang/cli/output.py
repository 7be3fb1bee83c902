"""Where tables go: the terminal as wide as it is, anything else at a fixed width."""

from __future__ import annotations

import sys

from rich.console import Console

PIPED_WIDTH = 160
"""Columns of tables that do not go to a terminal."""


def stdout() -> Console:
    """Return the console of stdout."""
    return Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)
