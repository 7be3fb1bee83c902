"""Fixtures of these tests, from tests/support."""

from tests.support.doctor import ready
from tests.support.reservations import fleet
from tests.support.weights import adapter_folder, hub, s3, weights
