"""Seconds from the request for a copy to its first token, from published measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance

INSTANCE_SECONDS = 90
"""Instance launch: what remains of AWS's 381 s median scale-out of a 15.7 GB image without a model (ml.g4dn.xlarge, 2026)."""
IMAGE_PULL_SECONDS = 300
"""A standard pull of a 15 to 20 GB image takes 240 to 360 s (AWS machine-learning blog on SOCI, 2026-06-03)."""
DOWNLOAD_GB_S_PER_10_GBPS = 0.1
"""Model download by SageMaker: Qwen3-8B (16.4 GB) in 168 s on ml.g6.2xlarge, up to 10 Gbit/s (AWS blog on container caching, 2026)."""
DOWNLOAD_GB_S_MAX = 1.0
"""There are no measurements above 25 Gbit/s, so no higher rate is assumed."""
LOAD_GB_S = 2.0
"""From local disk to GPUs: 235 s for 496 GB on 8 H100 (vllm#6746); published figures run from 0.3 to 11."""
ENGINE_SECONDS = 40
"""Process start, imports and communication: SGLang takes 25 to 42 s before weights on a warm machine."""
GRAPHS_SECONDS = 30
"""CUDA graphs: 5.4 s for 52 sizes on B200 to 76 s for a 27B model with its draft (sglang#11830; a log of 2026-08)."""
PREFILL_GRAPHS_SECONDS = 55
"""CUDA graphs of prefills, which SGLang captures by default since 0.5.17: 55.9 s for Qwen3-32B on one H100, compared with 5.7 s for those of
decode steps (llm-d's log of SGLang 0.5.19, 2026). Not captured with pipeline stages."""
TIMEOUT_FACTOR, TIMEOUT_MIN, TIMEOUT_MAX = 2.0, 600, 3600
"""SageMaker accepts 60 to 3600 s for both time-outs. Half of a time-out is a reserve for start-ups that are twice as slow."""


@dataclass(frozen=True, kw_only=True)
class StartUp:
    """Seconds of each phase, and the resulting time-outs.

    Args:
        instance: Seconds to launch an instance.
        image: Seconds to pull the image.
        download: Seconds to copy the model from S3.
        load: Seconds to load the weights from disk to GPUs.
        engine: Seconds for process start and CUDA graphs.
        download_timeout: `ModelDataDownloadTimeoutInSeconds` to set.
        startup_timeout: `ContainerStartupHealthCheckTimeoutInSeconds` to set.
    """

    instance: float
    image: float
    download: float
    load: float
    engine: float
    download_timeout: int
    startup_timeout: int

    @property
    def new_copy(self) -> float:
        """Seconds for another copy on a running instance that already has the image."""
        return self.download + self.load + self.engine

    @property
    def from_zero(self) -> float:
        """Seconds if there is no instance yet."""
        return self.instance + self.image + self.new_copy


def start_up(weights_gb: float, instance: GpuInstance, *, prefill_graphs: bool = True) -> StartUp:
    """Return the start-up times of a model on an instance type.

    Args:
        weights_gb: Size of the weights, GB (10^9 bytes).
        instance: Instance type.
        prefill_graphs: Whether SGLang captures prefills as CUDA graphs, which is its default.
    """
    rate = min(DOWNLOAD_GB_S_MAX, DOWNLOAD_GB_S_PER_10_GBPS * max(10.0, instance.network_gbps) / 10)
    download = weights_gb / rate
    load = weights_gb / LOAD_GB_S
    engine = float(ENGINE_SECONDS + GRAPHS_SECONDS + (PREFILL_GRAPHS_SECONDS if prefill_graphs else 0))
    return StartUp(
        instance=INSTANCE_SECONDS,
        image=IMAGE_PULL_SECONDS,
        download=download,
        load=load,
        engine=engine,
        download_timeout=_timeout(download),
        startup_timeout=_timeout(load + engine),
    )


def _timeout(seconds: float) -> int:
    rounded = int(-(-seconds * TIMEOUT_FACTOR // 60) * 60)
    return min(TIMEOUT_MAX, max(TIMEOUT_MIN, rounded))
