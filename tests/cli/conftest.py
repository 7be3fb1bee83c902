"""Fixtures of these tests, from tests/support."""

from tests.localcloud.conftest import client, cloud  # noqa: F401  fixtures
from tests.support.doctor import ready  # noqa: F401  a fixture
from tests.support.reservations import driven, fleet, sagemaker  # noqa: F401  fixtures
from tests.support.weights import adapter_folder, hub, s3, weights  # noqa: F401  fixtures
