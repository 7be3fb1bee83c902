"""Fits the planner to the measured rows, checks it on combinations it has not seen, and writes the coefficients.

python benchmarks/planner/calibrate.py [--write]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from fitting import LeaveOut, Targets, fit, nearby_of, neighbourhood
from samples import Sample, closed_loop_samples, saturated_samples, table

from cdk_sglang import planning
from cdk_sglang.planning.nearby import LOAD_SCALES, MODEL_SCALES, SYSTEM_SCALES
from cdk_sglang.planning.timing import priors, times_ms

COVERAGE = 0.83
"""Share of left-out rows inside the band: a little above the 80% promised."""
FLOORS = {"tpot": 0.16, "ttft": 0.24, "throughput": 0.16}
"""Widths that gave the narrowest median band at that coverage."""
OUT = Path(planning.__file__).parent / "data" / "calibration.json"


def held_out(samples: list[Sample], *, start: dict[str, float] | None = None) -> dict[str, np.ndarray]:
    """Return predictions of every sample by a planner that saw no row of the same model on the same GPU."""
    rows, targets = table(samples), Targets(samples)
    start = fit(rows, targets) if start is None else start
    refit = LeaveOut(rows, targets, start)
    names = np.array([s.combination for s in samples])
    out = {
        key: np.full(len(samples), np.nan) for key in ("tpot", "tpot_sd", "ttft", "ttft_sd", "base_tpot", "base_ttft")
    }
    for name in sorted(set(names)):
        test, train = names == name, names != name
        kept = [s for s, use in zip(samples, train, strict=True) if use]
        part = {key: values[train] for key, values in rows.items()}
        coefficients = refit.without(test)
        unseen = {key: values[test] for key, values in rows.items()}
        predicted = dict(zip(("tpot", "ttft"), times_ms(coefficients, unseen), strict=True))
        fitted = dict(zip(("tpot", "ttft"), times_ms(coefficients, part), strict=True))
        measured = {"tpot": targets.take(train).tpot, "ttft": targets.take(train).ttft}
        points, means = neighbourhood(kept, part, {kind: measured[kind] - np.log(fitted[kind]) for kind in fitted})
        for kind in ("tpot", "ttft"):
            shift, sd = nearby_of(points, *means[kind], kind).correct(unseen)
            out[f"base_{kind}"][test] = predicted[kind]
            out[kind][test] = predicted[kind] * np.exp(shift)
            out[f"{kind}_sd"][test] = sd
    return out


def throughput(samples: list[Sample], tpot: np.ndarray, ttft: np.ndarray) -> np.ndarray:
    """Return output tokens per second and GPU in a closed loop."""
    rows = table(samples)
    gpus = np.array([float(s.question.split.gpus) for s in samples])
    return 1000 * rows["running"] * rows["osl"] / (ttft + (rows["osl"] - 1) * tpot) / gpus


def measured_throughput(samples: list[Sample]) -> np.ndarray:
    """Return the measured one, or the one that measured times imply."""
    tpot = np.array([s.tpot_ms for s in samples])
    ttft = np.array([s.ttft_ms for s in samples])
    implied = throughput(samples, tpot, ttft)
    return np.where(np.isfinite(implied), implied, np.array([s.output_tok_s_per_gpu for s in samples]))


def widths(samples: list[Sample], out: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Return how many deviations hold the measured value of `COVERAGE` of the rows (split-conformal over combinations)."""
    result = {}
    measured = {
        "tpot": np.array([s.tpot_ms for s in samples]),
        "ttft": np.array([s.ttft_ms for s in samples]),
        "throughput": measured_throughput(samples),
    }
    predicted = {"tpot": out["tpot"], "ttft": out["ttft"], "throughput": throughput(samples, out["tpot"], out["ttft"])}
    for kind, values in measured.items():
        sd = out["ttft_sd"] if kind == "ttft" else out["tpot_sd"]
        error = np.abs(np.log(values / predicted[kind]))
        use = np.isfinite(error)
        scores = error[use] / np.sqrt(sd[use] ** 2 + FLOORS[kind] ** 2)
        result[kind] = {"floor": FLOORS[kind], "factor": round(float(np.quantile(scores, COVERAGE)), 3)}
    return result


def summary(samples: list[Sample], out: dict[str, np.ndarray], label: str) -> None:
    """Print errors at up to 64 requests in flight."""
    low = np.array([s.features["running"] <= 64 for s in samples])
    parts = []
    for kind, goal in (("tpot", 0.15), ("ttft", 0.35)):
        measured = np.array([getattr(s, f"{kind}_ms") for s in samples])
        use = low & np.isfinite(measured)
        error = np.abs(out[kind][use] / measured[use] - 1)
        parts.append(f"{kind} {error.mean():.1%} (median {np.median(error):.1%}, goal {goal:.0%}, {use.sum()} rows)")
    tokens, measured = throughput(samples, out["tpot"], out["ttft"]), measured_throughput(samples)
    use = np.isfinite(tokens / measured)
    error = np.abs(tokens[use] / measured[use] - 1)
    print(
        f"{label}: {'; '.join(parts)}; throughput {error.mean():.1%} (median {np.median(error):.1%}, goal 12%, {use.sum()} rows)"
    )


def main() -> None:
    """Fit, check, and write with --write."""
    samples = closed_loop_samples()
    rows, targets = table(samples), Targets(samples)
    coefficients = fit(rows, targets)
    tpot, ttft = times_ms(coefficients, rows)
    print(f"{len(samples)} rows, {len({s.combination for s in samples})} combinations, {len(priors())} coefficients")
    summary(samples, {"tpot": tpot, "ttft": ttft}, "seen, formula alone")
    out = held_out(samples, start=coefficients)
    summary(samples, {"tpot": out["base_tpot"], "ttft": out["base_ttft"]}, "held-out combinations, formula alone")
    summary(samples, out, "held-out combinations, with neighbours")
    bands = widths(samples, out)
    points, means = neighbourhood(
        samples, rows, {"tpot": targets.tpot - np.log(tpot), "ttft": targets.ttft - np.log(ttft)}
    )
    used = [*MODEL_SCALES, *SYSTEM_SCALES, *LOAD_SCALES]
    nearby: dict[str, object] = {"points": {n: [round(float(v), 5) for v in points[n]] for n in used}}
    for kind in ("tpot", "ttft"):
        model = nearby_of(points, *means[kind], kind)
        mean, noise = means[kind]
        nearby[kind] = {
            "residuals": [None if not np.isfinite(v) else round(float(v), 4) for v in mean],
            "noise": [0.0 if not np.isfinite(v) else round(float(v), 4) for v in noise],
            "config_sd": model.config_sd,
            "load_sd": model.load_sd,
        }
    content = {
        "about": "made by benchmarks/planner/calibrate.py from benchmarks/planner/data/throughput.csv; do not edit",
        "rows": len(samples),
        "coefficients": {name: round(value, 5) for name, value in coefficients.items()},
        "bands": bands,
        "saturation": {},
        "nearby": nearby,
    }
    content["saturation"] = saturation(content)
    print("bands", bands, "saturation", content["saturation"], "points", len(means["tpot"][0]))
    if "--write" in sys.argv:
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


def saturation(content: dict[str, object]) -> dict[str, float]:
    """Return, per engine, predicted over measured throughput when every request is queued at once."""
    from cdk_sglang.planning.predict import answer, read_calibration

    fitted = read_calibration(content)
    samples = saturated_samples()
    answers = answer([s.question for s in samples], using=fitted)
    ratios: dict[str, list[float]] = {}
    for sample, given in zip(samples, answers, strict=True):
        if given.output_tok_s_per_gpu and np.isfinite(sample.output_tok_s_per_gpu) and not given.problems:
            ratios.setdefault(sample.question.engine, []).append(
                given.output_tok_s_per_gpu.value / sample.output_tok_s_per_gpu
            )
    for engine, values in ratios.items():
        logs = np.log(values)
        print(
            f"saturated {engine}: {len(values)} rows, median ratio {np.exp(np.median(logs)):.2f}, spread {np.std(logs):.2f}"
        )
    return {engine: round(float(np.exp(np.median(np.log(values)))), 3) for engine, values in ratios.items()}


if __name__ == "__main__":
    main()
