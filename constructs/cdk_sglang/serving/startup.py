"""How long SageMaker waits for a new copy: time-outs derived from the weight of the weights.

The rates are the slowest measured, not the usual ones: a time-out that is too short kills a copy that would have served, and
one that is too long only delays an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.serving.tokens import is_token

# StartupParameters of an inference component: botocore 1.44.5, sagemaker CreateInferenceComponent.
TIMEOUT_MIN_SECONDS: Final = 60
TIMEOUT_MAX_SECONDS: Final = 3600

_DOWNLOAD_GB_PER_SECOND: Final = 0.098
"""Qwen3-8B (16.4 GB) from S3 to an ml.g6.2xlarge in 168 s without caching: AWS blog on container caching, 2026 (summary:
https://news.ojobit.com/story/sagemaker-ai-container-caching-cuts-genai-scale-out-latency-over-50-percent-6f9207)."""

_LOAD_GB_PER_SECOND: Final = 0.31
"""safetensors from disk to one GPU, 15 GB in 48 s: Run:ai model streamer white paper, g5.12xlarge, 2025."""

_ENGINE_SECONDS: Final = 300
"""Imports, profiling, CUDA graphs: 54 s to 229 s in public vLLM and SGLang logs (2025-2026), rounded up."""

_DOWNLOAD_FLOOR_SECONDS: Final = 300
_HEALTH_CHECK_FLOOR_SECONDS: Final = 600
_BYTES_PER_GB: Final = 1e9


@dataclass(frozen=True, kw_only=True)
class StartupTimeouts:
    """What SageMaker allows a new copy before it gives up.

    Args:
        download_seconds: For the weights to come from S3; 60 to 3,600.
        health_check_seconds: From the container's start to its first successful `/ping`; 60 to 3,600.
    """

    download_seconds: int
    health_check_seconds: int

    def __post_init__(self) -> None:
        problems = [
            f"startup.{name}: {value} is not allowed; use {TIMEOUT_MIN_SECONDS} to {TIMEOUT_MAX_SECONDS}"
            for name, value in (
                ("download_seconds", self.download_seconds),
                ("health_check_seconds", self.health_check_seconds),
            )
            if not TIMEOUT_MIN_SECONDS <= value <= TIMEOUT_MAX_SECONDS and not is_token(value)
        ]
        if problems:
            raise ConfigurationError(problems)

    @staticmethod
    def for_weights(weights_bytes: float | None) -> StartupTimeouts:
        """Derive both from the size of the weights; unknown size (None) gives the longest SageMaker allows."""
        if weights_bytes is None:
            return StartupTimeouts(download_seconds=TIMEOUT_MAX_SECONDS, health_check_seconds=TIMEOUT_MAX_SECONDS)
        gigabytes = weights_bytes / _BYTES_PER_GB
        download = max(_DOWNLOAD_FLOOR_SECONDS, round(1.5 * gigabytes / _DOWNLOAD_GB_PER_SECOND))
        health = max(_HEALTH_CHECK_FLOOR_SECONDS, round(_ENGINE_SECONDS + 1.5 * gigabytes / _LOAD_GB_PER_SECOND))
        return StartupTimeouts(
            download_seconds=min(download, TIMEOUT_MAX_SECONDS), health_check_seconds=min(health, TIMEOUT_MAX_SECONDS)
        )
