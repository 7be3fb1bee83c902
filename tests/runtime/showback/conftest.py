"""Fixtures of these tests, from tests/support."""

from tests.support.reservations import driven, fleet, sagemaker  # noqa: F401  fixtures
