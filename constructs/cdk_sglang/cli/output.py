"""Width and colours of tables: the terminal's own width, a fixed width elsewhere."""

from __future__ import annotations

import os
import sys

from rich.console import Console

PIPED_WIDTH = 160
"""Characters per line of tables that are not written to a terminal."""


def stdout(*, width: int | None = None) -> Console:
    """Return the console of stdout.

    Args:
        width: Characters per line; those of the terminal by default, `PIPED_WIDTH` without a terminal.
    """
    # The CDK CLI sets FORCE_COLOR=0 for an app without a terminal; Rich would read any value as a request for colours.
    plain = os.environ.get("FORCE_COLOR") == "0"
    if width is None and not sys.stdout.isatty():
        width = PIPED_WIDTH
    return Console(width=width, highlight=False, force_terminal=False if plain else None)
