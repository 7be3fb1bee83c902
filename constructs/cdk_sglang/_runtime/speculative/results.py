"""The evaluation that a training job writes: results/benchmark_no_eagle_concN.json and benchmark_trained_eagle_concN.json.

AWS documents the names but not the content (aws-samples, 03-features/speculative-decoding/EAGLE, read 2026-11). So figures are looked for by the names
that benchmark tools give them, wherever they stand in the file; a file without any of them is malformed, and is reported by name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

_FILE = re.compile(r"benchmark_(no_eagle|trained_eagle)_conc(\d+)\.json")
_FIGURES = {
    "output_tok_s": ("output_throughput", "output_token_throughput", "output_tokens_per_second", "output_tok_s"),
    "tpot_ms": ("mean_tpot_ms", "mean_inter_token_latency_ms", "mean_itl_ms", "tpot_ms"),
    "ttft_ms": ("mean_ttft_ms", "mean_time_to_first_token_ms", "ttft_ms"),
    "accept_length": (
        *("accept_length", "mean_accept_length", "acceptance_length", "mean_acceptance_length"),
        *("avg_accept_length", "spec_accept_length"),
    ),
    "steps": ("speculative_num_steps", "num_speculative_tokens", "num_steps"),
    "topk": ("speculative_eagle_topk", "eagle_topk"),
    "draft_tokens": ("speculative_num_draft_tokens", "num_draft_tokens"),
}
_SETTINGS = ("steps", "topk", "draft_tokens")
_STEPS_MIN, _STEPS_MAX, _STEPS_DEFAULT = 2, 7, 3
_DEPTH = 6


def evaluation(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what a job measured: a state, figures by concurrency and settings.

    Args:
        contents: Files of results/ by name.

    Returns:
        `state` is `complete`, `partial`, `missing` or `malformed`; `problems` says what is wrong; `concurrency` has a pair of figures each.
    """
    problems: list[str] = []
    pairs: dict[int, dict[str, dict[str, float]]] = {}
    count = 0
    for name, body in sorted(contents.items()):
        match = _FILE.fullmatch(name)
        if match is None:
            continue
        count += 1
        found = _figures(name, body, problems)
        if found:
            pairs.setdefault(int(match[2]), {})["draft" if match[1] == "trained_eagle" else "base"] = found
    if not count:
        return {
            "state": "missing",
            "problems": ["results/: no benchmark_no_eagle_conc<N>.json and no benchmark_trained_eagle_conc<N>.json"],
            "concurrency": [],
        }
    for concurrency, pair in sorted(pairs.items()):
        for side, name in (("base", "no_eagle"), ("draft", "trained_eagle")):
            if side not in pair:
                problems.append(f"results/: benchmark_{name}_conc{concurrency}.json has no figures, or is missing")
    state = "malformed" if not pairs else "partial" if problems else "complete"
    return {
        "state": state,
        "problems": problems,
        "concurrency": [{"concurrency": number, **pair} for number, pair in sorted(pairs.items())],
    }


def _figures(name: str, body: bytes, problems: list[str]) -> dict[str, float]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        problems.append(f"results/{name}: no JSON")
        return {}
    values: dict[str, float] = {}
    for key, value in _walk(content, _DEPTH):
        values.setdefault(key.lower(), value)
    found = {
        figure: next(values[key] for key in keys if key in values)
        for figure, keys in _FIGURES.items()
        if any(key in values for key in keys)
    }
    if not any(figure not in _SETTINGS for figure in found):
        problems.append(
            f"results/{name}: no figure that is known here, such as {', '.join(keys[0] for keys in list(_FIGURES.values())[:3])}"
        )
        return {}
    return found


def _walk(content: Any, depth: int) -> Iterator[tuple[str, float]]:
    if not isinstance(content, Mapping) or not depth:
        return
    for key, value in content.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
            yield str(key), float(value)
    for value in content.values():
        yield from _walk(value, depth - 1)


def settings(found: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return steps, top-k and draft tokens of a draft from its evaluation.

    The evaluation's own settings win. Otherwise one step more than the accept length, since steps beyond it are mostly discarded; three steps
    without an accept length. A chain (top-k 1), which every attention backend takes: it has one draft token more than steps.

    Args:
        found: Evaluation.
    """
    drafts = [pair["draft"] for pair in found.get("concurrency", ()) if "draft" in pair]
    steps = next((round(one["steps"]) for one in drafts if one.get("steps", 0) >= 1), 0)
    topk = next((round(one["topk"]) for one in drafts if one.get("topk", 0) >= 1), 1)
    tokens = next((round(one["draft_tokens"]) for one in drafts if one.get("draft_tokens", 0) > 1), 0)
    lengths = [one["accept_length"] for one in drafts if one.get("accept_length", 0) >= 1]
    if not steps:
        mean = sum(lengths) / len(lengths) if lengths else 0.0
        steps = min(_STEPS_MAX, max(_STEPS_MIN, math.ceil(mean))) if lengths else _STEPS_DEFAULT
    if topk == 1 or not tokens:
        return steps, 1, steps + 1
    return steps, topk, tokens
