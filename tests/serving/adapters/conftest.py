"""Fixtures of these tests, from tests/support."""

from tests.support.weights import adapter_folder, s3, weights
