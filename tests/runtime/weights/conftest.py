"""Fixtures of these tests, from tests/support."""

from tests.support.weights import adapter_folder, cloud, hub, s3, weights  # noqa: F401  fixtures
