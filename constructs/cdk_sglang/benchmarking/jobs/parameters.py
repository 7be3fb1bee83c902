"""Workloads of SageMaker AI benchmark jobs: one configuration for each step, under a name made of its content.

Source: "generative-ai-inference-recommendations-workload-config" of the SageMaker guide and botocore 1.44.5 (both read 2026-11).
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

from cdk_sglang.benchmarking.resolved import ResolvedWorkload, Step
from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import Problem
from cdk_sglang.hardware.optimization import BENCHMARK_REGIONS

REGIONS: Final = BENCHMARK_REGIONS
"""Regions with AI benchmark jobs."""
PARALLEL_MAX: Final = 2
"""Maximum number of concurrent benchmark jobs in an account and Region (general/latest/gr/sagemaker, read 2026-11-29); adjustable."""
NAME: Final = re.compile(r"[a-z0-9](-*[a-z0-9]){0,62}")
"""Lower case alone: a name with capitals can be created, and not deleted (CloudFormation's registry schema, read 2026-11)."""
NAME_MAX: Final = 63
_TOOL_VERSION: Final = "0.8.0"
"""Version of the API standard in AWS's sample (read 2026-11)."""


def job_problems(workload: ResolvedWorkload, region: str) -> list[Problem]:
    """Return the parts of a workload that a benchmark job does not support, and a problem if the Region has no such jobs.

    Args:
        workload: The workload.
        region: Region of the endpoint.
    """
    problems = []
    if region not in REGIONS:
        problems.append(Problem("region", f"{region} has no AI benchmark jobs; {did_you_mean(region, REGIONS)}"))
    problems += [
        Problem(
            f"bench.{workload.name}.{name}",
            "is not among the documented parameters of a benchmark job that this version sets; use --runner aiperf",
        )
        for name in ("shared_prefix", "turns", "dataset", "images")
        if getattr(workload, name) is not None
    ]
    return problems


def workload_specification(workload: ResolvedWorkload, step: Step, *, tokenizer: str, repeat: int = 0) -> str:
    """Return the inline specification of one repeat of a step, as JSON.

    Args:
        workload: The workload.
        step: The step.
        tokenizer: Hugging Face repository of the tokenizer.
        repeat: Position of the repeat: each has prompts of its own.
    """
    assert workload.input_tokens is not None
    assert workload.output_tokens is not None
    parameters: dict[str, Any] = {
        "streaming": True,
        "tokenizer": tokenizer,
        "prompt_input_tokens_mean": round(workload.input_tokens),
        "prompt_input_tokens_stddev": round(workload.input_tokens_stddev),
        "output_tokens_mean": round(workload.output_tokens),
        "output_tokens_stddev": round(workload.output_tokens_stddev),
        "random_seed": workload.seed + repeat,
        "request_timeout_seconds": round(workload.timeout_seconds),
    }
    if step.concurrency is not None:
        parameters["concurrency"] = step.concurrency
    if step.request_rate is not None:
        parameters |= {"request_rate": step.request_rate, "request_rate_mode": workload.arrival}
    if step.requests is not None:
        parameters["request_count"] = step.requests
    if step.seconds is not None:
        parameters["benchmark_duration"] = round(step.seconds)
    if step.warmup_requests:
        parameters["warmup_request_count"] = step.warmup_requests
    if workload.exact_output:
        parameters["extra_inputs"] = "ignore_eos:true"
    if workload.goodput is not None:
        bounds = {
            "time_to_first_token": workload.goodput.ttft_ms,
            "inter_token_latency": workload.goodput.tpot_ms,
            "request_latency": workload.goodput.request_ms,
        }
        parameters["goodput"] = " ".join(f"{name}:{bound:g}" for name, bound in bounds.items() if bound is not None)
    return json.dumps(
        {
            "benchmark": {"type": "aiperf"},
            "parameters": parameters,
            "tooling": {"api_standard": "openai", "version": _TOOL_VERSION},
        },
        sort_keys=True,
    )


def configuration_name(environment: str, workload: str, specification: str) -> str:
    """Return the name of a configuration in lower case; it depends on the content, since configurations cannot be changed.

    Args:
        environment: Name of the environment.
        workload: Name of the workload.
        specification: The inline specification.
    """
    digits = hashlib.sha256(specification.encode()).hexdigest()[:12]
    return f"{environment}-{workload}"[: NAME_MAX - len(digits) - 1].rstrip("-") + f"-{digits}"
