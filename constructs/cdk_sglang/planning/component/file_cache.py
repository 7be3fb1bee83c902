"""The KV cache's tier in files (HiCache's `file` backend), checked with the weights against the NVMe of the instance.

SGLang writes to /tmp/hicache in the container by default. That SageMaker places it on the instance's NVMe, like /opt/ml/model,
is an assumption: no page documents where a container's own file system is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang.engine import SglangOptions
from cdk_sglang.errors import Problem
from cdk_sglang.tokens import is_token

if TYPE_CHECKING:
    from cdk_sglang.models.facts import ModelFacts

_GB: Final = 10**9
_VARIABLES: Final = {
    "max_size": "SGLANG_HICACHE_FILE_BACKEND_MAX_SIZE",
    "min_free_space": "SGLANG_HICACHE_FILE_BACKEND_MIN_FREE_SPACE",
}
"""Settings that limit the files, and the variable that applies if the setting is absent (SGLang 0.5.23,
srt/mem_cache/storage/file/lru_file_evictor.py). The limits apply to each writing process separately."""

_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY_UNITS: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SIZE: Final = re.compile(r"(?P<number>\d+)(?P<fraction>\.\d+)?(?P<unit>Ki|Mi|Gi|Ti|k|M|G|T|)")


@dataclass(frozen=True, kw_only=True)
class FileCache:
    """Limits on the files that one copy writes.

    Args:
        writers: Number of writing processes, each with its own files.
        max_bytes: Maximum bytes per process; 0 if unbounded.
        min_free_bytes: Bytes that each process leaves free on the disk; 0 if unbounded.
        known: Whether the limits are known at synth.
    """

    writers: int
    max_bytes: float = 0
    min_free_bytes: float = 0
    known: bool = True

    @property
    def is_bounded(self) -> bool:
        """Whether a limit prevents it from filling the disk."""
        return not self.known or self.max_bytes > 0 or self.min_free_bytes > 0

    @property
    def copy_gb(self) -> float | None:
        """Maximum size of a copy's files, GB; None if only the disk limits it."""
        return self.writers * self.max_bytes / _GB if self.max_bytes else None


def file_cache(server: SglangOptions, *, facts: ModelFacts | None, added: Mapping[str, str]) -> FileCache | None:
    """Return the limits on the cache's files; None if the cache has no files.

    Args:
        server: SGLang's options.
        facts: Facts of the model, if known: with latent attention, one process of a group writes for all.
        added: Further environment variables of the container.
    """
    if server.hicache is None or server.hicache.storage_backend != "file":
        return None
    groups = server.dp_size * server.pp_size * server.attn_dp_size
    latent = facts is not None and facts.architecture.mla is not None
    writers = groups if latent else server.gpus_per_copy
    bounds = {name: _bound(server, name, added) for name in _VARIABLES}
    if any(value is not None and is_token(value) for value in bounds.values()):
        return FileCache(writers=writers, known=False)
    most, free = (_bytes_of(bounds[name]) or 0 for name in ("max_size", "min_free_space"))
    return FileCache(writers=writers, max_bytes=most, min_free_bytes=free)


def file_cache_problems(path: str, server: SglangOptions, added: Mapping[str, str]) -> list[Problem]:
    """Return the limits that SGLang would not understand: it only logs this and then applies no limit.

    Args:
        path: Path of the component's server options.
        server: SGLang's options.
        added: Further environment variables of the container.
    """
    if server.hicache is None or server.hicache.storage_backend != "file":
        return []
    bounds = {name: _bound(server, name, added) for name in _VARIABLES}
    return [
        Problem(
            f"{path}.hicache.storage_extra_config.{name}",
            f"{value!r} is no size to SGLang, which would keep no bound; write 200G (10^9 bytes each) or 200Gi (2^30)",
        )
        for name, value in bounds.items()
        if _bytes_of(value) is None and not is_token(value)
    ]


def _bound(server: SglangOptions, name: str, added: Mapping[str, str]) -> Any:
    """Return a limit as written; the setting takes precedence over the variable."""
    assert server.hicache is not None
    value = (server.hicache.storage_extra_config or {}).get(name)
    return added.get(_VARIABLES[name]) if value is None else value


def _bytes_of(value: Any) -> float | None:
    """Return a size as SGLang 0.5.23 reads it (utils/common.py, human_readable_int); None if it does not understand it."""
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
