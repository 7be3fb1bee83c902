"""Fits the coefficients: damped least squares on logarithms, with priors and a loss that outliers cannot steer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cdk_sglang.planning.nearby import Nearby
from cdk_sglang.planning.timing import priors, times_ms

if TYPE_CHECKING:
    from samples import Sample

TPOT_SD, TTFT_SD, THROUGHPUT_SD = 0.12, 0.3, 0.15
"""Residuals to expect; identical repeats differ by 6% and 13%."""
KINDS = ((TPOT_SD, 0.2), (TTFT_SD, 0.4), (THROUGHPUT_SD, 0.25))
"""Expected deviation of each kind, and the residual beyond which a row counts less."""
ROW_WEIGHT = 0.6
"""Rows of one sweep are not independent."""
CONFIG_SD, LOAD_SD = 0.15, 0.10
TTFT_CONFIG_SD, TTFT_LOAD_SD = 0.25, 0.18
CLIP = 0.6
LOAD_BUCKETS = (10, 40, 80)


class Targets:
    """What was measured, as logarithms; NaN where it was not."""

    def __init__(self, samples: list[Sample]) -> None:
        self.tpot = np.log([s.tpot_ms for s in samples])
        self.ttft = np.log([s.ttft_ms for s in samples])
        has_times = np.isfinite(self.tpot)
        tokens = np.array([s.output_tok_s_per_gpu for s in samples])
        with np.errstate(divide="ignore", invalid="ignore"):
            self.throughput = np.where(has_times, np.nan, np.log(tokens))
        self.gpus = np.array([float(s.question.split.gpus) for s in samples])

    def residuals(
        self, coefficients: dict[str, float], rows: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return log(predicted / measured) of each kind, 0 where nothing was measured."""
        tpot, ttft = times_ms(coefficients, rows)
        tokens = 1000 * rows["running"] * rows["osl"] / (ttft + (rows["osl"] - 1) * tpot) / self.gpus
        return tuple(
            np.nan_to_num(np.log(p) - m) for p, m in ((tpot, self.tpot), (ttft, self.ttft), (tokens, self.throughput))
        )  # type: ignore[return-value]

    def take(self, mask: np.ndarray) -> Targets:
        """Return the targets of some rows."""
        part = Targets.__new__(Targets)
        part.tpot, part.ttft, part.throughput, part.gpus = (
            self.tpot[mask],
            self.ttft[mask],
            self.throughput[mask],
            self.gpus[mask],
        )
        return part


def fit(
    rows: dict[str, np.ndarray], targets: Targets, *, start: dict[str, float] | None = None, steps: int = 25
) -> dict[str, float]:
    """Return the coefficients that fit best, by Levenberg-Marquardt with numerical derivatives."""
    known = priors()
    names = list(known)
    mean = np.array([known[n].mean for n in names])
    deviation = np.array([known[n].deviation for n in names])
    theta = mean.copy() if start is None else np.array([start[n] for n in names])

    def residuals(point: np.ndarray) -> tuple[np.ndarray, ...]:
        return targets.residuals(dict(zip(names, point, strict=True)), rows)

    def cost(point: np.ndarray) -> float:
        total = float((((point - mean) / deviation) ** 2).sum())
        for residual, (sd, knee) in zip(residuals(point), KINDS, strict=True):
            total += ROW_WEIGHT * float((2 * knee**2 * (np.sqrt(1 + (residual / knee) ** 2) - 1)).sum()) / sd**2
        return total

    damping, best = 1e-2, cost(theta)
    for _ in range(steps):
        current = residuals(theta)
        jacobians = [np.empty((len(current[0]), len(names))) for _ in KINDS]
        for index in range(len(names)):
            moved = theta.copy()
            moved[index] += 1e-5
            for jacobian, after, before in zip(jacobians, residuals(moved), current, strict=True):
                jacobian[:, index] = (after - before) / 1e-5
        hessian = np.diag(1 / deviation**2)
        gradient = (theta - mean) / deviation**2
        for jacobian, residual, (sd, knee) in zip(jacobians, current, KINDS, strict=True):
            weight = ROW_WEIGHT / np.sqrt(1 + (residual / knee) ** 2) / sd**2
            hessian = hessian + jacobian.T @ (jacobian * weight[:, None])
            gradient = gradient + jacobian.T @ (weight * residual)
        gain = 0.0
        for _ in range(6):
            step = -np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), gradient)
            candidate = theta + np.clip(step, -0.7, 0.7)
            value = cost(candidate)
            if value < best:
                theta, gain, best, damping = candidate, best - value, value, max(damping / 4, 1e-6)
                break
            damping *= 5
        if gain < best * 1e-4:
            break
    return dict(zip(names, theta, strict=True))


def bins(samples: list[Sample]) -> np.ndarray:
    """Return the measured configuration each sample belongs to: same cell, GPUs, and about the same load."""
    keys = []
    for s in samples:
        f = s.features
        load = sum(f["running"] > edge for edge in LOAD_BUCKETS)
        keys.append((s.cell, f["tensor"], f["expert_parallel"], load, f["isl"] > 3000, f["osl"] > 3000))
    index = {key: position for position, key in enumerate(sorted(set(keys)))}
    return np.array([index[key] for key in keys])


def neighbourhood(
    samples: list[Sample], rows: dict[str, np.ndarray], residuals: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Return the measured configurations and, per kind, their mean residual and its noise (NaN where not measured)."""
    bucket = bins(samples)
    count = bucket.max() + 1
    points = {}
    for name, values in rows.items():
        logs = np.log(values) if name in {"running", "tensor", "isl", "osl"} else values
        mean = np.bincount(bucket, weights=logs, minlength=count) / np.bincount(bucket, minlength=count)
        points[name] = np.exp(mean) if name in {"running", "tensor", "isl", "osl"} else mean
    means = {}
    for kind, residual in residuals.items():
        known = np.isfinite(residual)
        clipped = np.clip(np.nan_to_num(residual), -CLIP, CLIP)
        number = np.bincount(bucket[known], minlength=count)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(bucket[known], weights=clipped[known], minlength=count) / number
            noise = {"tpot": 0.08, "ttft": 0.2}[kind] / np.sqrt(np.minimum(number, 4))
        means[kind] = (mean, noise)
    return points, means


def nearby_of(points: dict[str, np.ndarray], mean: np.ndarray, noise: np.ndarray, kind: str) -> Nearby:
    """Return the interpolation of one kind of residual."""
    keep = np.isfinite(mean)
    config, load = (CONFIG_SD, LOAD_SD) if kind == "tpot" else (TTFT_CONFIG_SD, TTFT_LOAD_SD)
    return Nearby({n: v[keep] for n, v in points.items()}, mean[keep], noise[keep], config, load)


class LeaveOut:
    """Refits without some rows at the price of one solve: a Gauss-Newton step from the fit of all rows.

    The derivatives are taken once; leaving rows out takes their share from the normal equations. Against refits by
    `fit` from the same start the errors of left-out combinations agree to a few tenths of a percent.
    """

    def __init__(self, rows: dict[str, np.ndarray], targets: Targets, start: dict[str, float]) -> None:
        known = priors()
        self._names = list(known)
        self._theta = np.array([start[n] for n in self._names])
        mean = np.array([known[n].mean for n in self._names])
        deviation = np.array([known[n].deviation for n in self._names])
        current = targets.residuals(start, rows)
        jacobians = [np.empty((len(current[0]), len(self._names))) for _ in current]
        for index, name in enumerate(self._names):
            moved = targets.residuals({**start, name: start[name] + 1e-5}, rows)
            for jacobian, after, before in zip(jacobians, moved, current, strict=True):
                jacobian[:, index] = (after - before) / 1e-5
        self._prior = np.diag(1 / deviation**2)
        self._pull = (self._theta - mean) / deviation**2
        self._parts = []
        for jacobian, residual, (sd, knee) in zip(jacobians, current, KINDS, strict=True):
            self._parts.append((jacobian, residual, ROW_WEIGHT / np.sqrt(1 + (residual / knee) ** 2) / sd**2))

    def without(self, left_out: np.ndarray) -> dict[str, float]:
        """Return the coefficients of a fit without the rows of a mask."""
        keep = ~left_out
        hessian, gradient = self._prior, self._pull
        for jacobian, residual, weight in self._parts:
            some = jacobian[keep]
            hessian = hessian + some.T @ (some * weight[keep, None])
            gradient = gradient + some.T @ (weight[keep] * residual[keep])
        step = -np.linalg.solve(hessian, gradient)
        return dict(zip(self._names, self._theta + np.clip(step, -0.7, 0.7), strict=True))
