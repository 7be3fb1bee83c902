"""The KV cache's tier in files (HiCache's `file` backend), held with the weights to the NVMe of the instance.

SGLang writes to /tmp/hicache of the container unless told otherwise. That SageMaker has it, as /opt/ml/model, on the instance's NVMe
is an assumption: no page says where a container's own file system is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk

from cdk_sglang.engine import SglangOptions
from cdk_sglang.errors import Problem
from cdk_sglang.serving.shared.tokens import is_token

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.serving.component.component import InferenceComponent
    from cdk_sglang.serving.component.variants import ModelVariant

_GB: Final = 10**9
_VARIABLES: Final = {
    "max_size": "SGLANG_HICACHE_FILE_BACKEND_MAX_SIZE",
    "min_free_space": "SGLANG_HICACHE_FILE_BACKEND_MIN_FREE_SPACE",
}
"""What bounds the files, and the variable that counts where the setting is absent (SGLang 0.5.23,
srt/mem_cache/storage/file/lru_file_evictor.py). Each process that writes has bounds of its own."""

_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY_UNITS: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SIZE: Final = re.compile(r"(?P<number>\d+)(?P<fraction>\.\d+)?(?P<unit>Ki|Mi|Gi|Ti|k|M|G|T|)")


@dataclass(frozen=True, kw_only=True)
class FileCache:
    """Bounds of the files that one copy writes.

    Args:
        writers: Processes that write, each with files of its own.
        max_bytes: Most that each writes; 0 where nothing says.
        min_free_bytes: What each leaves free on the disk; 0 where nothing says.
        known: Whether the bounds are known at synth.
    """

    writers: int
    max_bytes: float = 0
    min_free_bytes: float = 0
    known: bool = True

    @property
    def is_bounded(self) -> bool:
        """Whether anything keeps it from filling the disk."""
        return not self.known or self.max_bytes > 0 or self.min_free_bytes > 0

    @property
    def copy_gb(self) -> float | None:
        """Most that a copy writes, GB; None where only the disk ends it."""
        return self.writers * self.max_bytes / _GB if self.max_bytes else None


def file_cache(server: SglangOptions, *, facts: ModelFacts | None, added: Mapping[str, str]) -> FileCache | None:
    """Return the bounds of the files; None where the cache has none.

    Args:
        server: SGLang's options.
        facts: The model, where the catalogue knows it: of latent attention, one process of a group writes for all.
        added: Further environment variables of the container.
    """
    if server.hicache is None or server.hicache.storage_backend != "file":
        return None
    groups = server.dp_size * server.pp_size * server.attn_dp_size
    latent = facts is not None and facts.architecture.mla is not None
    writers = groups if latent else server.gpus_per_copy
    asked = {name: _asked(server, name, added) for name in _VARIABLES}
    if any(value is not None and is_token(value) for value in asked.values()):
        return FileCache(writers=writers, known=False)
    most, free = (_bytes_of(asked[name]) or 0 for name in ("max_size", "min_free_space"))
    return FileCache(writers=writers, max_bytes=most, min_free_bytes=free)


def file_cache_problems(path: str, server: SglangOptions, added: Mapping[str, str]) -> list[Problem]:
    """Say which bounds SGLang would not understand: it says so in its log, and keeps none.

    Args:
        path: Of the component's server options.
        server: SGLang's options.
        added: Further environment variables of the container.
    """
    if server.hicache is None or server.hicache.storage_backend != "file":
        return []
    asked = {name: _asked(server, name, added) for name in _VARIABLES}
    return [
        Problem(
            f"{path}.hicache.storage_extra_config.{name}",
            f"{value!r} is no size to SGLang, which would keep no bound; write 200G (10^9 bytes each) or 200Gi (2^30)",
        )
        for name, value in asked.items()
        if _bytes_of(value) is None and not is_token(value)
    ]


def disk_problems(
    path: str, variants: Sequence[ModelVariant], *, weights_bytes: float | None, copies: int, added: Mapping[str, str]
) -> list[Problem]:
    """Say on which types the model's files, and those of the cache, do not fit on the instance's NVMe.

    Counted are the copies of this component that an instance can hold, which share the model's files. Types without NVMe have a volume
    of unknown size: nothing is said of them.

    Args:
        path: Of the component.
        variants: Its options on the endpoint's types.
        weights_bytes: Size of the model's files; None when not known.
        copies: Most copies there can be.
        added: Further environment variables of the container.
    """
    weights_gb = (weights_bytes or 0) / _GB
    problems = []
    for variant in variants:
        cache = file_cache(variant.server, facts=variant.facts, added=added)
        for instance in variant.instances:
            if instance.nvme_gb <= 0:
                continue
            if weights_gb > instance.nvme_gb:
                problems.append(
                    Problem(
                        f"{path}.model",
                        f"{weights_gb:,.0f} GB of files, and {instance.name} has {instance.nvme_gb:,.0f} GB of NVMe, where SageMaker "
                        "puts them; use a type with more",
                    )
                )
            elif cache is not None:
                together = min(copies, instance.gpu_count // variant.server.gpus_per_copy)
                problems += _cache_problems(f"{path}.server", cache, instance, weights_gb, max(1, together))
    return problems


def warn_of_endless_files(component: InferenceComponent, added: Mapping[str, str]) -> None:
    """Warn where nothing keeps the cache's files from filling the disk that the model's files are on."""
    cache = file_cache(component.server, facts=component.variants[0].facts, added=added)
    if cache is not None and not cache.is_bounded:
        cdk.Annotations.of(component).add_warning_v2(
            "cdk-sglang:file-cache-without-limit",
            "server.hicache.storage_backend is file, and nothing bounds what SGLang writes: its files fill the disk that the weights of later "
            "copies need; set storage_extra_config: {max_size: 200G}, for each GPU, or min_free_space",
        )


def _cache_problems(
    path: str, cache: FileCache, instance: GpuInstance, weights_gb: float, copies: int
) -> list[Problem]:
    setting = f"{path}.hicache.storage_extra_config"
    room = f"{instance.name} has {instance.nvme_gb:,.0f} GB of NVMe"
    weights = f" beside {weights_gb:,.0f} GB of weights" if weights_gb else ""
    free_gb = cache.min_free_bytes / _GB
    if free_gb + weights_gb > instance.nvme_gb:
        return [
            Problem(f"{setting}.min_free_space", f"{free_gb:,.0f} GB are to stay free{weights}, and {room}; use less")
        ]
    needed = weights_gb + copies * (cache.copy_gb or 0)
    if needed <= instance.nvme_gb:
        return []
    files = copies * cache.writers
    fits = math.floor((instance.nvme_gb - weights_gb) / files)
    of = f"{cache.writers} {'process' if cache.writers == 1 else 'processes'}"
    times = of if copies == 1 else f"{of} of {copies} copies"
    advice = f"use {fits}G or less" if fits else "leave the storage backend out"
    return [
        (
            Problem(
                f"{setting}.max_size",
                f"{cache.max_bytes / _GB:,.0f} GB for each of {times}{weights} are {needed:,.0f} GB, and {room}; {advice}, or a "
                "type with more",
            )
        )
    ]


def _asked(server: SglangOptions, name: str, added: Mapping[str, str]) -> Any:  # noqa: ANN401  JSON
    """Return a bound as written; the setting counts before the variable."""
    assert server.hicache is not None
    value = (server.hicache.storage_extra_config or {}).get(name)
    return added.get(_VARIABLES[name]) if value is None else value


def _bytes_of(value: Any) -> float | None:  # noqa: ANN401  JSON
    """Return a size as SGLang 0.5.23 reads it (utils/common.py, human_readable_int); None for what it does not understand."""
    if value is None:
        return 0
    if isinstance(value, int | float):
        return max(0, int(value)) if math.isfinite(value) else None
    text = str(value).strip()
    if not text:
        return 0
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    number, fraction, unit = match["number"], match["fraction"] or "", match["unit"]
    if fraction and (not unit or unit in _BINARY_UNITS):
        return None
    return int(float(f"{number}{fraction}") * (_UNITS | _BINARY_UNITS)[unit])
