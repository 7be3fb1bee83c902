"""Where tables go: the terminal as wide as it is, anything else at a fixed width."""

from __future__ import annotations

import os
import sys

from rich.console import Console

PIPED_WIDTH = 160
"""Columns of tables that do not go to a terminal."""


def stdout(*, width: int | None = None) -> Console:
    """Return the console of stdout.

    Args:
        width: Columns; those of the terminal by default, `PIPED_WIDTH` where there is none.
    """
    # The CDK CLI sets FORCE_COLOR=0 for an app whose output is no terminal, which Rich would take for a wish for colours.
    plain = os.environ.get("FORCE_COLOR") == "0"
    if width is None and not sys.stdout.isatty():
        width = PIPED_WIDTH
    return Console(width=width, highlight=False, force_terminal=False if plain else None)
