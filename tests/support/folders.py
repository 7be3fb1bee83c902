"""Folders of the project's Python, for tests that read all of it."""

from __future__ import annotations

from typing import Final

CODE: Final = (
    "agent",
    "benchmarks",
    "client",
    "constructs",
    "container",
    "examples",
    "localcloud",
    "stacks",
    "tests",
    "tools",
)
"""Beside them there is `app.py`."""
