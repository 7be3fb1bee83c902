"""Corrects a prediction by measurements of similar configurations, and says how sure it is (Gaussian-process regression).

Similar means: a model of similar shape (width, depth, active and total parameters, kind of attention), the same engine,
GPU generation and weight format, under a similar load. Far from every measurement the correction fades to none and the
band widens to that of a configuration never measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdk_sglang.planning.timing import Column, Columns

MODEL_SCALES = {"log_hidden": 0.5, "log_layers": 0.5, "log_active": 1.2, "log_total": 1.5, "experts_used": 1.0, "latent": 1.5, "linear": 1.0, "sparse": 2.0}  # fmt: skip
SYSTEM_SCALES = {
    **dict.fromkeys(("trtllm", "vllm", "sglang"), 1.25),
    **dict.fromkeys(("fp8", "nvfp4", "mxfp4", "int4", "bf16"), 3.3),
    **dict.fromkeys(("hopper", "blackwell", "ampere", "ada", "rtx"), 2.5),
    "log_bandwidth": 4.0,
}
LOAD_SCALES = {"running": 2.5, "tensor": 1.5, "isl": 2.5, "osl": 2.5}
"""Distances at which similarity falls to 61%; logarithms for the load."""


@dataclass(frozen=True)
class Nearby:
    """Measured residuals at configurations, ready to interpolate.

    Args:
        points: Columns of the measured configurations.
        residuals: Mean of log(measured / predicted) at each.
        noise: Standard deviation of each mean.
        config_sd: How much configurations differ beyond the formula.
        load_sd: How much a configuration's residual changes with the load.
    """

    points: Columns
    residuals: Column
    noise: Column
    config_sd: float
    load_sd: float

    def __post_init__(self) -> None:
        """Solve once: the weights of each measurement."""
        covariance = self._covariance(self.points) + np.diag(self.noise**2)
        inverse = np.linalg.inv(np.linalg.cholesky(covariance))
        object.__setattr__(self, "_whiten", inverse)
        object.__setattr__(self, "_weights", inverse.T @ (inverse @ self.residuals))

    def correct(self, rows: Columns) -> tuple[Column, Column]:
        """Return the expected log(measured / predicted) of each row and its standard deviation."""
        cross = self._covariance(rows)
        mean: Column = cross @ self._weights  # type: ignore[attr-defined]
        solved = self._whiten @ cross.T  # type: ignore[attr-defined]
        prior = self.config_sd**2 + self.load_sd**2
        return mean, np.sqrt(np.maximum(prior - (solved**2).sum(axis=0), 1e-6))

    def _covariance(self, rows: Columns) -> Column:
        similar = _similarity(rows, self.points, {**MODEL_SCALES, **SYSTEM_SCALES}, log=False)
        load = _similarity(rows, self.points, LOAD_SCALES, log=True)
        covariance: Column = self.config_sd**2 * similar + self.load_sd**2 * similar * load
        return covariance


def _similarity(left: Columns, right: Columns, scales: Mapping[str, float], *, log: bool) -> Column:
    first = np.column_stack([(np.log(left[n]) if log else left[n]) / scale for n, scale in scales.items()])
    second = np.column_stack([(np.log(right[n]) if log else right[n]) / scale for n, scale in scales.items()])
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1)[None, :] - 2 * first @ second.T
    similarity: Column = np.exp(-np.maximum(squared, 0.0) / 2)
    return similarity
