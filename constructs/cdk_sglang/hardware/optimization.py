"""Models and instance types that SageMaker's optimization jobs support, and Regions and cost of its benchmark jobs."""

from __future__ import annotations

from functools import cache
from typing import Final

from cdk_sglang.checks import did_you_mean
from cdk_sglang.hardware.instances import GpuInstance

_NOT_OF_JOBS: Final = frozenset({"ml.p5.4xlarge", "ml.p6-b300.48xlarge"})
"""GPU types of this library that DeploymentInstanceType lacks (botocore 1.44.5, OptimizationJobDeploymentInstanceType)."""

ARCHITECTURES: Final = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "qwen3_next": "Qwen3NextForCausalLM",
}
"""Architectures that an optimization job trains EAGLE drafts for, by the model_type of their configs; EAGLE-3, of Qwen3-Next EAGLE-2
(https://docs.aws.amazon.com/sagemaker/latest/dg/optimization-supported-models.html, read 2026-11)."""

BENCHMARK_REGIONS: Final = (
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "ap-southeast-1",
    "ap-northeast-1",
    "eu-central-1",
    "eu-west-1",
)
"""Regions with AI benchmark jobs (SageMaker guide, read 2026-11-29)."""

BENCHMARK_JOB_USD_PER_HOUR: Final = 1.0
"""Price that the gate of a draft assumes for a benchmark job's own instance: neither the API nor the guide names the instance's type or
price (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateAIBenchmarkJob.html and generative-ai-inference-recommendations of the
guide, read 2026-12-01)."""
ASSUMED_JOB_PRICE: Final = (
    f"benchmark jobs' own instances are counted at {BENCHMARK_JOB_USD_PER_HOUR:.2f} $/h, which is assumed: AWS publishes neither their type nor "
    "their price; compare the bill"
)
"""The assumption in words, for every place that shows such a cost."""


@cache
def job_types() -> tuple[str, ...]:
    """Return the names of the GPU types on which optimization jobs train."""
    return tuple(instance.name for instance in GpuInstance.all() if instance.name not in _NOT_OF_JOBS)


def job_type_problem(name: str) -> str | None:
    """Return why optimization jobs do not train on an instance type; None if they do.

    Args:
        name: Name of an instance type, such as ml.g6e.12xlarge.
    """
    if name in job_types():
        return None
    if name in _NOT_OF_JOBS:
        return f"optimization jobs do not run on {name}"
    return f"{name!r} is no instance type that optimization jobs are known to run on; {did_you_mean(name, job_types())}"
