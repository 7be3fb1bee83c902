"""Copy a model from a hub to S3: in parallel, with every hash checked, the manifest last."""

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
"""Called with the name of an event and its details."""

WORKERS: Final = 16
_MEMORY_SHARE: Final = 0.5
_REPORT_EVERY_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Order:
    """A model to stage.

    Args:
        repo: Model on the hub, "owner/name".
        revision: Commit, 40 hexadecimal digits.
        bucket: Name of the target bucket.
        include: Patterns of files to stage in spite of the rules.
        exclude: Patterns of further files to leave out.
        draft: Whether the model only drafts for another one, whose tokenizer it uses: repositories of EAGLE heads hold none.
        workers: Number of files copied at once, if memory allows.
    """

    repo: str
    revision: str
    bucket: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    draft: bool = False
    workers: int = WORKERS

    @property
    def prefix(self) -> str:
        """Prefix of the files in the bucket."""
        return manifest.prefix_of(self.repo, self.revision)


def stage(order: Order, *, hub: Hub, s3: Any, report: Report, memory: int | None = None) -> dict[str, Any]:
    """Stage a model and return its manifest; complete files are not copied again.

    Args:
        order: The model to stage.
        hub: Source of the files.
        s3: Client of boto3.
        report: Called with the progress.
        memory: Bytes of memory that may be used; half of the free memory by default.

    Raises:
        WeightsError: The model cannot be staged, and a person has to act; copied files stay, the manifest does not exist.
    """
    revision = hub.describe(order.repo, order.revision)
    try:
        choice = choose(revision.files, include=order.include, exclude=order.exclude)
    except WeightsError as error:
        raise WeightsError(f"{order.repo}: {error}") from None
    existing = _staged(order, choice, s3=s3, report=report)
    if existing is not None:
        report("done", {"bytes": choice.size, "files": len(choice.files), "copied": 0, "prefix": order.prefix})
        return existing
    hub.check_access(revision, max(choice.files, key=lambda file: file.size))
    copy_count = _copy_all(order, revision, choice, hub=hub, s3=s3, report=report, memory=memory)
    result = check_prefix(s3, order.bucket, order.prefix, draft=order.draft)
    if result.problems:
        raise WeightsError(
            f"{order.repo}: every file is as the hub has it, but no whole model: {'; '.join(result.problems)}"
        )
    sizes = dict(manifest.objects(s3, order.bucket, order.prefix))
    extra_files = manifest.others((file.path for file in choice.files), sizes)
    if extra_files:
        raise WeightsError(
            f"s3://{order.bucket}/{order.prefix}{extra_files[0]}: is there and not part of this staging, and every copy would get it"
            f"{f', and so are {len(extra_files) - 1} more' if extra_files[1:] else ''}; delete it, or include it, and stage again"
        )
    content = {
        "repo": order.repo,
        "revision": order.revision,
        "license": revision.license,
        "tensor_bytes": result.tensor_bytes,
        "files": _entries(choice),
        "left_out": choice.left_out,
        "include": list(order.include),
        "exclude": list(order.exclude),
        "draft": order.draft,
        "staged_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    manifest.write(s3, order.bucket, order.prefix, content)
    report("done", {"bytes": choice.size, "files": len(choice.files), "copied": copy_count, "prefix": order.prefix})
    return content


def _staged(order: Order, choice: Choice, *, s3: Any, report: Report) -> dict[str, Any] | None:
    """Return the manifest if it belongs to this order and every file equals the hub's; otherwise None."""
    try:
        record = manifest.read(s3, order.bucket, order.prefix)
    except WeightsError as error:
        report("retry", {"message": f"{error}; it is not believed, and is written anew"})
        return None
    if record is None or (record["repo"], record["revision"]) != (order.repo, order.revision):
        return None
    if record["files"] != _entries(choice) or _patterns(record) != _patterns(order):
        return None
    if record.get("draft") and not order.draft:  # its tokenizer was not checked
        return None
    with ThreadPoolExecutor(WORKERS) as pool:
        complete = all(pool.map(lambda file: is_there(s3, order.bucket, order.prefix, file), choice.files))
    return record if complete else None


def _entries(choice: Choice) -> list[dict[str, Any]]:
    return [
        {"path": file.path, "bytes": file.size, "hash": file.hash_name}
        for file in sorted(choice.files, key=lambda file: file.path)
    ]


def _patterns(order: Order | dict[str, Any]) -> tuple[list[str], list[str]]:
    if isinstance(order, Order):
        return list(order.include), list(order.exclude)
    return order.get("include", []), order.get("exclude", [])


def workers_for(files: Sequence[HubFile], *, workers: int, memory: int) -> int:
    """Return the number of files that fit into memory at once.

    Raises:
        WeightsError: Not even one file fits.
    """
    most = max((memory_bytes(file) for file in files), default=1)
    fit = memory // most
    if fit < 1:
        largest = max(files, key=lambda file: file.size)
        raise WeightsError(
            f"{largest.path}: {largest.size / 1e9:.1f} GB go to S3 in parts that take {most / 2**20:.0f} MiB of memory, "
            f"{memory / 2**20:.0f} MiB are free for it; use a larger machine"
        )
    return max(1, min(workers, fit))


def free_memory_bytes() -> int:
    """Return the bytes of memory that may be used: half of the machine's free memory."""
    return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _MEMORY_SHARE)


def _copy_all(
    order: Order,
    revision: Revision,
    choice: Choice,
    *,
    hub: Hub,
    s3: Any,
    report: Report,
    memory: int | None,
) -> int:
    """Copy the missing files, largest first; the first failure stops the others."""
    workers = workers_for(choice.files, workers=order.workers, memory=free_memory_bytes() if memory is None else memory)
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
                "license": revision.license,
                "bytes": sum(file.size for file in missing),
                "files": len(missing),
                "there": len(there),
                "left_out": len(choice.left_out),
                "workers": workers,
            },
        )
        running: list[Future[None]] = [
            files.submit(_copy_one, transfer, revision, file, report, stop) for file in missing
        ]
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


def _copy_one(transfer: Transfer, revision: Revision, file: HubFile, report: Report, stop: threading.Event) -> None:
    if stop.is_set():
        return
    transfer.copy(revision, file)
    report("file", {"path": file.path, "bytes": file.size})


class _Counter:
    """Sums the bytes of all threads and reports them from time to time."""

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
