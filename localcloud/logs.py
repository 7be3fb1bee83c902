"""Container output: into CloudWatch Logs, and into a file one can tail."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from moto.logs.models import logs_backends

from localcloud.clock import clock
from localcloud.settings import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def stream(account: str, region: str, component: str, copy_id: str) -> Iterator[Callable[[str], None]]:
    """A log stream of one copy: call what this yields with each line."""
    path = current().folder / "logs" / component / f"{copy_id}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    group, name = f"/aws/sagemaker/InferenceComponents/{component}", f"AllTraffic/{copy_id}"
    with path.open("a", encoding="utf-8") as file:

        def write(line: str) -> None:
            print(line, file=file, flush=True)
            backend = logs_backends[account][region]
            backend.ensure_log_group(group)
            backend.ensure_log_stream(group, name)
            event = {"timestamp": int(clock().now() * 1000), "message": line}
            backend.put_log_events(group, name, [event])

        yield write
