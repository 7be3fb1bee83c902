"""What stops this program, in one line for the person who has to act on it."""

from __future__ import annotations


class WeightsError(Exception):
    """Something is wrong that a person has to fix; the text says what and how."""


class UsageError(WeightsError):
    """The request is invalid regardless of what is on the hub or in the bucket."""
