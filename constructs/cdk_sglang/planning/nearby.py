"""Corrects a prediction by measurements of similar configurations, and says how sure it is (Gaussian-process regression).

Residuals of the formula have causes of different reach: an engine's release, an engine's kernels for a format on a GPU
generation, a model's shape, and what was set in one configuration that no table records. Each is a component with its own
deviation; a configuration takes over what it shares with measured ones and no more. A model of a shape never measured
takes nothing from other shapes: what carries over is the formula and the engine's habits on that kind of GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdk_sglang.planning.timing import Column, Columns

ENGINE = ("trtllm", "vllm", "sglang")
GENERATION = ("hopper", "blackwell", "ampere", "ada", "rtx")
FORMAT = ("fp8", "nvfp4", "mxfp4", "int4", "bf16")
SHAPE_SCALES = {
    "log_hidden": 0.25, "log_layers": 0.25, "log_active": 0.5, "log_total": 0.5,
    "experts_used": 0.3, "latent": 0.3, "linear": 0.3, "sparse": 0.3,
}  # fmt: skip
LOAD_SCALES = {"log_running": 1.5, "log_isl": 1.5, "log_osl": 1.5, "log_tensor": 1.0}
SETTING_SCALES = {
    "log_tensor": 0.6,
    "expert_parallel": 0.3,
    "attention_dp": 0.3,
    "release": 0.15,
    "log_bandwidth": 0.15,
}
"""Distances at which similarity falls to 61%; logarithms but for flags and releases."""
POINT_COLUMNS = tuple(
    dict.fromkeys((*ENGINE, *GENERATION, *FORMAT, *SHAPE_SCALES, *LOAD_SCALES, *SETTING_SCALES, "release"))
)
COMPONENTS = (
    "release",
    "system",
    "shape",
    "shape_engine",
    "shape_system",
    "configuration",
    "shape_load",
    "system_load",
)
"""What a residual is made of: the engine's release; engine, GPU generation and format (the system); the model's shape, alone,
with the engine and with the system; one configuration's settings; and how shape and system change with the load."""


@dataclass(frozen=True)
class Nearby:
    """Measured residuals at configurations, ready to interpolate.

    Args:
        points: Columns `POINT_COLUMNS` of the measured configurations.
        weights: What each measurement contributes (from the calibration).
        noise: Standard deviation of each measurement's error.
        deviations: By component, how much it makes residuals differ.
    """

    points: Columns
    weights: Column
    noise: Column
    deviations: Mapping[str, float]

    def correct(self, rows: Columns) -> tuple[Column, Column]:
        """Return the expected log(measured / predicted) of each row, and what the most similar measurement leaves open."""
        cross = covariance_of(with_logs(rows), self.points, self.deviations)
        mean: Column = cross @ self.weights
        return mean, left_open(cross, self.noise, self.deviations)


def left_open(cross: Column, noise: Column, deviations: Mapping[str, float]) -> Column:
    """Return the standard deviation that remains beside the most telling measurement.

    The exact one would need every measurement's covariance factored at each start and moves the bands less than 1%.
    """
    prior = sum(deviation**2 for deviation in deviations.values())
    explained: Column = (cross**2 / (prior + noise**2)).max(axis=1)
    return np.sqrt(prior - explained)


def with_logs(rows: Columns) -> Columns:
    """Return the columns with the logarithms that similarity is measured in."""
    return {**rows, **{f"log_{name}": np.log(rows[name]) for name in ("running", "isl", "osl", "tensor")}}


def covariance_of(left: Columns, right: Columns, deviations: Mapping[str, float]) -> Column:
    """Return how residuals of each row of `left` go together with those of each row of `right`."""
    total: Column = np.zeros((len(left["release"]), len(right["release"])))
    for name, similarity in similarities(left, right).items():
        if deviations[name]:
            total += deviations[name] ** 2 * similarity
    return total


def similarities(left: Columns, right: Columns) -> dict[str, Column]:
    """Return, by component, how much of it two configurations share: from 0 to 1."""

    def same(names: Sequence[str]) -> Column:
        shared = np.ones((len(left["release"]), len(right["release"])))
        for name in names:
            shared *= left[name][:, None] == right[name][None, :]
        return shared

    def like(scales: Mapping[str, float]) -> Column:
        first = np.column_stack([left[name] / scale for name, scale in scales.items()])
        second = np.column_stack([right[name] / scale for name, scale in scales.items()])
        squared = (first**2).sum(1)[:, None] + (second**2).sum(1)[None, :] - 2 * first @ second.T
        shared: Column = np.exp(-np.maximum(squared, 0.0) / 2)
        return shared

    engine, shape, load = same(ENGINE), like(SHAPE_SCALES), like(LOAD_SCALES)
    system = engine * same(GENERATION) * same(FORMAT)
    shape_system = shape * system
    return {
        "release": engine * like({"release": SETTING_SCALES["release"]}),
        "system": system,
        "shape": shape,
        "shape_engine": shape * engine,
        "shape_system": shape_system,
        "configuration": shape_system * like(SETTING_SCALES),
        "shape_load": shape_system * load,
        "system_load": system * load,
    }
