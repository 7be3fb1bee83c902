"""How many components stand behind one name."""

from __future__ import annotations

from typing import Final

DESTINATIONS_MIN: Final = 2
DESTINATIONS_MAX: Final = 5
"""A choice of the project's: every refusal on the way to the last destination is a request of its own."""
