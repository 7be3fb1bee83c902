"""Prints the planner's error against measurements, next to that of a plain roofline, on combinations it has not seen.

    python benchmarks/planner/bench.py

Every row is predicted by a planner fitted without the rows of its group: the same model on the same GPU, the same model
on any GPU, or any model on the same GPU. With AICONFIGURATOR_PYTHON set to a Python that has aiconfigurator 0.12, the same
rows are asked of it.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent))

from calibrate import LOW, Fitted
from own import own_measurements
from peer import compare
from samples import DATA, measured_rows
from widths import PROMISED

from cdk_sglang.cli.predict import predict_table
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import Gpu
from cdk_sglang.models import ModelArchitecture, catalogue
from cdk_sglang.planning import Parallelism, plan_memory
from cdk_sglang.planning.memory import INIT_GIB
from cdk_sglang.planning.parallel import KV_BYTES, kv_bytes_per_token
from cdk_sglang.planning.price import cheapest_gpu_hour, usd_per_million_tokens

FAR = 1.0
NOISE = 0.06
"""Identical repeats of a throughput differ by this much: a smaller difference does not say which GPU is cheaper."""


def main() -> None:
    """Print every figure with its goal."""
    memory()
    fitted = Fitted()
    names = {kind: len(set(groups)) for kind, groups in fitted.groups.items()}
    print(
        f"\n{len(fitted.samples)} closed-loop rows; left out in turn: {', '.join(f'{n} x {k}' for k, n in names.items())}"
    )
    reasons = Counter(sample.outside for sample in fitted.samples if sample.outside)
    print("out of scope: " + ", ".join(f"{count} rows ({reason})" for reason, count in reasons.items()))
    waiting = int((fitted.rows["running"] < fitted.concurrency).sum())
    print(f"{waiting} rows sent more than the cache holds at once: the wait is predicted, too")
    roofline(fitted)
    for left_out in fitted.left_out:
        print(f"\nleft out: {left_out}")
        errors(fitted, left_out)
        causes(fitted, left_out)
        bands(fitted, left_out)
        cheapest(fitted, left_out)
    own_measurements(fitted, next(iter(fitted.left_out)))
    print()
    table_speed()
    compare(fitted)


def memory() -> None:
    """Compare bytes per token, weights and cache sizes with engine logs."""
    with (DATA / "kv_memory.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for title, check, goal in (
        ("KV bytes per token", _kv_error, 0.005),
        ("weights per GPU", _weights_error, 0.03),
        ("KV tokens given the fraction (K024 was used to set INIT_GIB)", _tokens_error, 0.05),
    ):
        found = [(row, error) for row in rows if (error := check(row)) is not None]
        shown = ", ".join(f"{row['row_id']} {error:+.2%}{_why(row, error, goal)}" for row, error in found)
        inside = sum(abs(error) <= max(goal, _last_digit(row, check)) for row, error in found)
        print(f"{title}: {inside} of {len(found)} within {goal:.1%} or the log's last digit: {shown}")


def _last_digit(row: dict[str, str], check: Callable[[dict[str, str]], float | None]) -> float:
    """Return how far a cache may be from what a log prints of its bytes: keys and values are each rounded to 0.01 GiB."""
    total = row["KV_total_GiB"]
    return 0.01 / float(total) if check is _kv_error and row["K_GiB"] and total else 0.0


def _why(row: dict[str, str], error: float, goal: float) -> str:
    """Return what the log leaves open about a row that is missed."""
    if abs(error) <= _last_digit(row, _kv_error):
        return " (the log's last digit)" if abs(error) > goal else ""
    unsaid = [name for name in ("tp", "weights_dtype", "kv_dtype") if not row[name]]
    reasons = [row["flag"]] if row["flag"] else []
    reasons += [f"not recorded: {', '.join(unsaid)}"] if unsaid else []
    return f" ({'; '.join(reasons)})" if abs(error) > goal and reasons else ""


def _model(row: dict[str, str]) -> tuple[ModelArchitecture, Parallelism, str] | None:
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
    before = after + weights + (INIT_GIB if found[1].tensor == 1 else 0.0)
    pool = after - before * (1 - fraction)
    return pool * 2**30 / kv_bytes_per_token(*found).all_layers / tokens - 1


def _report(title: str, error: np.ndarray, inside: np.ndarray, goal: float) -> None:
    known, everything = error[np.isfinite(error) & inside], error[np.isfinite(error)]
    print(
        f"  {title}, {len(known)} rows: {known.mean():.1%} (median {np.median(known):.1%}), goal {goal:.1%}; "
        f"with those out of scope {everything.mean():.1%} (median {np.median(everything):.1%})"
    )


def errors(fitted: Fitted, left_out: str) -> None:
    """Print mean absolute percentage errors."""
    low = fitted.concurrency <= LOW
    for kind, goal in (("tpot", 0.112), ("ttft", 0.27), ("throughput", 0.09)):
        measured = fitted.measured[kind]
        predicted = fitted.predicted(kind, left_out) * np.exp(fitted.bands[kind].centre)
        error = np.abs(predicted / measured - 1)
        _report(f"{kind} at up to {LOW} in flight", error[low], fitted.inside[low], goal)
        if kind == "throughput":
            _report("throughput at any load", error, fitted.inside, goal)
            far = (error > FAR) & fitted.inside
            print(
                f"    of that {error[far].sum() / fitted.inside.sum():.1%} by {far.sum()} rows more than twice as fast as measured"
            )


def causes(fitted: Fitted, left_out: str) -> None:
    """Print what the throughput's error would be if one of the two times were predicted without error."""
    estimates = {k: fitted.predicted(k, left_out) * np.exp(fitted.bands[k].centre) for k in ("tpot", "ttft")}
    for known, other in (("tpot", "ttft"), ("ttft", "tpot")):
        values = fitted.throughput(**{known: fitted.measured[known], other: estimates[other]})
        error = np.abs(values / fitted.measured["throughput"] - 1)
        use = np.isfinite(error) & fitted.inside
        print(f"    throughput with the measured {known}, {use.sum()} rows: {error[use].mean():.1%}")


def roofline(fitted: Fitted) -> None:
    """Print a plain roofline's errors on the same rows."""
    rows = fitted.rows
    tpot = np.maximum(
        rows["dense_read"] + rows["expert_read"] + rows["cache_read"], rows["dense_compute"] + rows["expert_compute"]
    )
    ttft = rows["prompt_dense"] + rows["prompt_expert"] + rows["prompt_attention"]
    low = fitted.concurrency <= LOW
    print("roofline at full bandwidth and peak:")
    for kind, values in (("tpot", tpot), ("ttft", ttft), ("throughput", fitted.throughput(tpot, ttft))):
        error = np.abs(values / fitted.measured[kind] - 1)
        use = np.isfinite(error) & (low | (kind == "throughput"))
        print(f"  {kind}, {use.sum()} rows: {error[use].mean():.1%} (median {np.median(error[use]):.1%})")


def bands(fitted: Fitted, left_out: str) -> None:
    """Print how often the measured value is inside the band, and how wide the band is.

    Rows are inside bands that were fitted without their group, as their predictions were.
    """
    for kind, band in fitted.bands.items():
        widths = fitted.widths[kind]
        inside, known = widths.unseen()[left_out], widths.known
        low, high = (end[known] - band.centre for end in band.ends(fitted.columns(kind, left_out)))
        down, up, width = np.median(np.expm1(low)), np.median(np.expm1(high)), np.median(np.exp(high) - np.exp(low))
        print(
            f"  {kind} band: {inside.mean():.1%} inside, goal {PROMISED:.0%}; median band {down:+.0%} to {up:+.0%} of the value given, "
            f"width {width:.2f}; it holds {widths.level:.1%} of the rows that it was fitted to"
        )


def cheapest(fitted: Fitted, left_out: str) -> None:
    """Print how often the cheaper of two measured GPUs is the one predicted to be cheaper.

    Compared are GPUs on which the same model was measured at the same lengths and load by the same engine in the same
    format; where a GPU was measured with several splits, the cheapest as measured against the cheapest as predicted.
    """
    predicted, measured = fitted.predicted("throughput", left_out), fitted.measured["throughput"]
    groups: dict[tuple[object, ...], dict[str, tuple[float, float]]] = {}
    for sample, mine, real in zip(fitted.samples, predicted, measured, strict=True):
        offer = cheapest_gpu_hour(sample.question.gpu.name, 1)
        if offer is None or not np.isfinite(real):
            continue
        q = sample.question
        form = q.facts.architecture.quantization.method
        key = (sample.combination.split(" on ")[0], form, q.engine, q.input_tokens, q.output_tokens, q.concurrency)
        costs = groups.setdefault(key, {})
        pair = (usd_per_million_tokens(offer[0], mine), usd_per_million_tokens(offer[0], real))
        known = costs.get(q.gpu.name, (np.inf, np.inf))
        costs[q.gpu.name] = (min(known[0], pair[0]), min(known[1], pair[1]))
    pairs = [pair for costs in groups.values() for pair in itertools.combinations(costs.values(), 2)]
    right = np.array([(a[0] < b[0]) == (a[1] < b[1]) for a, b in pairs])
    clear = np.array([abs(np.log(a[1] / b[1])) > np.log(1 + NOISE) for a, b in pairs])
    kinds = len({key[:3] for key, costs in groups.items() if len(costs) > 1})
    print(
        f"  cheaper of two GPUs for the same model, format, engine and load: {right.sum()} of {len(right)} right ({right.mean():.1%}), goal "
        f"90%; of those that differ by more than {NOISE:.0%}: {right[clear].sum()} of {clear.sum()} ({right[clear].mean():.1%}); {kinds} "
        "models in a format on an engine"
    )


def table_speed() -> None:
    """Time the command's work on 1,000 rows and count what it answers."""
    with (DATA / "throughput.csv").open(encoding="utf-8") as file:
        lines = list(itertools.islice(file, 1001))
    target = io.StringIO()
    start = time.perf_counter()
    predict_table(io.StringIO("".join(lines)), target)
    seconds = time.perf_counter() - start
    print(f"predict: 1,000 rows in {seconds:.2f} s, goal 1 s")
    everything = io.StringIO()
    with (DATA / "throughput.csv").open(encoding="utf-8") as file:
        predict_table(file, everything)
    answered = [bool(row["tpot_ms"]) for row in csv.DictReader(io.StringIO(everything.getvalue()))]
    print(f"answered: {np.mean(answered):.1%} of {len(measured_rows())} rows, goal 95%")


if __name__ == "__main__":
    main()
