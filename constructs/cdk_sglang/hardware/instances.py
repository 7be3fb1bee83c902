"""SageMaker GPU instance types for hosting: their resources, and whether they can be reserved for endpoints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from cdk_sglang.arguments import checked
from cdk_sglang.checks import did_you_mean, raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware.gpus import Gpu
from cdk_sglang.hardware.tables import read_table


@dataclass(frozen=True, kw_only=True)
class GpuInstance:
    """One instance type, `ml.*`.

    The types that AWS offers for hosting are class attributes (`GpuInstance.P5_48XLARGE`). `GpuInstance.of` finds a type by
    its name, or describes one that this version does not know yet.

    Args:
        name: SageMaker's name of the type, `ml.p5.48xlarge`.
        family: Family such as `p5`; the two P6 families are `p6-b200` and `p6-b300`.
        gpu: Model of its GPUs.
        gpu_count: Number of GPUs.
        vcpus: Virtual CPUs.
        memory_gib: Host memory, GiB.
        nvme_gb: Local NVMe, GB (10^9 bytes); 0 if there is none.
        network_gbps: Network bandwidth, Gbit/s; the maximum if AWS states an "up to" figure.
        reservable: Whether a SageMaker training plan can reserve it for an endpoint.
        source: Source of these figures.
    """

    G5_XLARGE: ClassVar[GpuInstance]
    G5_2XLARGE: ClassVar[GpuInstance]
    G5_4XLARGE: ClassVar[GpuInstance]
    G5_8XLARGE: ClassVar[GpuInstance]
    G5_12XLARGE: ClassVar[GpuInstance]
    G5_16XLARGE: ClassVar[GpuInstance]
    G5_24XLARGE: ClassVar[GpuInstance]
    G5_48XLARGE: ClassVar[GpuInstance]
    G6_XLARGE: ClassVar[GpuInstance]
    G6_2XLARGE: ClassVar[GpuInstance]
    G6_4XLARGE: ClassVar[GpuInstance]
    G6_8XLARGE: ClassVar[GpuInstance]
    G6_12XLARGE: ClassVar[GpuInstance]
    G6_16XLARGE: ClassVar[GpuInstance]
    G6_24XLARGE: ClassVar[GpuInstance]
    G6_48XLARGE: ClassVar[GpuInstance]
    G6E_XLARGE: ClassVar[GpuInstance]
    G6E_2XLARGE: ClassVar[GpuInstance]
    G6E_4XLARGE: ClassVar[GpuInstance]
    G6E_8XLARGE: ClassVar[GpuInstance]
    G6E_12XLARGE: ClassVar[GpuInstance]
    G6E_16XLARGE: ClassVar[GpuInstance]
    G6E_24XLARGE: ClassVar[GpuInstance]
    G6E_48XLARGE: ClassVar[GpuInstance]
    G7E_2XLARGE: ClassVar[GpuInstance]
    G7E_4XLARGE: ClassVar[GpuInstance]
    G7E_8XLARGE: ClassVar[GpuInstance]
    G7E_12XLARGE: ClassVar[GpuInstance]
    G7E_24XLARGE: ClassVar[GpuInstance]
    G7E_48XLARGE: ClassVar[GpuInstance]
    P4D_24XLARGE: ClassVar[GpuInstance]
    P4DE_24XLARGE: ClassVar[GpuInstance]
    P5_4XLARGE: ClassVar[GpuInstance]
    P5_48XLARGE: ClassVar[GpuInstance]
    P5E_48XLARGE: ClassVar[GpuInstance]
    P5EN_48XLARGE: ClassVar[GpuInstance]
    P6_B200_48XLARGE: ClassVar[GpuInstance]
    P6_B300_48XLARGE: ClassVar[GpuInstance]

    name: str
    family: str
    gpu: Gpu
    gpu_count: int
    vcpus: int
    memory_gib: float
    nvme_gb: float
    network_gbps: float
    reservable: bool
    source: str

    @classmethod
    @checked()
    def of(
        cls,
        name: str,
        *,
        gpu: Gpu | None = None,
        gpu_count: int | None = None,
        vcpus: int | None = None,
        memory_gib: float | None = None,
        nvme_gb: float = 0,
        network_gbps: float = 0,
        reservable: bool = False,
    ) -> GpuInstance:
        """Return the type with this name, or describe one that this version does not know.

        Args:
            name: `ml.<family>.<size>`.
            gpu: GPU of a new type; required with the next three arguments to describe one.
            gpu_count: GPUs of the new type.
            vcpus: Virtual CPUs of the new type.
            memory_gib: Host memory of the new type, GiB.
            nvme_gb: Local NVMe of the new type, GB; 0 if it has none.
            network_gbps: Network of the new type, Gbit/s; 0 for unknown.
            reservable: Whether a training plan can reserve the new type for endpoints.

        Raises:
            ConfigurationError: The name is unknown and the description is absent or incomplete.
        """
        if name in _BY_NAME and gpu is None:
            return _BY_NAME[name]
        description = {"gpu": gpu, "gpu_count": gpu_count, "vcpus": vcpus, "memory_gib": memory_gib}
        missing = [key for key, value in description.items() if value is None]
        if len(missing) == len(description):
            advice = "or describe it with gpu, gpu_count, vcpus and memory_gib"
            raise ConfigurationError([Problem("", f"{unknown_type(name)}, {advice}")])
        raise_if_any(_description_problems(name, missing, gpu_count, vcpus, memory_gib))
        assert gpu is not None
        assert gpu_count is not None
        assert vcpus is not None
        assert memory_gib is not None
        return cls(
            name=name,
            family=name.split(".")[1],
            gpu=gpu,
            gpu_count=gpu_count,
            vcpus=vcpus,
            memory_gib=memory_gib,
            nvme_gb=nvme_gb,
            network_gbps=network_gbps,
            reservable=reservable,
            source="described by the caller",
        )

    @classmethod
    @checked()
    def named(cls, name: str) -> GpuInstance:
        """Return the type with this name, where a new type cannot be described, such as on a command line or in a settings file.

        Args:
            name: SageMaker's name of the type, for example ml.g6e.12xlarge.

        Raises:
            ConfigurationError: The name is unknown.
        """
        if name not in _BY_NAME:
            raise ConfigurationError([Problem("", unknown_type(name))])
        return _BY_NAME[name]

    @classmethod
    def all(cls) -> tuple[GpuInstance, ...]:
        """Return every type that this version knows, by family, smallest first."""
        return tuple(_BY_NAME.values())

    @property
    def gpu_memory_gib(self) -> float:
        """Free GiB on all its GPUs together before a model is loaded."""
        return self.gpu_count * self.gpu.memory_gib


_WITHOUT_GPU: Final = re.compile(r"(ml\.)?(c|dl|inf|m|r|t|trn|x|z)\d")
"""Families without NVIDIA GPUs: processors, Inferentia, Trainium and Gaudi."""


def unknown_type(name: str) -> str:
    """Return the message for an instance type that this version does not know, with suggestions."""
    with_gpu = [one.name for one in _BY_NAME.values() if one.gpu.product.lower() == name.lower()]
    if with_gpu:
        return f"{name!r} is a GPU, and an instance type is expected; types with it: {', '.join(with_gpu)}"
    if _WITHOUT_GPU.match(name):
        return f"{name!r} has no NVIDIA GPU, which SGLang needs here; use a type such as ml.g5.xlarge or ml.g6e.xlarge"
    return f"unknown GPU instance type {name!r}; {did_you_mean(name, _BY_NAME)}"


def _description_problems(
    name: str, missing: list[str], gpu_count: int | None, vcpus: int | None, memory_gib: float | None
) -> list[Problem]:
    problems = [
        Problem(name, f"{key} is missing; describe a new type with all of gpu, gpu_count, vcpus and memory_gib")
        for key in missing
    ]
    parts = name.split(".")
    if len(parts) != len(("ml", "family", "size")) or parts[0] != "ml" or not all(parts):
        problems.append(Problem(name, "not an instance type name; write ml.<family>.<size>, such as ml.p5.48xlarge"))
    sizes = {"gpu_count": gpu_count, "vcpus": vcpus, "memory_gib": memory_gib}
    problems += [
        Problem(name, f"{key} is {value}; it must be above 0")
        for key, value in sizes.items()
        if value is not None and value <= 0
    ]
    return problems


def _read() -> dict[str, GpuInstance]:
    return {
        row["name"]: GpuInstance(
            name=row["name"],
            family=row["family"],
            gpu=Gpu.of(row["gpu"]),
            gpu_count=int(row["gpu_count"]),
            vcpus=int(row["vcpus"]),
            memory_gib=float(row["memory_gib"]),
            nvme_gb=float(row["nvme_gb"]),
            network_gbps=float(row["network_gbps"]),
            reservable=row["reservable"] == "yes",
            source=row["source"],
        )
        for row in read_table(__file__, "instances.csv")
    }


_BY_NAME = _read()
for _name, _instance in _BY_NAME.items():
    setattr(GpuInstance, _name.removeprefix("ml.").replace(".", "_").replace("-", "_").upper(), _instance)


def bigger_or_fewer(instance: GpuInstance, gpus: int) -> str:
    """Return advice for a copy that needs more GPUs than an instance has.

    Args:
        instance: Instance type.
        gpus: GPUs of the copy.
    """
    bigger = sorted(
        (other for other in GpuInstance.all() if other.gpu == instance.gpu and other.gpu_count >= gpus),
        key=lambda other: (other.gpu_count, other.vcpus),
    )
    if bigger:
        return f"use {instance.gpu_count} or fewer, or {bigger[0].name}"
    return f"use {instance.gpu_count} or fewer; no type of the {instance.family} family has {gpus}"
