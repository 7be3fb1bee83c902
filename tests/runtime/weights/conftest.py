"""Fixtures of these tests, from tests/support."""

from tests.support.weights import adapter_folder, endpoint_url, hub, s3, weights
