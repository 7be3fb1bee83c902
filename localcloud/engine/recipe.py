"""Location of the engine, whether it matches this checkout's pins, and the environment of its processes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ".venv-engine"
REQUIREMENTS = "requirements-engine.lock"
PLATFORM = "localcloud/engine/cpu_platform"
PLATFORM_NAME = "cdk_sglang_cpu"
STAMP_PREFIX = ".installed-"

# Read by SGLang or by what it imports. SGLANG_USE_CPU_ENGINE must stay unset: with it SGLang imports a CPU build of
# sgl_kernel that PyPI does not carry (sglang 0.5.23, sglang/kernels/ops/kvcache/cache_move.py).
_ENVIRONMENT = {
    "SGLANG_PLATFORM": PLATFORM_NAME,
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Waiting threads yield their core. With spinning, libgomp's default, an answer took 18 s of CPU time instead of 2.4 s, on
    # two cores with other work (SmolLM2-135M-Instruct, 389 + 22 tokens, torch of requirements-engine.lock, 2026-12-01).
    "OMP_WAIT_POLICY": "PASSIVE",
}


class EngineMissingError(RuntimeError):
    """`.venv-engine` is missing, unfinished, or was installed from pins other than this checkout's."""


def recipe_hash(*, root: Path = ROOT) -> str:
    """Return the hash of the inputs of `.venv-engine`: the locked packages and the platform plug-in's sources.

    Args:
        root: The repository.

    Returns:
        Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256()
    platform = root / PLATFORM
    sources = sorted([*(platform / "src").rglob("*.py"), platform / "pyproject.toml"])
    for path in [root / REQUIREMENTS, *sources]:
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def stamp(*, root: Path = ROOT) -> Path:
    """Return the path of the file that exists if the engine is installed from these pins."""
    return root / VENV / f"{STAMP_PREFIX}{recipe_hash(root=root)}"


def engine_python(*, root: Path = ROOT) -> Path:
    """Return the interpreter that runs the engine.

    Args:
        root: The repository.

    Returns:
        Path of the interpreter in `.venv-engine`.

    Raises:
        EngineMissingError: The engine is missing, or was installed from other pins; the message names the command to run.
    """
    python = root / VENV / "bin" / "python"
    if not python.exists():
        raise EngineMissingError(
            f"the SGLang engine is not installed: {VENV} is missing; run `make engine` (3 GB, 1 to 5 minutes)"
        )
    if not stamp(root=root).exists():
        raise EngineMissingError(
            f"the SGLang engine in {VENV} is unfinished or was made from other pins than {REQUIREMENTS}; run `make engine`"
        )
    return python


def engine_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a process that runs the engine on this machine's CPU.

    Args:
        base: Variables to extend, which take precedence. Default: this process's environment.

    Returns:
        A new mapping.
    """
    environment = dict(os.environ if base is None else base)
    environment.pop("SGLANG_USE_CPU_ENGINE", None)
    threads = str(len(os.sched_getaffinity(0)))
    return {**_ENVIRONMENT, "OMP_NUM_THREADS": threads, **environment}
