"""A first fit of the coefficients: damped least squares on logarithms, with priors and a loss that outliers cannot steer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cdk_sglang.planning.timing import priors, times_ms

if TYPE_CHECKING:
    from samples import Sample

TPOT_SD, TTFT_SD, THROUGHPUT_SD = 0.12, 0.3, 0.15
"""Residuals to expect; identical repeats differ by 6% and 13%."""
KINDS = ((TPOT_SD, 0.2), (TTFT_SD, 0.4), (THROUGHPUT_SD, 0.25))
"""Expected deviation of each kind, and the residual beyond which a row counts less."""
ROW_WEIGHT = 0.6
"""Rows of one sweep are not independent."""


class Targets:
    """What was measured, as logarithms; NaN where it was not."""

    def __init__(self, samples: list[Sample]) -> None:
        inside = np.array([not s.outside for s in samples])
        waits = np.array([s.features["running"] < (s.question.concurrency or 0.0) for s in samples])
        self.tpot = np.where(inside, np.log([s.tpot_ms for s in samples]), np.nan)
        # a wait for room in the cache tells nothing of a prompt's time
        self.ttft = np.where(inside & ~waits, np.log([s.ttft_ms for s in samples]), np.nan)
        tokens = np.array([s.output_tok_s_per_gpu for s in samples])
        with np.errstate(divide="ignore", invalid="ignore"):
            self.throughput = np.where(np.isfinite(self.tpot) | ~inside, np.nan, np.log(tokens))
        self.gpus = np.array([float(s.question.split.gpus) for s in samples])

    def residuals(
        self, coefficients: dict[str, float], rows: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return log(predicted / measured) of each kind, 0 where nothing was measured."""
        tpot, ttft = times_ms(coefficients, rows)
        tokens = 1000 * rows["running"] * rows["osl"] / (ttft + (rows["osl"] - 1) * tpot) / self.gpus
        return (
            np.nan_to_num(np.log(tpot) - self.tpot),
            np.nan_to_num(np.log(ttft) - self.ttft),
            np.nan_to_num(np.log(tokens) - self.throughput),
        )


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
