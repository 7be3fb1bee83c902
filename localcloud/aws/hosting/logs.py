"""Container output, written to CloudWatch Logs and to a file that a user can follow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import logs_backends

from localcloud.aws.clock import clock
from localcloud.aws.hosting import access
from localcloud.aws.settings import current


@contextlib.contextmanager
def stream(
    account: str, region: str, component: str, copy_id: str, *, role: str | None = None
) -> Iterator[Callable[[str], None]]:
    """Open the log stream of one copy, which its execution role must be allowed to write; yields a function that writes a line."""
    path = current().folder / "logs" / component / f"{copy_id}.log"
    group, name = f"/aws/sagemaker/InferenceComponents/{component}", f"AllTraffic/{copy_id}"
    with lines(account, region, group=group, name=name, path=path, role=role) as write:
        yield write


@contextlib.contextmanager
def lines(
    account: str, region: str, *, group: str, name: str, path: Path, role: str | None = None
) -> Iterator[Callable[[str], None]]:
    """Open a log stream of this name, and a file; yields a function that writes a line to both, or only to the file if the role may not log.

    The first line creates the log group if necessary. A group that is deleted later stays deleted: otherwise the last lines of a process
    would bring back a group that its stack has just deleted, and the next deployment would fail on it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        has_begun = False

        def write(line: str) -> None:
            nonlocal has_begun
            with contextlib.suppress(OSError):  # a full disk must not stop the engine, whose output is read here
                file.write(f"{line}\n".encode())
            backend = logs_backends[account][region]
            if not may_log(role, account, region, group):
                return
            if not has_begun:
                has_begun = True
                backend.ensure_log_group(group)
            event = {"timestamp": int(clock().now() * 1000), "message": line}
            with contextlib.suppress(ResourceNotFoundException):
                backend.ensure_log_stream(group, name)
                backend.put_log_events(group, name, [event])

        yield write


def may_log(role: str | None, account: str, region: str, group: str) -> bool:
    """Whether a role may write to a log group, and create the group if there is none.

    Args:
        role: ARN of the role; without one everything is allowed.
        account: Account of the log group.
        region: Region of the log group.
        group: Name of the log group.
    """
    arn = f"arn:aws:logs:{region}:{account}:log-group:{group}"
    exists = group in logs_backends[account][region].groups
    needs = {"logs:CreateLogStream": f"{arn}:*", "logs:PutLogEvents": f"{arn}:log-stream:*"}
    needs |= {} if exists else {"logs:CreateLogGroup": f"{arn}:*"}
    return all(access.denied(role, action, resource) is None for action, resource in needs.items())
