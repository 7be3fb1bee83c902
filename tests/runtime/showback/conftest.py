"""Fixtures of these tests, from tests/support."""

from tests.support.reservations import fleet
