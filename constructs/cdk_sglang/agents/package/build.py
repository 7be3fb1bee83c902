"""Build an agent's zip from its folder: uv installs the packages by hash, and the zip is cached by the hash of the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cdk_sglang.agents.package.archive import Archive, write_archive
from cdk_sglang.agents.package.contents import entries
from cdk_sglang.agents.package.sources import PLATFORM, PYTHON, AgentSources
from cdk_sglang.errors import ConfigurationError, Problem

START_SECONDS: Final = 30
"""Seconds within which a runtime must answer its first ping (AgentCore: "Runtime initialization time exceeded")."""
_UV_HELP: Final = "install uv (https://docs.astral.sh/uv/), for example with: pip install uv"
_TAIL: Final = 12


def cached_zip(sources: AgentSources, environment: Mapping[str, str]) -> Path:
    """Return where the zip of some sources is kept: below `XDG_CACHE_HOME`, `~/.cache` by default."""
    cache = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache, "cdk-sglang", "agents", f"{sources.source_hash()}.zip")


def find_uv(environment: Mapping[str, str]) -> Path:
    """Return uv's executable: from `UV`, from PATH, next to this Python, or from this checkout's set-up.

    Raises:
        ConfigurationError: There is none.
    """
    named = environment.get("UV")
    places = [Path(named)] if named else []
    found = shutil.which("uv", path=environment.get("PATH"))
    places += [Path(found)] if found else []
    places += [Path(sys.prefix, "bin", "uv"), *sorted(Path(".make").glob("uv-*/bin/uv"), reverse=True)]
    for place in places:
        if place.is_file():
            return place
    raise ConfigurationError([Problem("", f"uv was not found, which packs the agent; {_UV_HELP}")])


def build(sources: AgentSources, output: Path, environment: Mapping[str, str] | None = None) -> Archive:
    """Install the packages and write the zip; a build that fails or is interrupted leaves nothing.

    Args:
        sources: The agent.
        output: The zip.
        environment: Environment variables for uv, which reads its settings there and in uv.toml; those of the process by default.

    Raises:
        ConfigurationError: uv is missing or fails, or AgentCore would refuse the zip.
    """
    variables = dict(os.environ if environment is None else environment)
    uv = find_uv(variables) if sources.has_packages() else None
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=output.parent) as folder:
        packages = Path(folder, "packages")
        if uv is None:
            packages.mkdir()
        else:
            _install(uv, sources, packages, variables)
        draft = Path(folder, "agent.zip")
        archive = write_archive(draft, entries(sources, packages))
        draft.replace(output)
    return Archive(
        path=output,
        files=archive.files,
        binaries=archive.binaries,
        zip_bytes=archive.zip_bytes,
        unzipped_bytes=archive.unzipped_bytes,
    )


def install_command(uv: Path, sources: AgentSources, packages: Path) -> list[str]:
    """Return the command that installs an agent's packages for AgentCore, on whatever machine it runs."""
    return [
        *(str(uv), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *(
            "--python-platform",
            PLATFORM,
            "--python-version",
            PYTHON,
            "--target",
            str(packages),
            "--requirement",
            str(sources.lock),
        ),
    ]


def start_seconds(sources: AgentSources, python: Path) -> float:
    """Return how long an interpreter takes to load the agent on this machine, which is a lower bound for AgentCore's time.

    Args:
        sources: The agent.
        python: An interpreter with the agent's packages.

    Raises:
        ConfigurationError: The agent cannot be loaded, or there is no such interpreter.
    """
    program = (
        python.absolute()
    )  # not resolved, since a link names its environment; from another folder a relative path names nothing
    if not program.is_file():
        raise ConfigurationError(
            [
                Problem(
                    "--python",
                    f"{python} does not exist; in a checkout `make agent-tools` makes .venv-agent/bin/python",
                )
            ]
        )
    begin = time.monotonic()
    done = subprocess.run(
        [str(program), "-c", "import main"], cwd=sources.folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ConfigurationError([Problem("", f"{sources.folder / 'main.py'} cannot be loaded: {_tail(done.stderr)}")])
    return time.monotonic() - begin


def _install(uv: Path, sources: AgentSources, packages: Path, environment: Mapping[str, str]) -> None:
    command = install_command(uv, sources, packages)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environment))
    if done.returncode != 0:
        raise ConfigurationError(
            [
                Problem(
                    "",
                    f"uv could not install {sources.lock.name} for Python {PYTHON} on {PLATFORM}: {_tail(done.stderr)}; every package needs a wheel for it, "
                    "and uv its index (UV_DEFAULT_INDEX)",
                )
            ]
        )
    packages.mkdir(exist_ok=True)  # a lock may be empty


def _tail(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-_TAIL:]) or "it says nothing"
