"""How many digits of a figure are kept."""

SIGNIFICANT_DIGITS = 6
"""Predictions hold far fewer. What lies behind differs between processors: numpy chooses their vector instructions, and a
template with all 17 digits would be another one on the next machine."""


def significant(value: float) -> float:
    """Return a figure with its significant digits alone."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
