"""The inference AMI that a container runs on: the driver and CUDA version of an instance, and what an image requires of them.

A container whose CUDA is newer than the AMI's, or that was not compiled for the GPU, hangs in `Creating` without a log
line, so image, GPU and AMI are checked together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cdk_sglang.checks import did_you_mean
from cdk_sglang.hardware.tables import read_table

if TYPE_CHECKING:
    from cdk_sglang.hardware.instances import GpuInstance

_UBUNTU_TAG = "0.5-gpu-py312-cu130-ubuntu24.04-sagemaker-v1"
"""Floating tag of the AWS SGLang image that is compiled for every GPU family in this package (aws/deep-learning-containers, 2026-08)."""


@dataclass(frozen=True, kw_only=True)
class InferenceAmi:
    """An AMI on which SageMaker can run a container.

    Args:
        name: Value of `InferenceAmiVersion`; `legacy-default` is the default of old families and cannot be requested.
        driver: NVIDIA driver branch, such as `580`.
        cuda: Newest CUDA version that the driver supports, such as `13.0`.
        requestable: Whether `InferenceAmiVersion` accepts the name.
        selectable_families: Families for which it is documented as an alternative to the default.
        default_families: Families whose default it is, or a revision of it.
        source: Page that documents it.
    """

    name: str
    driver: str
    cuda: str
    requestable: bool
    selectable_families: frozenset[str]
    default_families: frozenset[str]
    source: str

    @classmethod
    def all(cls) -> tuple[InferenceAmi, ...]:
        """Return every AMI, oldest driver first."""
        return _amis()

    def runs_on(self, family: str) -> bool:
        """Return whether it is the default of the family or can be requested for it.

        Args:
            family: Family of instance types, for example g6e.
        """
        return family in self.selectable_families or family in self.default_families


def inference_ami_for(
    instance: GpuInstance, image_cuda: str, image_compute_capabilities: frozenset[str] | None
) -> InferenceAmi | None:
    """Return the AMI to request; None if the family's default is suitable.

    An AMI that can be requested is preferred to an equally suitable default, because the default of a running fleet can change.

    Args:
        instance: The instance type.
        image_cuda: CUDA version inside the image, such as `13.0` or `13.0.3`.
        image_compute_capabilities: GPUs that the image was compiled for, such as `{"9.0", "10.0"}`; None if unknown.

    Returns:
        None also if no AMI is suitable; `ami_problems` then returns the reason.
    """
    if ami_problems(instance, image_cuda, image_compute_capabilities, None):
        return None
    fitting = [ami for ami in _amis() if instance.family in ami.selectable_families and _runs_cuda(ami, image_cuda)]
    return fitting[-1] if fitting else None


def ami_problems(
    instance: GpuInstance,
    image_cuda: str,
    image_compute_capabilities: frozenset[str] | None,
    requested_ami: str | None,
) -> list[str]:
    """Return the problems of running an image on an instance type with an AMI; each line names the fix.

    The image's CUDA version may be too new for the AMI's driver, or too old for the GPU.

    Args:
        instance: The instance type.
        image_cuda: CUDA version inside the image.
        image_compute_capabilities: GPUs that the image was compiled for; None if unknown, which is not a problem.
        requested_ami: `InferenceAmiVersion` as specified; None for the one that `inference_ami_for` chooses.
    """
    return [
        *_toolkit_problems(instance, image_cuda),
        *_compiled_for_problems(instance, image_compute_capabilities),
        *_cuda_problems(instance, image_cuda, requested_ami),
    ]


def _toolkit_problems(instance: GpuInstance, image_cuda: str) -> list[str]:
    needed = instance.gpu.compute_capability
    first = _first_cuda().get(needed)
    if first is None or _version(image_cuda) >= _version(first):
        return []
    return [
        (
            f"the image has CUDA {image_cuda}, which knows no GPU of compute capability {needed}, {instance.name} "
            f"({instance.gpu.product}) has it; use an image with CUDA {first} or newer"
        )
    ]


def _compiled_for_problems(instance: GpuInstance, capabilities: frozenset[str] | None) -> list[str]:
    needed = instance.gpu.compute_capability
    if capabilities is None or any(_binary_runs(built, needed) for built in capabilities):
        return []
    built = ", ".join(sorted(capabilities, key=_version))
    return [
        (
            f"the image is compiled for compute capability {built}, {instance.name} ({instance.gpu.product}) needs {needed}; "
            f"use an image that has it, such as the Ubuntu tag {_UBUNTU_TAG}"
        )
    ]


def _cuda_problems(instance: GpuInstance, image_cuda: str, requested: str | None) -> list[str]:
    by_name = {ami.name: ami for ami in _amis() if ami.requestable}
    if requested is not None and requested not in by_name:
        return [f"unknown inference AMI {requested!r}; {did_you_mean(requested, by_name)}"]
    family_known = any(ami.runs_on(instance.family) for ami in _amis())
    if not family_known:
        return []
    if requested is not None and not by_name[requested].runs_on(instance.family):
        usable = ", ".join(name for name, ami in by_name.items() if ami.runs_on(instance.family))
        return [f"inference AMI {requested} is not offered on {instance.name}; use {usable}"]
    candidates = [ami for ami in _amis() if ami.runs_on(instance.family)]
    fitting = [ami for ami in candidates if _runs_cuda(ami, image_cuda)]
    if requested is not None and not _runs_cuda(by_name[requested], image_cuda):
        fix = f"use {fitting[-1].name}" if fitting else f"use an image with CUDA {candidates[-1].cuda} or older"
        has = by_name[requested].cuda
        return [f"the image needs CUDA {image_cuda}, inference AMI {requested} has {has} on {instance.name}; {fix}"]
    if fitting:
        return []
    newest = candidates[-1]
    return [
        (
            f"the image needs CUDA {image_cuda}, the newest inference AMI on {instance.name} ({newest.name}) has "
            f"{newest.cuda}; use an image with CUDA {newest.cuda} or older"
        )
    ]


def _runs_cuda(ami: InferenceAmi, image_cuda: str) -> bool:
    return _version(ami.cuda) >= _version(image_cuda)


def _binary_runs(built: str, needed: str) -> bool:
    """Return whether code compiled for one capability runs on another: same major, minor not above (CUDA C++ guide)."""
    (built_major, built_minor), (major, minor) = _version(built), _version(needed)
    return built_major == major and built_minor <= minor


def _version(text: str) -> tuple[int, int]:
    major, _, rest = text.partition(".")
    return int(major), int(rest.partition(".")[0] or 0)


@cache
def _first_cuda() -> dict[str, str]:
    """Return, by compute capability, the first CUDA toolkit that compiles for it."""
    return {row["compute_capability"]: row["cuda"] for row in read_table(__file__, "first_cuda.csv")}


@cache
def _amis() -> tuple[InferenceAmi, ...]:
    return tuple(
        InferenceAmi(
            name=row["name"],
            driver=row["driver"],
            cuda=row["cuda"],
            requestable=row["requestable"] == "yes",
            selectable_families=frozenset(row["selectable_families"].split()),
            default_families=frozenset(row["default_families"].split()),
            source=row["source"],
        )
        for row in read_table(__file__, "inference_amis.csv")
    )
