"""Both ways of computing the covariance of residuals agree."""

from __future__ import annotations

import numpy as np
import pytest

from cdk_sglang.planning.calibration import calibration
from cdk_sglang.planning.residual_model import covariance_of, similarities


@pytest.mark.parametrize("kind", ["tpot", "ttft"])
def test_the_covariance_is_the_sum_of_the_components(kind: str) -> None:
    model = getattr(calibration(), kind)
    rows = {name: column[::7] for name, column in model.points.items()}
    parts = similarities(rows, model.points)
    expected = np.asarray(sum(model.deviations[name] ** 2 * part for name, part in parts.items()))
    np.testing.assert_allclose(covariance_of(rows, model.points, model.deviations), expected, atol=1e-12)
    assert (expected >= 0).all()
    assert (expected.max(axis=1) > 0).all()


def test_models_of_one_kind_on_one_system_share_a_component_whatever_their_shape() -> None:
    points = {name: column[:1] for name, column in calibration().ttft.points.items()}
    other_shape = {**points, "log_hidden": points["log_hidden"] + 2.0}
    other_kind = {**other_shape, "latent": 1 - points["latent"]}
    assert similarities(other_shape, points)["kind_system"] == 1
    assert similarities(other_shape, points)["shape_system"] < 1e-9
    assert similarities(other_kind, points)["kind_system"] == 0


def test_kernels_of_a_format_on_one_gpu_are_shared_by_engines_and_by_no_other_gpu() -> None:
    points = {name: column[:1] for name, column in calibration().tpot.points.items()}
    other_engine = {**points, **{name: 1.0 - points[name] for name in ("vllm", "sglang")}}
    other_gpu = {**points, "log_bandwidth": points["log_bandwidth"] + 0.36}
    other_format = {**points, "fp8": 1 - points["fp8"]}
    assert similarities(other_engine, points)["kernels"] == 1
    assert similarities(other_engine, points)["shape_split"] == 0
    assert similarities(other_gpu, points)["kernels"] < 1e-9
    assert similarities(other_format, points)["kernels"] == 0
    wider_split = {**points, "log_tensor": points["log_tensor"] + 1.2}
    assert 0.3 < similarities(wider_split, points)["kernels"] < 0.6
