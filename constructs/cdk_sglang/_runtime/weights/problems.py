"""What stops this program, said in one line to whoever has to act on it."""

from __future__ import annotations


class WeightsError(Exception):
    """Something is wrong that a person has to put right; the text says what and how."""


class UsageError(WeightsError):
    """What was asked cannot be meant, whatever is on the hub or in the bucket."""
