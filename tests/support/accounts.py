"""The account of tests that deploy fleets: its service quotas were raised long ago."""

from typing import Final

LARGE: Final = {"Number of parallel AI benchmark jobs": 2.0, "*": 1000.0}
"""`Settings.quotas` of the embedded AWS; a new account may run no GPU at all."""
