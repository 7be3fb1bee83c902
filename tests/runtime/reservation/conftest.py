"""Fixtures of these tests, from tests/support."""

from tests.support.reservations import driven, fleet, look, runtime, sagemaker  # noqa: F401  fixtures
