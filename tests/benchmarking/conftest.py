"""Measurements for tests of history, comparison and reports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cdk_sglang.benchmarking.result import Measurement
from tests.support.measurements import measurement


@pytest.fixture
def measured() -> Callable[..., Measurement]:
    """Make a measurement; keywords of any part replace its values."""
    return measurement
