"""Prints how far the planner is from what was measured, beside a plain roofline, on combinations it has not seen.

    python benchmarks/planner/bench.py

Every row is predicted by a planner fitted without any row of the same model on the same GPU.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import itertools
import re
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from calibrate import held_out, measured_throughput, throughput
from samples import DATA, Sample, closed_loop_samples, measured_rows, table

from cdk_sglang.cli.predict import predict_table
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import Gpu
from cdk_sglang.models import catalogue
from cdk_sglang.planning import Parallelism, plan_memory
from cdk_sglang.planning.parallel import KV_BYTES, kv_bytes_per_token
from cdk_sglang.planning.predict import calibration
from cdk_sglang.planning.price import cheapest_gpu_hour, usd_per_million_tokens

LOW = 64


def main() -> None:
    """Print every figure with its goal."""
    memory()
    samples = closed_loop_samples()
    print(
        f"\n{len(samples)} closed-loop rows, {len({s.combination for s in samples})} model and GPU combinations, each left out in turn"
    )
    out = held_out(samples)
    errors(samples, out)
    bands(samples, out)
    cheapest(samples, out)
    table_speed()
    if importlib.util.find_spec("aiconfigurator") is None:
        print("aiconfigurator: not installed, comparison skipped (pip install aiconfigurator==0.12.0, x86-64 only)")
    else:
        print("aiconfigurator: installed, but no comparison is written for it yet")


def memory() -> None:
    """Compare bytes per token, weights and cache sizes with engine logs."""
    with (DATA / "kv_memory.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for title, check, goal in (
        ("KV bytes per token", _kv_error, 0.005),
        ("weights per GPU", _weights_error, 0.03),
        ("KV tokens given the fraction", _tokens_error, 0.05),
    ):
        found = [(row["row_id"], error) for row in rows if (error := check(row)) is not None]
        shown = ", ".join(f"{name} {error:+.2%}" for name, error in found)
        inside = sum(abs(error) <= goal for _, error in found)
        print(f"{title}: {inside} of {len(found)} within {goal:.1%}: {shown}")


def _model(row: dict[str, str]) -> tuple[object, Parallelism, str] | None:
    name = re.sub(r" \(.*| \+.*", "", row["model"])
    try:
        facts = catalogue(name)
        if row["weights_dtype"]:
            facts = facts.with_weights(row["weights_dtype"])
    except ConfigurationError:
        return None
    kv = row["kv_dtype"] if row["kv_dtype"] in KV_BYTES else "bf16"
    return facts.architecture, Parallelism(gpus=int(row["tp"] or 1)), kv


def _kv_error(row: dict[str, str]) -> float | None:
    found = _model(row)
    if found is None or not row["logged_bytes_per_token_per_gpu"]:
        return None
    kv = kv_bytes_per_token(*found)
    both = (kv.all_layers, kv.unbounded, kv.sliding)
    logged = float(row["logged_bytes_per_token_per_gpu"])
    return min((value / logged - 1 for value in both if value), key=abs)


def _weights_error(row: dict[str, str]) -> float | None:
    found = _model(row)
    try:
        logged = float(row["weights_GiB_per_gpu"])
    except ValueError:
        return None
    if found is None or row["spec_draft"]:
        return None
    model, split, _ = found
    gpu = Gpu.of("B300-SXM-288GB")
    return plan_memory(model, gpu, split).weights_gib / logged - 1


def _tokens_error(row: dict[str, str]) -> float | None:
    """From the log's own memory after load: the rule of SGLang's scheduler, not a guess of the GPU."""
    found = _model(row)
    try:
        names = ("mem_fraction_or_util", "weights_GiB_per_gpu", "avail_after_load_GiB", "kv_tokens")
        fraction, weights, after, tokens = (float(row[name]) for name in names)
    except ValueError:
        return None
    if found is None or row["engine"] != "sglang":
        return None
    pool = after - (after + weights) * (1 - fraction)
    return pool * 2**30 / kv_bytes_per_token(*found).all_layers / tokens - 1


def errors(samples: list[Sample], out: dict[str, np.ndarray]) -> None:
    """Print mean absolute percentage errors beside a roofline's."""
    rows = table(samples)
    roof_tpot = np.maximum(
        rows["dense_read"] + rows["expert_read"] + rows["cache_read"], rows["dense_compute"] + rows["expert_compute"]
    )
    roof_ttft = rows["prompt_dense"] + rows["prompt_expert"] + rows["prompt_attention"]
    low = rows["running"] <= LOW
    for kind, roof, goal in (("tpot", roof_tpot, 0.15), ("ttft", roof_ttft, 0.35)):
        measured = np.array([getattr(s, f"{kind}_ms") for s in samples])
        use = low & np.isfinite(measured)
        mine, theirs = (np.abs(values[use] / measured[use] - 1) for values in (out[kind], roof))
        print(
            f"{kind.upper()} at up to {LOW} in flight, {use.sum()} rows: {mine.mean():.1%} (median {np.median(mine):.1%}), goal {goal:.0%}; roofline {theirs.mean():.1%}"
        )
    measured = measured_throughput(samples)
    use = np.isfinite(measured)
    mine = np.abs(throughput(samples, out["tpot"], out["ttft"])[use] / measured[use] - 1)
    theirs = np.abs(throughput(samples, roof_tpot, roof_ttft)[use] / measured[use] - 1)
    print(
        f"output tokens/s per GPU, {use.sum()} rows: {mine.mean():.1%} (median {np.median(mine):.1%}), goal 12%; roofline {theirs.mean():.1%}"
    )


def bands(samples: list[Sample], out: dict[str, np.ndarray]) -> None:
    """Print how often the measured value is inside the band, and how wide the band is."""
    fitted = calibration()
    for kind, width in (("tpot", fitted.band_tpot), ("ttft", fitted.band_ttft)):
        measured = np.array([getattr(s, f"{kind}_ms") for s in samples])
        use = np.isfinite(measured)
        half = width.half_width(out[f"{kind}_sd"][use])
        inside = np.abs(np.log(measured[use] / out[kind][use])) <= half
        print(
            f"{kind.upper()} band: {inside.mean():.1%} inside, goal 80%; median band -{1 - np.exp(-np.median(half)):.0%} to +{np.exp(np.median(half)) - 1:.0%}"
        )


def cheapest(samples: list[Sample], out: dict[str, np.ndarray]) -> None:
    """Print how often the cheaper of two measured systems is the one predicted to be cheaper."""
    predicted, measured = throughput(samples, out["tpot"], out["ttft"]), measured_throughput(samples)
    groups: dict[tuple[object, ...], dict[str, tuple[float, float]]] = {}
    for sample, mine, real in zip(samples, predicted, measured, strict=True):
        offer = cheapest_gpu_hour(sample.question.gpu.name, 1)
        if offer is None or not np.isfinite(real):
            continue
        q = sample.question
        key = (sample.combination.split(" on ")[0], q.input_tokens, q.output_tokens, q.concurrency)
        costs = groups.setdefault(key, {})
        pair = (usd_per_million_tokens(offer[0], mine), usd_per_million_tokens(offer[0], real))
        known = costs.get(q.gpu.name, (np.inf, np.inf))
        costs[q.gpu.name] = (min(known[0], pair[0]), min(known[1], pair[1]))
    right = total = 0
    for costs in groups.values():
        for first, second in itertools.combinations(costs.values(), 2):
            total += 1
            right += (first[0] < second[0]) == (first[1] < second[1])
    if total:
        print(
            f"cheaper of two GPUs for the same model and load: {right} of {total} right ({right / total:.1%}), goal 90%"
        )


def table_speed() -> None:
    """Time the command's work on 1,000 rows and count what it answers."""
    with (DATA / "throughput.csv").open(encoding="utf-8") as file:
        lines = list(itertools.islice(file, 1001))
    target = io.StringIO()
    start = time.perf_counter()
    predict_table(io.StringIO("".join(lines)), target)
    seconds = time.perf_counter() - start
    print(f"predict: 1,000 rows in {seconds:.2f} s, goal 5 s")
    everything = io.StringIO()
    with (DATA / "throughput.csv").open(encoding="utf-8") as file:
        predict_table(file, everything)
    answered = [bool(row["tpot_ms"]) for row in csv.DictReader(io.StringIO(everything.getvalue()))]
    print(f"answered: {np.mean(answered):.1%} of {len(measured_rows())} rows, goal 95%")


if __name__ == "__main__":
    main()
