"""Settings of the embedded AWS: durations, and the commands that stand for container images."""

from __future__ import annotations

import atexit
import fnmatch
import functools
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from localcloud.aws.credentials import PLACEHOLDER, Credentials

REPOSITORY = Path(__file__).resolve().parents[2]
"""Root of this checkout: it contains the container's entry point and npm's packages."""


def _default_command() -> tuple[str, ...]:
    if command := os.environ.get("LOCALCLOUD_CONTAINER_COMMAND"):
        return tuple(shlex.split(command))
    return (str(REPOSITORY / "container" / "serve"), "serve")


def _default_aiperf() -> Path | None:
    path = os.environ.get("LOCALCLOUD_AIPERF")
    return Path(path) if path else None


@functools.cache
def _temporary() -> Path:
    """Temporary folder of the process, created on first use under an unpredictable name."""
    folder = tempfile.mkdtemp(prefix="localcloud-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one embedded AWS.

    Args:
        state_dir: Logs, model folders and Lambda code of this server. Default: a new temporary folder, see `folder`.
        credentials: Credentials of Lambda functions, copies and state machines; a server makes new ones at every start.
        base_url: Address of the server, ``AWS_ENDPOINT_URL`` of functions and containers. Default: there is no server.
        processes: Whether every copy is a process. Default: copies are entries that become healthy after ``copy_start_s``.
        images: (image URI pattern, command); the first pattern that matches decides.
            Default: every image is ``container/serve`` of this repository, or ``LOCALCLOUD_CONTAINER_COMMAND``.
        endpoint_s: Seconds an endpoint is Creating, Updating, RollingBack or Deleting.
        instance_s: Seconds until an instance that managed scaling adds is usable.
        copy_start_s: Seconds until a copy without a process is healthy.
        idle_release_s: Seconds an instance above the minimum stays empty before it is released.
        provision_s: Seconds a copy stays unplaced before an update or create fails; a shorter variant timeout wins.
        job_s: Seconds an optimization or benchmark job is in progress, and a bought training plan is Pending.
        invocation_timeout_s: Seconds within which a container must answer (SageMaker: 60, your-algorithms-inference-code page).
        stop_grace_s: Seconds between SIGTERM and SIGKILL (SageMaker: 30, same page).
        ping_timeout_s: Seconds a ``/ping`` may take (SageMaker: 2, same page).
        ping_interval_s: Seconds between two ``/ping`` calls of a running copy. Default keeps detection under 10 s.
        aiperf: AIPerf's program, which AI benchmark jobs run against their component. Default: ``LOCALCLOUD_AIPERF``; without
            it jobs send nothing and write stand-ins.
        agent_python: Python interpreter whose environment has the agents' packages.
        agent_start_s: Seconds within which an agent must answer ``/ping`` (AgentCore: 30; longer here, since two cores run everything).
        quotas: Service quotas of the account that differ from AWS's defaults for a new one, by shell pattern of their name; the first that
            matches counts.
        quota_s: Seconds until a requested increase of a quota is granted.
        judges_roles: Whether CloudFormation refuses resources whose roles their services refuse, see `cloudformation.roles`. Default: it does not.
        health_timeout_s: Seconds to the first healthy ``/ping`` unless the component sets its own limit (SageMaker: 480).
    """

    state_dir: Path | None = None
    credentials: Credentials = PLACEHOLDER
    base_url: str = ""
    processes: bool = False
    images: tuple[tuple[str, tuple[str, ...]], ...] = field(default_factory=lambda: (("*", _default_command()),))
    endpoint_s: float = 2
    instance_s: float = 1
    copy_start_s: float = 2
    idle_release_s: float = 60
    provision_s: float = 30
    job_s: float = 3
    invocation_timeout_s: float = 60
    stop_grace_s: float = 30
    ping_timeout_s: float = 2
    ping_interval_s: float = 2
    health_timeout_s: float = 480
    judges_roles: bool = False
    aiperf: Path | None = field(default_factory=_default_aiperf)
    agent_python: Path = REPOSITORY / ".venv-agent" / "bin" / "python"
    agent_start_s: float = 120
    quotas: Mapping[str, float] = field(default_factory=dict)
    quota_s: float = 0

    @property
    def folder(self) -> Path:
        """Folder of the state."""
        return self.state_dir or _temporary()

    def command_for(self, image: str) -> list[str]:
        """Command that stands for a container image; raises LookupError if no pattern matches."""
        for pattern, command in self.images:
            if fnmatch.fnmatchcase(image, pattern):
                return list(command)
        raise LookupError(f"no local command stands for image {image}; patterns: {[p for p, _ in self.images]}")


_current = Settings()


def current() -> Settings:
    """The settings of this process."""
    return _current


def configure(**changes: Any) -> Settings:
    """Change settings of this process; without arguments, restore the defaults."""
    globals()["_current"] = replace(_current, **changes) if changes else Settings()
    return _current


def restore(settings: Settings) -> None:
    """Use these settings again."""
    globals()["_current"] = settings
