"""Fits the planner to the measured rows, checks it on what it has not seen, and writes the calibration.

    python benchmarks/planner/calibrate.py [--write]

The same rows give the same file: nothing in it is drawn at random.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from fitting import Targets, fit
from posterior import SETTINGS, Posterior, fit_together, groups_of
from samples import Sample, closed_loop_samples, saturated_samples, table
from widths import PROMISED, Widths

from cdk_sglang import planning
from cdk_sglang.planning.calibration import read_calibration, spread_columns
from cdk_sglang.planning.timing import as_unknown, moved_by_arrivals, priors, times_ms

BANDS_FROM = ("model and GPU", "model", "GPU")
"""What is left out to choose bands: a known model on another GPU, a model never seen, and a GPU never seen."""
INDIRECT_SD = 0.1
"""Deviation of a time per token that was worked out from a throughput and a predicted time to the first token."""
LOW = 64
OUT = Path(planning.__file__).parent / "data" / "calibration.json"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Predictions of rows whose group was left out, as logarithms, and their deviations."""

    tpot: np.ndarray
    ttft: np.ndarray
    tpot_sd: np.ndarray
    ttft_sd: np.ndarray


class Fitted:
    """The samples, what was fitted to them, and what it says about rows left out."""

    def __init__(self) -> None:
        """Read the samples and fit."""
        self.samples = closed_loop_samples()
        self.arriving = table(self.samples)
        self.rows = as_unknown(self.arriving)
        targets = Targets(self.samples)
        self.gpus = targets.gpus
        self.concurrency = np.array([s.question.concurrency for s in self.samples], dtype=np.float64)
        self.inside = np.array([not s.outside for s in self.samples])
        self.tokens = np.array([s.output_tok_s_per_gpu for s in self.samples])
        start = fit(self.rows, targets)
        logs, indirect = self._tpot_logs(targets, times_ms(start, self.rows)[1])
        self.posteriors = {}
        self.posteriors["tpot"] = Posterior(
            "tpot", self.samples, self.rows, logs=logs, indirect=indirect, settings=SETTINGS["tpot"]
        )
        after_tpot = fit_together(self.posteriors["tpot"], start)
        self.posteriors["ttft"] = Posterior(
            "ttft", self.samples, self.rows, logs=targets.ttft, indirect=0 * indirect, settings=SETTINGS["ttft"]
        )
        self.coefficients = fit_together(self.posteriors["ttft"], after_tpot)
        self.measured = {
            "tpot": np.array([s.tpot_ms for s in self.samples]),
            "ttft": np.array([s.ttft_ms for s in self.samples]),
        }
        implied = self.throughput(self.measured["tpot"], self.measured["ttft"])
        self.measured["throughput"] = np.where(np.isfinite(implied), implied, self.tokens)
        self.groups = groups_of(self.samples)
        self.left_out = {name: self._without(groups) for name, groups in self.groups.items()}
        self.widths = {kind: self._widths(kind) for kind in self.measured}
        self.bands = {kind: widths.spread(self._centre(kind)) for kind, widths in self.widths.items()}

    def throughput(self, tpot: np.ndarray, ttft: np.ndarray) -> np.ndarray:
        """Return output tokens per second and GPU in a closed loop; the time to the first token with any wait."""
        osl = self.rows["osl"]
        tokens_s_gpu: np.ndarray = 1000 * self.concurrency * osl / (ttft + (osl - 1) * tpot) / self.gpus
        return tokens_s_gpu

    def with_wait(self, tpot: np.ndarray, ttft: np.ndarray) -> np.ndarray:
        """Return the time to the first token with the wait for room in the cache."""
        rows = self.rows
        total: np.ndarray = ttft + (self.concurrency / rows["running"] - 1) * (ttft + rows["osl"] * tpot)
        return total

    def predicted(self, kind: str, left_out: str) -> np.ndarray:
        """Return the middle of a prediction of every row when its group was left out."""
        out = self.left_out[left_out]
        tpot: np.ndarray = np.exp(out.tpot)
        if kind == "tpot":
            return tpot
        ttft = self.with_wait(tpot, np.exp(out.ttft))
        return ttft if kind == "ttft" else self.throughput(tpot, ttft)

    def columns(self, kind: str, left_out: str) -> dict[str, np.ndarray]:
        """Return the columns that a band's width follows."""
        out = self.left_out[left_out]
        return spread_columns(self.rows, out.ttft_sd if kind == "ttft" else out.tpot_sd)

    def _tpot_logs(self, targets: Targets, ttft: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the times per token, also those that a throughput implies, and which are implied."""
        direct = np.isfinite(targets.tpot) | ~self.inside
        with np.errstate(divide="ignore", invalid="ignore"):
            total = 1000 * self.rows["running"] * self.rows["osl"] / (self.tokens * self.gpus)
            implied = (total - ttft) / (self.rows["osl"] - 1)
            implied = np.log(np.where(implied > 0.2 * total / self.rows["osl"], implied, np.nan))
        return np.where(direct, targets.tpot, implied), np.where(direct, 0.0, INDIRECT_SD)

    def _without(self, groups: np.ndarray) -> LeftOut:
        tpot, tpot_sd = self.posteriors["tpot"].left_out(groups)
        ttft, ttft_sd = self.posteriors["ttft"].left_out(groups)
        tpot, ttft = (
            np.log(time)
            for time in moved_by_arrivals(self.coefficients, self.arriving, tpot=np.exp(tpot), ttft=np.exp(ttft))
        )
        return LeftOut(tpot=tpot, ttft=ttft, tpot_sd=tpot_sd, ttft_sd=ttft_sd)

    def _widths(self, kind: str) -> Widths:
        """Return how wide the bands of a kind are."""
        errors = {name: np.log(self.measured[kind] / self.predicted(kind, name)) for name in BANDS_FROM}
        return Widths(
            errors=errors,
            columns={name: self.columns(kind, name) for name in BANDS_FROM},
            groups={name: self.groups[name] for name in BANDS_FROM},
            known=np.isfinite(errors[BANDS_FROM[0]]) & self.inside,
        )

    def _centre(self, kind: str) -> float:
        """Return the shift of the value given within its band that makes the mean relative error least."""
        use = np.isfinite(self.measured[kind]) & self.inside & ((self.concurrency <= LOW) | (kind == "throughput"))
        shifts = np.round(np.arange(-0.2, 0.101, 0.01), 2)
        losses = [
            sum(
                np.abs(np.exp(shift) * self.predicted(kind, name)[use] / self.measured[kind][use] - 1).mean()
                for name in BANDS_FROM
            )
            for shift in shifts
        ]
        return float(shifts[int(np.argmin(losses))])

    def content(self) -> dict[str, object]:
        """Return the calibration as it is stored."""
        residual_models = {}
        for kind, posterior in self.posteriors.items():
            residual_models[kind] = {
                "points": {name: [_short(v) for v in values] for name, values in posterior.points.items()},
                "weights": [round(float(v), 5) for v in posterior.weights],
                "noise": [round(float(v), 4) for v in posterior.noise],
                "deviations": posterior.deviations,
            }
        content: dict[str, object] = {
            "about": "made by benchmarks/planner/calibrate.py from benchmarks/planner/data/throughput.csv; do not edit",
            "rows": len(self.samples),
            "coefficients": {name: round(value, 5) for name, value in self.coefficients.items()},
            "bands": {kind: band.__dict__ for kind, band in self.bands.items()},
            "saturation": {},
            "nearby": residual_models,
        }
        content["saturation"] = saturation(content)
        return content


def _short(value: float) -> float | int:
    rounded = round(float(value), 4)
    return int(rounded) if rounded == int(rounded) else rounded


def summary(fitted: Fitted, left_out: str) -> str:
    """Return the errors at up to 64 requests in flight, and of the throughput at any, in words."""
    parts = []
    for kind, goal in (("tpot", 15), ("ttft", 35), ("throughput", 12)):
        measured = fitted.measured[kind]
        use = np.isfinite(measured) & fitted.inside
        if kind != "throughput":
            use &= fitted.concurrency <= LOW
        predicted = fitted.predicted(kind, left_out) * np.exp(fitted.bands[kind].centre)
        error = np.abs(predicted[use] / measured[use] - 1)
        parts.append(f"{kind} {error.mean():.1%} (median {np.median(error):.1%}, goal {goal}%, {use.sum()} rows)")
    return "; ".join(parts)


def saturation(content: dict[str, object]) -> dict[str, dict[str, float]]:
    """Return, per engine, predicted over measured throughput when every request is queued at once, and its spread."""
    from cdk_sglang.planning.predict import answer

    calibration = read_calibration(content)
    samples: list[Sample] = saturated_samples()
    answers = answer([s.question for s in samples], using=calibration)
    ratios: dict[str, list[float]] = {}
    for sample, prediction in zip(samples, answers, strict=True):
        if prediction.output_tok_s_per_gpu and np.isfinite(sample.output_tok_s_per_gpu) and not prediction.problems:
            ratio = prediction.output_tok_s_per_gpu.value / sample.output_tok_s_per_gpu
            ratios.setdefault(sample.question.engine, []).append(ratio)
    found = {}
    for engine, values in sorted(ratios.items()):
        logs = np.log(values)
        spread = np.quantile(np.abs(logs - np.median(logs)), PROMISED)
        found[engine] = {"factor": round(float(np.exp(np.median(logs))), 3), "spread": round(float(spread), 3)}
        print(f"saturated {engine}: {len(values)} rows, {found[engine]}")
    return found


def main() -> None:
    """Fit, check, and write with --write."""
    fitted = Fitted()
    print(f"{len(fitted.samples)} rows, {len(priors())} coefficients")
    for name in fitted.left_out:
        print(f"left out {name}: {summary(fitted, name)}")
    content = fitted.content()
    print("bands", content["bands"], "saturation", content["saturation"])
    if "--write" in sys.argv:
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
