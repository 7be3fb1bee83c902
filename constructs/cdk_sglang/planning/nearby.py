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
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

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
    """Return how residuals of each row of `left` go together with those of each row of `right`.

    The sum over `similarities` of variance times similarity, with what rows have in common worked out once: shapes repeat,
    and most components join rows of one system only.
    """
    variance = {name: deviation**2 for name, deviation in deviations.items()}
    engines, systems = (_codes(left, right, names) for names in (ENGINE, (*ENGINE, *GENERATION, *FORMAT)))
    shapes = np.column_stack([left[name] for name in SHAPE_SCALES])
    kinds, kind = np.unique(shapes, axis=0, return_inverse=True)
    shape: Column = _like(dict(zip(SHAPE_SCALES, kinds.T, strict=True)), right, SHAPE_SCALES)[kind.ravel()]
    total: Column = variance["shape"] * shape
    for rows, points in _blocks(*engines):
        common = _like(left, right, {"release": SETTING_SCALES["release"]}, rows, points)
        total[np.ix_(rows, points)] += (
            variance["release"] * common + variance["shape_engine"] * shape[np.ix_(rows, points)]
        )
    for rows, points in _blocks(*systems):
        own = shape[np.ix_(rows, points)]
        load = _like(left, right, LOAD_SCALES, rows, points)
        settings = _like(left, right, SETTING_SCALES, rows, points)
        of_shape = variance["shape_system"] + variance["configuration"] * settings + variance["shape_load"] * load
        total[np.ix_(rows, points)] += own * of_shape + variance["system"] + variance["system_load"] * load
    return total


def _codes(left: Columns, right: Columns, names: Sequence[str]) -> tuple[Column, Column]:
    """Return one number per row that is the same for rows with the same flags."""
    first, second = (
        np.asarray(sum(rows[name] * 2.0**bit for bit, name in enumerate(names)), dtype=np.float64)
        for rows in (left, right)
    )
    return first, second


def _blocks(left: Column, right: Column) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return, code by code, the rows and points that have it."""
    for code in np.unique(left):
        points = np.flatnonzero(right == code)
        if points.size:
            yield np.flatnonzero(left == code), points


def _like(
    left: Columns,
    right: Columns,
    scales: Mapping[str, float],
    rows: NDArray[np.intp] | slice = slice(None),
    points: NDArray[np.intp] | slice = slice(None),
) -> Column:
    """Return how near each row is to each point: 1 for the same, 0 for far away."""
    first = np.column_stack([left[name][rows] / scale for name, scale in scales.items()])
    second = np.column_stack([right[name][points] / scale for name, scale in scales.items()])
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1)[None, :] - 2 * first @ second.T
    shared: Column = np.exp(-np.maximum(squared, 0.0) / 2)
    return shared


def similarities(left: Columns, right: Columns) -> dict[str, Column]:
    """Return, by component, how much of it two configurations share: from 0 to 1."""

    def same(names: Sequence[str]) -> Column:
        shared = np.ones((len(left["release"]), len(right["release"])))
        for name in names:
            shared *= left[name][:, None] == right[name][None, :]
        return shared

    engine, shape, load = same(ENGINE), _like(left, right, SHAPE_SCALES), _like(left, right, LOAD_SCALES)
    system = engine * same(GENERATION) * same(FORMAT)
    shape_system = shape * system
    return {
        "release": engine * _like(left, right, {"release": SETTING_SCALES["release"]}),
        "system": system,
        "shape": shape,
        "shape_engine": shape * engine,
        "shape_system": shape_system,
        "configuration": shape_system * _like(left, right, SETTING_SCALES),
        "shape_load": shape_system * load,
        "system_load": system * load,
    }
