"""The two ways of working out how residuals go together are one."""

from __future__ import annotations

import numpy as np

from cdk_sglang.planning.calibration import calibration
from cdk_sglang.planning.nearby import covariance_of, similarities


def test_the_covariance_is_the_sum_of_the_components() -> None:
    nearby = calibration().tpot
    some = {name: column[::7] for name, column in nearby.points.items()}
    parts = similarities(some, nearby.points)
    expected = np.asarray(sum(nearby.deviations[name] ** 2 * part for name, part in parts.items()))
    np.testing.assert_allclose(covariance_of(some, nearby.points, nearby.deviations), expected, atol=1e-12)
    assert (expected > 0).all()
