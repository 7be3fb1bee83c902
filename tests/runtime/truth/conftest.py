"""Fixtures of these tests, from tests/support."""

from tests.support.deployments import client, cloud, driven, sagemaker  # noqa: F401  fixtures
