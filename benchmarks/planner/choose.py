"""Chooses the deviations of `posterior.SETTINGS`: one at a time, by the error of rows left out. Takes a few minutes.

python benchmarks/planner/choose.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from calibrate import LOW, Fitted
from posterior import SETTINGS, Posterior, fit_together

WEIGHTS = {"model and GPU": 0.4, "model": 0.35, "GPU": 0.25}
WORST = 1.5
"""An error counts no more than this: single measurements far from all others must not choose."""
SHIFTS = np.exp(np.linspace(-0.12, 0.06, 10))
ROUNDS = 2


def loss(fitted: Fitted, posterior: Posterior, kind: str) -> float:
    """Return the mean relative error of what is left out, of times per token together with the throughput."""
    low, total = fitted.inside & (fitted.concurrency <= LOW), 0.0
    for name, groups in fitted.groups.items():
        predicted = np.exp(posterior.left_out(groups)[0])
        estimate = predicted if kind == "tpot" else fitted.with_wait(np.exp(fitted.left_out[name].tpot), predicted)
        total += WEIGHTS[name] * _error(estimate[low], fitted.measured[kind][low])
        if kind == "tpot":
            first = fitted.with_wait(predicted, np.exp(fitted.left_out[name].ttft))
            rate = fitted.throughput(predicted, first)[fitted.inside]
            total += WEIGHTS[name] * _error(rate, fitted.measured["throughput"][fitted.inside])
    return total


def _error(predicted: np.ndarray, measured: np.ndarray) -> float:
    ratio = (predicted / measured)[np.isfinite(predicted / measured)]
    return float(min(np.minimum(np.abs(shift * ratio - 1), WORST).mean() for shift in SHIFTS))


def choose(fitted: Fitted, posterior: Posterior, kind: str) -> dict[str, float]:
    """Return better settings, by steps up and down for each."""
    settings, best = dict(SETTINGS[kind]), loss(fitted, posterior, kind)
    for _ in range(ROUNDS):
        for name in SETTINGS[kind]:
            for factor in (0.6, 1.6):
                while True:
                    tried = {**settings, name: settings[name] * factor}
                    posterior.use(tried)
                    posterior.weigh(passes=3)
                    found = loss(fitted, posterior, kind)
                    if found > best - 1e-4:
                        break
                    settings, best = tried, found
        posterior.use(settings)
        fit_together(posterior, posterior.around, rounds=1)
        best = loss(fitted, posterior, kind)
        print(f"{kind}: {best:.4f} { ({n: round(v, 3) for n, v in settings.items()}) }", flush=True)
    return settings


def main() -> None:
    """Print better settings of both kinds."""
    fitted = Fitted()
    for kind, posterior in fitted.posteriors.items():
        choose(fitted, posterior, kind)


if __name__ == "__main__":
    main()
