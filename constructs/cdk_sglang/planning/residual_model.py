"""Correct predictions by the residuals of similar measured configurations, with their uncertainty (Gaussian-process regression).

Residuals of the formula have causes of different scope: an engine's release, an engine's kernels for a format on a GPU
generation, a model's shape, and settings of one configuration that no table records. Each cause is a component with its own
standard deviation; a configuration takes over only the components that it shares with measured ones. A model of an unmeasured shape
takes no shape component from other shapes: the formula and the engine's components on that kind of GPU still apply.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from cdk_sglang.planning.timing import Column, Columns

ENGINE = ("trtllm", "vllm", "sglang")
GENERATION = ("hopper", "blackwell", "ampere", "ada", "rtx")
FORMAT = ("fp8", "nvfp4", "mxfp4", "int4", "bf16")
SYSTEM = (*ENGINE, *GENERATION, *FORMAT)
KIND = ("experts_used", "latent", "linear", "sparse")
"""Flags that decide which kernels a model uses: experts, latent, linear and sparse attention."""
KERNELS = (*GENERATION, *FORMAT, "experts_used")
"""Flags that decide which kernels multiply a model's weights. Engines take them from the same few libraries."""
SHAPE_SCALES = {
    "log_hidden": 0.25, "log_layers": 0.25, "log_active": 0.5, "log_total": 0.5,
    "experts_used": 0.3, "latent": 0.3, "linear": 0.3, "sparse": 0.3,
}  # fmt: skip
LOAD_SCALES = {"log_running": 1.5, "log_isl": 1.5, "log_osl": 1.5, "log_tensor": 1.0}
SPLIT_SCALES = {"log_tensor": 0.6}
KERNEL_SCALES = {"log_bandwidth": 0.05, "log_tensor": 1.0}
SETTING_SCALES = {
    **SPLIT_SCALES,
    "expert_parallel": 0.3,
    "attention_dp": 0.3,
    "release": 0.15,
    "log_bandwidth": 0.15,
}
"""Distances at which similarity falls to 61 %; in logarithms, except for flags and releases."""
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
    "kind_system",
    "engine_load",
    "kernels",
    "shape_split",
)
"""Components of a residual: the engine's release; engine, GPU generation and format (the system); the model's shape, alone,
with the engine and with the system; one configuration's settings; the change of shape and system with the load; one kind of
model on a system; the change of an engine with the load, as of its scheduler; the kernels that multiply weights of a format on
one GPU, by their share of the model, whichever engine calls them; and how an engine splits a shape over GPUs."""


@dataclass(frozen=True)
class OwnResiduals:
    """Gaussian model of the residuals that the packaged model leaves at the user's own measurements.

    Only components of one shape on one system are used, so that predictions for other models and other kinds of GPU do not change.

    Args:
        points: Columns `POINT_COLUMNS` of the user's measurements.
        weights: Weight of each measurement in the posterior mean.
        noise: Standard deviation of a measurement's error.
        deviations: Standard deviation of each component.
    """

    points: Columns
    weights: Column
    noise: float
    deviations: Mapping[str, float]

    @classmethod
    def fitted(cls, rows: Columns, residuals: Column, *, noise: float, deviations: Mapping[str, float]) -> OwnResiduals:
        """Return the model of some residuals.

        Args:
            rows: Columns of the measured configurations.
            residuals: Residual that the packaged model leaves for each, as log(measured / predicted).
            noise: Standard deviation of a measurement's error.
            deviations: Standard deviation of each component.
        """
        points = {name: with_logs(rows)[name] for name in POINT_COLUMNS}
        covariance = _local_covariance(points, points, deviations) + noise**2 * np.eye(len(residuals))
        weights: Column = np.linalg.solve(covariance, residuals).astype(np.float64)
        return cls(points=points, weights=weights, noise=noise, deviations=deviations)

    def correct(self, rows: Columns, mean: Column, deviation: Column) -> tuple[Column, Column]:
        """Return the packaged model's mean and deviation, corrected by the user's measurements.

        Args:
            rows: Columns of the configurations.
            mean: The packaged model's posterior mean.
            deviation: Its posterior standard deviation.
        """
        cross = _local_covariance(with_logs(rows), self.points, self.deviations)
        prior = np.diag(_local_covariance(self.points, self.points, self.deviations))
        explained: Column = (cross**2 / (prior + self.noise**2)).max(axis=1)
        is_near = explained > 0
        left = np.sqrt(np.maximum(deviation**2 - explained, self.noise**2))
        return mean + cross @ self.weights, np.where(is_near, np.minimum(deviation, left), deviation)


def _local_covariance(left: Columns, right: Columns, deviations: Mapping[str, float]) -> Column:
    """Return the covariance from only the components of one shape on one system.

    The dependence of the user's model on the load is the sum of the three load components, whichever of them the packaged measurements tell apart.
    """
    shared = similarities(left, right)
    load = deviations["shape_load"] ** 2 + deviations["system_load"] ** 2 + deviations["engine_load"] ** 2
    total: Column = (
        deviations["shape_system"] ** 2 * shared["shape_system"]
        + deviations["configuration"] ** 2 * shared["configuration"]
        + load * shared["shape_load"]
    )
    return total


@dataclass(frozen=True)
class ResidualModel:
    """Gaussian model of the residuals at measured configurations.

    Args:
        points: Columns `POINT_COLUMNS` of the measured configurations.
        weights: Weight of each measurement in the posterior mean (from the calibration).
        noise: Standard deviation of each measurement's error.
        deviations: Standard deviation of each component.
        own: The user's own measurements, which correct the remaining residuals; None if there are none.
    """

    points: Columns
    weights: Column
    noise: Column
    deviations: Mapping[str, float]
    own: OwnResiduals | None = None

    def correct(self, rows: Columns) -> tuple[Column, Column]:
        """Return the posterior mean of log(measured / predicted) and the posterior standard deviation, for each row."""
        cross = covariance_of(with_logs(rows), self.points, self.deviations)
        mean: Column = cross @ self.weights
        deviation = posterior_deviation(cross, self.noise, self.deviations)
        return (mean, deviation) if self.own is None else self.own.correct(rows, mean, deviation)

    def narrowing(self, rows: Columns) -> Column:
        """Return, for each row, the ratio of the posterior standard deviations with and without the user's own measurements."""
        if self.own is None:
            return np.ones_like(rows["running"])
        _, packaged = replace(self, own=None).correct(rows)
        _, deviation = self.correct(rows)
        narrowed: Column = deviation / packaged
        return narrowed


def posterior_deviation(cross: Column, noise: Column, deviations: Mapping[str, float]) -> Column:
    """Return the posterior standard deviation given the most informative measurement.

    The exact posterior would need a factorisation of the covariance of all measurements at each start, and would change the bands by less than 1 %.

    Args:
        cross: Covariance of each row with each measurement.
        noise: Standard deviation of each measurement's error.
        deviations: Standard deviation of each component.
    """
    prior = sum(deviation**2 for deviation in deviations.values())
    explained: Column = (cross**2 / (prior + noise**2)).max(axis=1)
    return np.sqrt(prior - explained)


def with_logs(rows: Columns) -> Columns:
    """Return the columns with the logarithms that similarities use."""
    return {**rows, **{f"log_{name}": np.log(rows[name]) for name in ("running", "isl", "osl", "tensor")}}


def covariance_of(left: Columns, right: Columns, deviations: Mapping[str, float]) -> Column:
    """Return the covariance of the residuals of each row of `left` with those of each row of `right`.

    The result is the sum over `similarities` of variance times similarity. It is computed once for repeated shapes; components that are
    specific to an engine or system are computed only between rows of that engine or system.
    """
    variance = {name: deviation**2 for name, deviation in deviations.items()}
    engines, systems = (_codes(left, right, names) for names in (ENGINE, SYSTEM))
    kinds, kernels = (_codes(left, right, names) for names in ((*SYSTEM, *KIND), KERNELS))
    shapes = np.column_stack([left[name] for name in SHAPE_SCALES])
    distinct_shapes, shape_index = np.unique(shapes, axis=0, return_inverse=True)
    shape: Column = _similarity(dict(zip(SHAPE_SCALES, distinct_shapes.T, strict=True)), right, SHAPE_SCALES)[
        shape_index.ravel()
    ]
    total: Column = variance["shape"] * shape
    for rows, points in _blocks(*engines):
        release_similarity = _similarity(left, right, {"release": SETTING_SCALES["release"]}, rows, points)
        total[np.ix_(rows, points)] += (
            variance["release"] * release_similarity + variance["shape_engine"] * shape[np.ix_(rows, points)]
        )
        if variance["engine_load"]:
            load = _similarity(left, right, LOAD_SCALES, rows, points)
            total[np.ix_(rows, points)] += variance["engine_load"] * load
        if variance["shape_split"]:
            split = _similarity(left, right, SPLIT_SCALES, rows, points)
            total[np.ix_(rows, points)] += variance["shape_split"] * shape[np.ix_(rows, points)] * split
    for rows, points in _blocks(*systems):
        shape_block = shape[np.ix_(rows, points)]
        load = _similarity(left, right, LOAD_SCALES, rows, points)
        settings = _similarity(left, right, SETTING_SCALES, rows, points)
        shape_variance = variance["shape_system"] + variance["configuration"] * settings + variance["shape_load"] * load
        total[np.ix_(rows, points)] += (
            shape_block * shape_variance + variance["system"] + variance["system_load"] * load
        )
    if variance["kind_system"]:
        for rows, points in _blocks(*kinds):
            total[np.ix_(rows, points)] += variance["kind_system"]
    if variance["kernels"]:
        for rows, points in _blocks(*kernels):
            total[np.ix_(rows, points)] += variance["kernels"] * _similarity(left, right, KERNEL_SCALES, rows, points)
    return total


def _codes(left: Columns, right: Columns, names: Sequence[str]) -> tuple[Column, Column]:
    """Return a number per row, equal for rows with equal flags."""
    first, second = (
        np.asarray(sum(rows[name] * 2.0**bit for bit, name in enumerate(names)), dtype=np.float64)
        for rows in (left, right)
    )
    return first, second


def _blocks(left: Column, right: Column) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield, for each code, the rows and points that have it."""
    for code in np.unique(left):
        points = np.flatnonzero(right == code)
        if points.size:
            yield np.flatnonzero(left == code), points


def _similarity(
    left: Columns,
    right: Columns,
    scales: Mapping[str, float],
    rows: NDArray[np.intp] | slice = slice(None),
    points: NDArray[np.intp] | slice = slice(None),
) -> Column:
    """Return the similarity of each row to each point: 1 for equal ones, near 0 for distant ones."""
    first = np.column_stack([left[name][rows] / scale for name, scale in scales.items()])
    second = np.column_stack([right[name][points] / scale for name, scale in scales.items()])
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1)[None, :] - 2 * first @ second.T
    similarity: Column = np.exp(-np.maximum(squared, 0.0) / 2)
    return similarity


def similarities(left: Columns, right: Columns) -> dict[str, Column]:
    """Return, by component, the share of it that two configurations have in common, from 0 to 1."""

    def same(names: Sequence[str]) -> Column:
        shared = np.ones((len(left["release"]), len(right["release"])))
        for name in names:
            shared *= left[name][:, None] == right[name][None, :]
        return shared

    engine, shape, load = same(ENGINE), _similarity(left, right, SHAPE_SCALES), _similarity(left, right, LOAD_SCALES)
    system = engine * same(GENERATION) * same(FORMAT)
    shape_system = shape * system
    return {
        "release": engine * _similarity(left, right, {"release": SETTING_SCALES["release"]}),
        "system": system,
        "shape": shape,
        "shape_engine": shape * engine,
        "shape_system": shape_system,
        "configuration": shape_system * _similarity(left, right, SETTING_SCALES),
        "shape_load": shape_system * load,
        "system_load": system * load,
        "kind_system": system * same(KIND),
        "engine_load": engine * load,
        "kernels": same(KERNELS) * _similarity(left, right, KERNEL_SCALES),
        "shape_split": shape * engine * _similarity(left, right, SPLIT_SCALES),
    }
