"""AIPerf's configuration file of one step (AIPerf 0.13.0, `aiperf config validate`; read 2026-11).

A file instead of options, since the token stays out of the process list: the file names an environment variable.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cdk_sglang.benchmarking.resolved import ResolvedWorkload, Step

TOKEN_VARIABLE: Final = "CDK_SGLANG_BENCH_TOKEN"  # noqa: S105  a name
"""Environment variable with the bearer token."""
MOSTLY_FAILED: Final = 0.5
"""Share of failed requests at which AIPerf gives a step up, once it has 10 results and as many as are in flight: a component that answers
nothing would otherwise cost a time-out for each request (AIPerf 0.13.0, failed_request_threshold; measured: 12 requests instead of 200)."""
GRACE_SECONDS: Final = 30.0
"""Seconds for answers that are under way when a step's seconds are over."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where requests go.

    Args:
        url: Scheme, host and port.
        path: Path of the chat completions.
        needs_token: Whether requests carry a bearer token.
    """

    url: str
    path: str
    needs_token: bool


def configuration(
    workload: ResolvedWorkload,
    step: Step,
    address: Address,
    *,
    model: str,
    tokenizer: str,
    folder: Path,
    dataset: Path | None = None,
    repeat: int = 0,
) -> dict[str, Any]:
    """Return the configuration of one repeat of a step.

    Args:
        workload: The workload.
        step: The step.
        address: Where requests go.
        model: Name of the model in requests.
        tokenizer: Folder or Hugging Face repository of the tokenizer that makes the prompts.
        folder: Folder for AIPerf's results.
        dataset: File with the workload's own prompts.
        repeat: Position of the repeat: each has prompts of its own, so that none meets the cache of the one before.
    """
    endpoint: dict[str, Any] = {
        "urls": [address.url],
        "type": "chat",
        "path": address.path,
        "streaming": True,
        "use_server_token_count": True,
        "timeout": workload.timeout_seconds,
        "extra": {"ignore_eos": True} if workload.exact_output else {},
    }
    if address.needs_token:
        endpoint["api_key"] = f"${{{TOKEN_VARIABLE}}}"
    return {
        "benchmark": {
            "models": {"items": [{"name": model}]},
            "endpoint": endpoint,
            "datasets": [_dataset(workload, step, dataset=dataset, seed=workload.seed + repeat)],
            "phases": _phases(workload, step),
            "artifacts": {"dir": str(folder), "auto_plot": False},
            "tokenizer": {"name": tokenizer},
            "gpu_telemetry": {"enabled": False},
            "server_metrics": {"enabled": False},
            "runtime": {"ui": "none"},
            **_objectives(workload),
        }
    }


def _dataset(workload: ResolvedWorkload, step: Step, *, dataset: Path | None, seed: int) -> dict[str, Any]:
    if workload.dataset is not None:
        own: dict[str, Any] = {
            "name": "main",
            "type": "file",
            "path": str(dataset),
            "format": workload.dataset.format,
            "sampling": workload.dataset.sampling,
            "random_seed": seed,
        }
        if workload.output_tokens is not None:
            own["osl"] = _normal(workload.output_tokens, workload.output_tokens_stddev)
        return own
    assert workload.input_tokens is not None
    assert workload.output_tokens is not None
    prefix = workload.shared_prefix
    mean = workload.input_tokens - (0 if prefix is None else prefix.tokens)
    synthetic: dict[str, Any] = {
        "name": "main",
        "type": "synthetic",
        "entries": _entries(workload, step),
        "random_seed": seed,
        "prompts": {
            "isl": _normal(mean, workload.input_tokens_stddev),
            "osl": _normal(workload.output_tokens, workload.output_tokens_stddev),
        },
    }
    if workload.images is not None:
        images = workload.images
        synthetic["images"] = {"batch_size": images.count, "height": images.height, "width": images.width}
    if prefix is not None:
        synthetic["prefix_prompts"] = {"pool_size": prefix.prefixes, "length": prefix.tokens}
    if workload.turns is not None:
        synthetic["turns"] = _normal(workload.turns.mean, workload.turns.stddev)
        if workload.turns.delay_ms:
            synthetic["turn_delay"] = _normal(workload.turns.delay_ms, 0)
    return synthetic


def _entries(workload: ResolvedWorkload, step: Step) -> int:
    """Return the number of different prompts: as many as requests, so that none is answered from the cache of an earlier one."""
    if step.requests is not None:
        requests = step.requests + step.warmup_requests
    else:
        assert step.seconds is not None
        # Without a rate, the number of requests that fit is unknown; ten a second for each in flight is more than models answer.
        rate = step.request_rate or 10.0 * (step.concurrency or 1)
        requests = round(rate * step.seconds) + step.warmup_requests
    turns = 1 if workload.turns is None else workload.turns.mean
    return max(1, min(20_000, -(-requests // turns)))


def _normal(mean: float, stddev: float) -> dict[str, float]:
    return {"mean": mean, "stddev": stddev} if stddev else {"mean": mean}


def _phases(workload: ResolvedWorkload, step: Step) -> list[dict[str, Any]]:
    is_trace = workload.dataset is not None and workload.dataset.format == "mooncake_trace"
    load: dict[str, Any] = {}
    if step.concurrency is not None:
        load["concurrency"] = step.concurrency
    if step.request_rate is None:
        load["type"] = "concurrency"
    else:
        load |= {"type": workload.arrival, "rate": step.request_rate}
    end: dict[str, Any] = {"requests": step.requests} if step.requests is not None else {"duration": step.seconds}
    if step.seconds is not None:
        end["grace_period"] = GRACE_SECONDS
    phases: list[dict[str, Any]] = []
    if step.warmup_requests and not is_trace:
        phases.append(
            {
                "name": "warmup",
                "kind": "warmup",
                "exclude_from_results": True,
                "requests": step.warmup_requests,
                **_bounded(load, step.warmup_requests),
            }
        )
    given_up = {"failed_request_threshold": max(MOSTLY_FAILED, workload.max_error_rate)}
    return [*phases, {"name": "profiling", "kind": "profiling", **given_up, **end, **load}]


def _bounded(load: dict[str, Any], requests: int) -> dict[str, Any]:
    """Return a load with no more requests in flight than there are requests, which AIPerf refuses."""
    return {**load, "concurrency": min(load["concurrency"], requests)} if "concurrency" in load else load


def _objectives(workload: ResolvedWorkload) -> dict[str, Any]:
    goodput = workload.goodput
    if goodput is None:
        return {}
    bounds = {
        "time_to_first_token": goodput.ttft_ms,
        "inter_token_latency": goodput.tpot_ms,
        "request_latency": goodput.request_ms,
    }
    return {"slos": {name: bound for name, bound in bounds.items() if bound is not None}}
