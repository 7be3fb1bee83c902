"""GPUs as an engine sees them: free memory before a model is loaded, bandwidth, dense throughput, links."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cdk_sglang.arguments import checked
from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware.tables import number_or_none, read_table


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU model. Throughput is per GPU and dense (without sparsity).

    Args:
        name: Catalogue name, such as `H100-SXM-80GB`.
        product: Common name, such as `H100`.
        memory_gib: GiB free on the GPU before the engine loads anything.
        memory_mib: Total memory in MiB, `memory.total` of nvidia-smi, from which SGLang derives its defaults.
        bandwidth_gb_s: Memory bandwidth, GB/s.
        bf16_tflops: Tensor throughput in bfloat16.
        fp8_tflops: The same in fp8; None where the GPU has no fp8 arithmetic.
        fp4_tflops: The same in fp4; None where the GPU has none.
        nvlink_gb_s: NVLink bandwidth per direction, GB/s; None if GPUs communicate over PCIe.
        pcie_gb_s: PCIe bandwidth per direction, GB/s.
        compute_capability: CUDA compute capability, such as `9.0`.
        source: Source of these figures.
    """

    name: str
    product: str
    memory_gib: float
    memory_mib: int
    bandwidth_gb_s: float
    bf16_tflops: float
    fp8_tflops: float | None
    fp4_tflops: float | None
    nvlink_gb_s: float | None
    pcie_gb_s: float
    compute_capability: str
    source: str

    @classmethod
    @checked()
    def of(cls, name: str) -> Gpu:
        """Return the GPU with this catalogue name.

        Args:
            name: Name in the catalogue, for example H100-SXM-80GB.

        Raises:
            ConfigurationError: The catalogue has no such GPU; the message names the most similar one.
        """
        known = _gpus()
        if name not in known:
            raise ConfigurationError([Problem("gpu", f"unknown GPU {name!r}; {did_you_mean(name, known)}")])
        return known[name]

    @classmethod
    def all(cls) -> tuple[Gpu, ...]:
        """Return every GPU of the catalogue."""
        return tuple(_gpus().values())

    @property
    def link_gb_s(self) -> float:
        """Bandwidth per direction between two GPUs of one instance: NVLink if present, otherwise PCIe."""
        return self.nvlink_gb_s if self.nvlink_gb_s is not None else self.pcie_gb_s


@cache
def _gpus() -> dict[str, Gpu]:
    return {
        row["name"]: Gpu(
            name=row["name"],
            product=row["product"],
            memory_gib=float(row["memory_gib"]),
            memory_mib=int(row["memory_mib"]),
            bandwidth_gb_s=float(row["bandwidth_gb_s"]),
            bf16_tflops=float(row["bf16_tflops"]),
            fp8_tflops=number_or_none(row["fp8_tflops"]),
            fp4_tflops=number_or_none(row["fp4_tflops"]),
            nvlink_gb_s=number_or_none(row["nvlink_gb_s"]),
            pcie_gb_s=float(row["pcie_gb_s"]),
            compute_capability=row["compute_capability"],
            source=row["source"],
        )
        for row in read_table(__file__, "gpus.csv")
    }
