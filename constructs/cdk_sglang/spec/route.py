"""Maximum number of components behind one route name."""

from __future__ import annotations

from typing import Final

DESTINATIONS_MIN: Final = 2
DESTINATIONS_MAX: Final = 5
"""Chosen by this project: every refusal on the way to the last destination costs a request of its own."""
