"""Both ways of computing the covariance of residuals agree."""

from __future__ import annotations

import numpy as np

from cdk_sglang.planning.calibration import calibration
from cdk_sglang.planning.residual_model import covariance_of, similarities


def test_the_covariance_is_the_sum_of_the_components() -> None:
    model = calibration().tpot
    rows = {name: column[::7] for name, column in model.points.items()}
    parts = similarities(rows, model.points)
    expected = np.asarray(sum(model.deviations[name] ** 2 * part for name, part in parts.items()))
    np.testing.assert_allclose(covariance_of(rows, model.points, model.deviations), expected, atol=1e-12)
    assert (expected > 0).all()
