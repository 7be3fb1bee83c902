"""Fit coefficients and residual components together, and predict every row as if its group had not been measured.

The rows of one configuration share causes that no table records (flags, drivers, the client), so hundreds of rows are not
hundreds of independent facts. The coefficients of the formula, linear around a first fit, and the residual components of
`planning.residual_model` are one Gaussian model; leaving a group out of it is a few products of matrices, exact, and fast enough for
choosing the deviations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cdk_sglang.planning.residual_model import POINT_COLUMNS, posterior_deviation, similarities, with_logs
from cdk_sglang.planning.timing import priors, times_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from samples import Sample

KINDS = ("tpot", "ttft")
SETTINGS = {
    "tpot": {
        "release": 0.05,
        "system": 0.0,
        "shape": 0.048,
        "shape_engine": 0.018,
        "shape_system": 0.05,
        "configuration": 0.3,
        "shape_load": 0.006,
        "system_load": 0.009,
        "kind_system": 0.0,
        "engine_load": 0.0,
        "kernels": 0.11,
        "shape_split": 0.04,
        "noise": 0.04,
        "prior": 0.24,
        "freedom": 1.0,
    },
    "ttft": {
        "release": 0.096,
        "system": 0.011,
        "shape": 0.011,
        "shape_engine": 0.011,
        "shape_system": 0.013,
        "configuration": 0.126,
        "shape_load": 0.012,
        "system_load": 0.011,
        "kind_system": 0.1,
        "engine_load": 0.15,
        "kernels": 0.0,
        "shape_split": 0.0,
        "noise": 0.2,
        "prior": 0.24,
        "freedom": 0.5,
    },
}
"""Standard deviations of the residual components and of a measurement (`noise`), the factor on the priors' deviations (`prior`), and the
degrees of freedom of the errors' Student distribution (`freedom`): a few measurements are far off for reasons of their own, of times to
the first token more than a few. `choose.py` chose them by the error of left-out rows."""
_NOT_DEVIATIONS = ("noise", "prior", "freedom")
FIRST_TERMS = ("prompt_", "first_ms", "queue_share")
"""Terms that only the time to the first token has; the others are fitted to the time per token."""
RUNNING_EDGES = (6, 24, 96, 300)
ISL_EDGES = (1500, 5000)
OSL_EDGES = (400, 2000)
REPEATS = 4
"""Number of repeats beyond which a mean does not improve: repeats share their systematic errors."""


class Posterior:
    """Measurements of one kind of time, by configuration, and their Gaussian model."""

    def __init__(
        self,
        kind: str,
        samples: list[Sample],
        rows: dict[str, np.ndarray],
        *,
        logs: np.ndarray,
        indirect: np.ndarray,
        settings: dict[str, float],
    ) -> None:
        """Group the rows.

        Args:
            kind: `tpot` or `ttft`.
            samples: Measured rows.
            rows: Columns of the rows.
            logs: Logarithms of the measured times; NaN for rows without one.
            indirect: Additional standard deviation of values that were derived from another measurement.
            settings: As one of `SETTINGS`.
        """
        self._kind, self._rows, self._logs = kind, with_logs(rows), logs
        parameter_priors = priors()
        self.names = [n for n in parameter_priors if n.startswith(FIRST_TERMS) == (kind == "ttft")]
        self._prior_mean = np.array([parameter_priors[n].mean for n in self.names])
        self._prior_sd = np.array([parameter_priors[n].deviation for n in self.names])
        self._measured = np.flatnonzero(np.isfinite(logs))
        keys = [_configuration(samples[i]) for i in self._measured]
        index = {key: position for position, key in enumerate(sorted(set(keys)))}
        self._bin = np.array([index[key] for key in keys])
        self._count = np.bincount(self._bin).astype(float)
        self._indirect = self._mean(indirect[self._measured])
        self.points = {name: self._mean(self._rows[name][self._measured]) for name in POINT_COLUMNS}
        self._own_parts = similarities(self.points, self.points)
        self._cross_parts = similarities(self._rows, self.points)
        self.use(settings)

    def use(self, settings: dict[str, float]) -> None:
        """Use other standard deviations."""
        self.settings = settings
        self.deviations = {n: v for n, v in settings.items() if n not in _NOT_DEVIATIONS}
        self._own = _covariance(self._own_parts, self.deviations)
        self._cross = _covariance(self._cross_parts, self.deviations)

    def solve(self, coefficients: dict[str, float], *, passes: int = 4) -> None:
        """Linearise around `coefficients` and solve, with lower weights for outliers."""
        self.around = coefficients
        linear, self._slopes = self._derivatives(coefficients)
        theta = np.array([coefficients[n] for n in self.names])
        # the formula at the priors' means, in the same linear approximation
        self._at_prior = linear + self._slopes @ (self._prior_mean - theta)
        self.weigh(passes=passes)

    def weigh(self, *, passes: int = 4) -> None:
        """Solve the linear approximation of `solve`."""
        self._sd = self.settings["prior"] * self._prior_sd
        residual = self._logs[self._measured] - self._at_prior[self._measured]
        self._residual = self._clipped_mean(residual)
        self._bin_slopes = np.column_stack([self._mean(column[self._measured]) for column in self._slopes.T])
        scaled = self._bin_slopes * self._sd
        covariance = self._own + scaled @ scaled.T
        variance = self.settings["noise"] ** 2 / np.minimum(self._count, REPEATS) + self._indirect**2
        weight, freedom = np.ones(len(self._count)), self.settings["freedom"]
        for _ in range(passes):
            self.noise = np.sqrt(variance / weight)
            self._inverse = np.linalg.inv(covariance + np.diag(self.noise**2))
            self.weights = self._inverse @ self._residual
            error = self.noise**2 * self.weights
            weight = np.clip((freedom + 1) / (freedom + error**2 / variance), 0.01, None)

    def coefficients(self) -> dict[str, float]:
        """Return the fitted coefficients."""
        theta = self._prior_mean + self._sd**2 * (self._bin_slopes.T @ self.weights)
        return {**self.around, **dict(zip(self.names, theta, strict=True))}

    def left_out(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return every row's predicted logarithm and its standard deviation, each without the rows of its group."""
        mean, deviation = np.full(len(groups), np.nan), np.full(len(groups), np.nan)
        bin_groups = np.empty(len(self._count), dtype=object)
        bin_groups[self._bin] = groups[self._measured]
        for group in sorted(set(groups)):
            test, out = np.flatnonzero(groups == group), np.flatnonzero(bin_groups == group)
            weights = self.weights.copy()
            cross = self._cross[test].copy()
            cross[:, out] = 0.0
            if len(out):
                block = np.linalg.inv(self._inverse[np.ix_(out, out)])
                weights -= self._inverse[:, out] @ (block @ self.weights[out])
                weights[out] = 0.0
            formula = self._at_prior[test] + self._slopes[test] @ (self._sd**2 * (self._bin_slopes.T @ weights))
            mean[test] = formula + cross @ weights
            deviation[test] = posterior_deviation(cross, self.noise, self.deviations)
        return mean, deviation

    def _derivatives(self, coefficients: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
        which, step = KINDS.index(self._kind), 1e-4
        base = np.log(times_ms(coefficients, self._rows)[which])
        slopes = np.empty((len(base), len(self.names)))
        for index, name in enumerate(self.names):
            shifted = times_ms({**coefficients, name: coefficients[name] + step}, self._rows)[which]
            slopes[:, index] = (np.log(shifted) - base) / step
        return base, slopes

    def _mean(self, values: np.ndarray) -> np.ndarray:
        mean: np.ndarray = np.bincount(self._bin, weights=values) / self._count
        return mean

    def _clipped_mean(self, values: np.ndarray) -> np.ndarray:
        middle = np.array([np.median(values[self._bin == b]) for b in range(len(self._count))])
        return self._mean(np.clip(values, middle[self._bin] - 0.2, middle[self._bin] + 0.2))


def _covariance(parts: dict[str, np.ndarray], deviations: dict[str, float]) -> np.ndarray:
    """Return the covariance of residual components from their similarities and standard deviations."""
    total: np.ndarray = np.zeros_like(next(iter(parts.values())))
    for name, deviation in deviations.items():
        total += deviation**2 * parts[name]
    return total


def _configuration(sample: Sample) -> tuple[object, ...]:
    """Return the key of a row's configuration: all settings, and the bucket of its load."""
    f = sample.features
    loads = ((f["running"], RUNNING_EDGES), (f["isl"], ISL_EDGES), (f["osl"], OSL_EDGES))
    buckets = (sum(value > edge for edge in edges) for value, edges in loads)
    return (
        sample.cell, f["release"], f["tensor"], f["expert_parallel"], f["attention_dp"], sample.question.kv_dtype, *buckets,
    )  # fmt: skip


def fit_together(posterior: Posterior, start: dict[str, float], *, rounds: int = 3) -> dict[str, float]:
    """Return the coefficients after repeated linearisation; the posterior is solved at them."""
    coefficients = start
    for _ in range(rounds):
        posterior.solve(coefficients)
        coefficients = posterior.coefficients()
    posterior.solve(coefficients)
    return posterior.coefficients()


def groups_of(samples: Iterable[Sample]) -> dict[str, np.ndarray]:
    """Return the groups of rows that are left out together: a model on a GPU, a model on every GPU, a GPU with every model."""
    rows = list(samples)
    return {
        "model and GPU": np.array([s.combination for s in rows], dtype=object),
        "model": np.array([s.combination.split(" on ")[0] for s in rows], dtype=object),
        "GPU": np.array([s.question.gpu.name for s in rows], dtype=object),
    }
