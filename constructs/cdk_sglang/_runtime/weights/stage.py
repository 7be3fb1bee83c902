"""Copies a model from a hub to S3: in parallel, hash by hash, the manifest last."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from . import manifest
from .check import check_prefix
from .choice import Choice, choose
from .hub import Hub, HubFile, Revision
from .problems import WeightsError
from .transfer import Transfer, is_there, memory_bytes

Report = Callable[[str, dict[str, Any]], None]
"""Told what happens: a word, and its details."""

WORKERS: Final = 16
_MEMORY_SHARE: Final = 0.5
_REPORT_EVERY_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to stage.

    Args:
        repo: Model on the hub, "owner/name".
        revision: Commit, 40 hexadecimal digits.
        bucket: Where to.
        include: Patterns of files to take whatever the rules say.
        exclude: Patterns of files to leave out besides.
        workers: Files at once, where memory allows.
    """

    repo: str
    revision: str
    bucket: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    workers: int = WORKERS

    @property
    def prefix(self) -> str:
        """Where the files go."""
        return manifest.prefix_of(self.repo, self.revision)


def stage(order: Order, *, hub: Hub, s3: Any, report: Report, memory: int | None = None) -> dict[str, Any]:
    """Stage a model and return its manifest; what is there already, whole, is not copied again.

    Args:
        order: What.
        hub: Where from.
        s3: Client of boto3.
        report: Told of progress.
        memory: Bytes of memory that may be used; half of what is free by default.

    Raises:
        WeightsError: A person has to put something right; what was copied stays, the manifest does not exist.
    """
    found = hub.describe(order.repo, order.revision)
    try:
        choice = choose(found.files, include=order.include, exclude=order.exclude)
    except WeightsError as error:
        raise WeightsError(f"{order.repo}: {error}") from None
    existing = _staged(order, choice, s3=s3, report=report)
    if existing is not None:
        report("done", {"bytes": choice.size, "files": len(choice.files), "copied": 0, "prefix": order.prefix})
        return existing
    hub.check_access(found, max(choice.files, key=lambda file: file.size))
    copied = _copy_all(order, found, choice, hub=hub, s3=s3, report=report, memory=memory)
    checked = check_prefix(s3, order.bucket, order.prefix)
    if checked.problems:
        raise WeightsError(
            f"{order.repo}: every file is as the hub has it, but no whole model: {'; '.join(checked.problems)}"
        )
    sizes = dict(manifest.objects(s3, order.bucket, order.prefix))
    beside = manifest.others((file.path for file in choice.files), sizes)
    if beside:
        raise WeightsError(
            f"s3://{order.bucket}/{order.prefix}{beside[0]}: is there and not part of this staging, and every copy would get it"
            f"{f', and so are {len(beside) - 1} more' if beside[1:] else ''}; delete it, or include it, and stage again"
        )
    content = {
        "repo": order.repo,
        "revision": order.revision,
        "license": found.license,
        "tensor_bytes": checked.tensor_bytes,
        "files": _entries(choice),
        "left_out": choice.left_out,
        "include": list(order.include),
        "exclude": list(order.exclude),
        "staged_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    manifest.write(s3, order.bucket, order.prefix, content)
    report("done", {"bytes": choice.size, "files": len(choice.files), "copied": copied, "prefix": order.prefix})
    return content


def _staged(order: Order, choice: Choice, *, s3: Any, report: Report) -> dict[str, Any] | None:
    """Return the manifest where it is that of this very order, and every file is there as the hub has it."""
    try:
        found = manifest.read(s3, order.bucket, order.prefix)
    except WeightsError as error:
        report("retry", {"message": f"{error}; it is not believed, and is written anew"})
        return None
    if found is None or (found["repo"], found["revision"]) != (order.repo, order.revision):
        return None
    if found["files"] != _entries(choice) or _patterns(found) != _patterns(order):
        return None
    with ThreadPoolExecutor(WORKERS) as pool:
        there = all(pool.map(lambda file: is_there(s3, order.bucket, order.prefix, file), choice.files))
    return found if there else None


def _entries(choice: Choice) -> list[dict[str, Any]]:
    return [
        {"path": file.path, "bytes": file.size, "hash": file.hash_name}
        for file in sorted(choice.files, key=lambda file: file.path)
    ]


def _patterns(asked: Order | dict[str, Any]) -> tuple[list[str], list[str]]:
    if isinstance(asked, Order):
        return list(asked.include), list(asked.exclude)
    return asked.get("include", []), asked.get("exclude", [])


def workers_for(files: Sequence[HubFile], *, asked: int, memory: int) -> int:
    """Return how many files fit into memory at once.

    Raises:
        WeightsError: Not even one does.
    """
    most = max((memory_bytes(file) for file in files), default=1)
    fit = memory // most
    if fit < 1:
        largest = max(files, key=lambda file: file.size)
        raise WeightsError(
            f"{largest.path}: {largest.size / 1e9:.1f} GB go to S3 in parts that take {most / 2**20:.0f} MiB of memory, "
            f"{memory / 2**20:.0f} MiB are free for it; use a larger machine"
        )
    return max(1, min(asked, fit))


def free_memory_bytes() -> int:
    """Return the memory that may be used: half of what the machine has free."""
    return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _MEMORY_SHARE)


def _copy_all(
    order: Order,
    found: Revision,
    choice: Choice,
    *,
    hub: Hub,
    s3: Any,
    report: Report,
    memory: int | None,
) -> int:
    """Copy what is missing, largest first; the first failure stops the others."""
    workers = workers_for(choice.files, asked=order.workers, memory=free_memory_bytes() if memory is None else memory)
    stop, counter = threading.Event(), _Counter(report)
    with ThreadPoolExecutor(workers) as uploads, ThreadPoolExecutor(workers) as files:
        transfer = Transfer(
            hub=hub, s3=s3, bucket=order.bucket, prefix=order.prefix, uploads=uploads, on_bytes=counter.add, stop=stop
        )
        there = {
            path
            for path, whole in files.map(
                lambda file: (file.path, is_there(s3, order.bucket, order.prefix, file)), choice.files
            )
            if whole
        }
        missing = sorted((file for file in choice.files if file.path not in there), key=lambda file: -file.size)
        report(
            "plan",
            {
                "repo": order.repo,
                "revision": order.revision,
                "license": found.license,
                "bytes": sum(file.size for file in missing),
                "files": len(missing),
                "there": len(there),
                "left_out": len(choice.left_out),
                "workers": workers,
            },
        )
        running: list[Future[None]] = [files.submit(_copy_one, transfer, found, file, report, stop) for file in missing]
        done, _ = wait(running, return_when=FIRST_EXCEPTION)
        failed = next((future for future in done if not future.cancelled() and future.exception()), None)
        if failed is not None:
            stop.set()
            for future in running:
                future.cancel()
            error = failed.exception()
            assert error is not None
            raise error
    counter.flush()
    return len(missing)


def _copy_one(transfer: Transfer, found: Revision, file: HubFile, report: Report, stop: threading.Event) -> None:
    if stop.is_set():
        return
    transfer.copy(found, file)
    report("file", {"path": file.path, "bytes": file.size})


class _Counter:
    """Adds up bytes of all threads and reports them now and then."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._bytes = 0
        self._reported = 0

    def add(self, count: int) -> None:
        with self._lock:
            self._bytes += count
            if abs(self._bytes - self._reported) < _REPORT_EVERY_BYTES:
                return
            self._reported = self._bytes
            total = self._bytes
        self._report("progress", {"bytes": total})

    def flush(self) -> None:
        self._report("progress", {"bytes": self._bytes})
