"""Container output: into CloudWatch Logs, and into a file one can tail."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import logs_backends

from localcloud.clock import clock
from localcloud.settings import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def stream(account: str, region: str, component: str, copy_id: str) -> Iterator[Callable[[str], None]]:
    """A log stream of one copy: call what this yields with each line.

    The group is made with the first line where it is not there. One that is deleted later stays deleted: the last lines of a copy that
    ends would otherwise bring back a group that its stack has just taken away, in the way of the next deployment.
    """
    path = current().folder / "logs" / component / f"{copy_id}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    group, name = f"/aws/sagemaker/InferenceComponents/{component}", f"AllTraffic/{copy_id}"
    with path.open("a", encoding="utf-8") as file:
        has_begun = False

        def write(line: str) -> None:
            nonlocal has_begun
            print(line, file=file, flush=True)
            backend = logs_backends[account][region]
            if not has_begun:
                has_begun = True
                backend.ensure_log_group(group)
            event = {"timestamp": int(clock().now() * 1000), "message": line}
            with contextlib.suppress(ResourceNotFoundException):
                backend.ensure_log_stream(group, name)
                backend.put_log_events(group, name, [event])

        yield write
