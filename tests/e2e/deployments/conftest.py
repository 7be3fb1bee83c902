"""Fixtures of these tests, from tests/support."""

from tests.localcloud.conftest import inbox  # noqa: F401  fixtures
from tests.support.deployments import cdk_cli, client, cloud, driven, fleet, sagemaker  # noqa: F401  fixtures
