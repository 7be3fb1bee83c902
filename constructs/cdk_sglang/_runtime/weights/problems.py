"""What stops this program, said in one line to whoever has to act on it."""

from __future__ import annotations


class WeightsError(Exception):
    """Something is wrong that a person has to put right; the text says what and how."""
