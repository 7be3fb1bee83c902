"""Fixtures of these tests, from tests/support."""

from tests.support.deployments import fleet
