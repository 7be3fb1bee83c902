"""Rounds figures to a fixed number of significant digits."""

SIGNIFICANT_DIGITS = 6
"""Predictions are far less precise than this. The digits beyond differ between processors, because numpy chooses their vector
instructions: a template with all 17 digits would differ from machine to machine."""


def significant(value: float) -> float:
    """Return a figure rounded to its significant digits."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
