"""What a user of the embedded AWS may turn: how long things take, and which command stands for a container image."""

from __future__ import annotations

import atexit
import fnmatch
import functools
import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from localcloud.credentials import PLACEHOLDER, Credentials

_REPOSITORY = Path(__file__).resolve().parent.parent


def _default_command() -> tuple[str, ...]:
    if given := os.environ.get("LOCALCLOUD_CONTAINER_COMMAND"):
        return tuple(shlex.split(given))
    return (str(_REPOSITORY / "container" / "serve"), "serve")


@functools.cache
def _temporary() -> Path:
    """Return one folder for the process, with a name that no other user could take before it: made when it is needed."""
    folder = tempfile.mkdtemp(prefix="localcloud-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one embedded AWS behaves.

    Args:
        state_dir: Logs, model folders and Lambda code of this server. Default: a new temporary folder, see `folder`.
        credentials: What Lambdas, copies and state machines sign with; a server makes them anew at every start.
        base_url: Where the server answers; Lambdas and containers get it as ``AWS_ENDPOINT_URL``. Empty: no server.
        processes: Start a process per copy. False: copies are entries that become healthy after ``copy_start_s``.
        images: (image URI pattern, command) in order of precedence; the first pattern that matches wins.
            Default: every image is ``container/serve`` of this repository, or ``LOCALCLOUD_CONTAINER_COMMAND``.
        endpoint_s: Seconds an endpoint is Creating, Updating, RollingBack or Deleting.
        instance_s: Seconds until an instance that managed scaling adds is usable.
        copy_start_s: Seconds until a copy without a process is healthy.
        idle_release_s: Seconds an instance above the minimum stays empty before it is released.
        provision_s: Seconds a copy stays unplaced before an update or create fails; a shorter variant timeout wins.
        job_s: Seconds an optimization or benchmark job is in progress, and a bought training plan is Pending.
        invocation_timeout_s: Seconds a container has to answer (SageMaker: 60, your-algorithms-inference-code page).
        stop_grace_s: Seconds between SIGTERM and SIGKILL (SageMaker: 30, same page).
        ping_timeout_s: Seconds a ``/ping`` may take (SageMaker: 2, same page).
        ping_interval_s: Seconds between two ``/ping`` calls of a running copy. Default keeps detection under 10 s.
        health_timeout_s: Seconds to the first healthy ``/ping`` where the component names none (SageMaker: 480).
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

    @property
    def folder(self) -> Path:
        """The state folder."""
        return self.state_dir or _temporary()

    def command_for(self, image: str) -> list[str]:
        """The local command that stands for a container image."""
        for pattern, command in self.images:
            if fnmatch.fnmatchcase(image, pattern):
                return list(command)
        raise LookupError(f"no local command stands for image {image}; patterns: {[p for p, _ in self.images]}")


_current = Settings()


def current() -> Settings:
    """The settings of this process."""
    return _current


def configure(**changes: object) -> Settings:
    """Replace some settings of this process; without arguments all of them."""
    globals()["_current"] = replace(_current, **changes) if changes else Settings()  # type: ignore[arg-type]
    return _current


def restore(settings: Settings) -> None:
    """Put settings back that were kept."""
    globals()["_current"] = settings
