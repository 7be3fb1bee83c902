"""Copy a file from the hub to S3 through memory: hashed on the way, visible only if the hash is right. Nothing is written to disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

from .hub import Hub, HubFile, Revision
from .manifest import HASH_KEY
from .problems import WeightsError

_MIB: Final = 1024 * 1024
_SMALL_BYTES: Final = 8 * _MIB
_PART_BYTES: Final = 64 * _MIB
_PARTS_MAX: Final = 10_000  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_PARTS_ON_THE_WAY: Final = 2  # uploaded while the next one is downloaded
_TRIES: Final = 2


def part_bytes(size: int) -> int:
    """Return the size of an upload's parts: 64 MiB, or more if 10,000 of those are not enough."""
    least = -(-size // _PARTS_MAX)
    return max(_PART_BYTES, -(-least // _MIB) * _MIB)


def memory_bytes(file: HubFile) -> int:
    """Return the maximum memory, in bytes, that copying a file needs."""
    return file.size if file.size <= _SMALL_BYTES else part_bytes(file.size) * (_PARTS_ON_THE_WAY + 1)


def is_there(s3: Any, bucket: str, prefix: str, file: HubFile) -> bool:
    """Whether the object exists and equals the hub's file."""
    try:
        head = s3.head_object(Bucket=bucket, Key=f"{prefix}{file.path}")
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
            return False
        raise
    return bool(head["ContentLength"] == file.size and head["Metadata"].get(HASH_KEY) == file.hash_name)


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Copies files of one revision.

    Args:
        hub: Source of the files.
        s3: Client of boto3.
        bucket: Name of the target bucket.
        prefix: Prefix in the bucket.
        uploads: Threads that upload parts.
        on_bytes: Called with the number of further bytes; negative when a file restarts.
        stop: Set to stop the remaining transfers.
    """

    hub: Hub
    s3: Any
    bucket: str
    prefix: str
    uploads: ThreadPoolExecutor
    on_bytes: Callable[[int], None]
    stop: Event

    def copy(self, revision: Revision, file: HubFile) -> None:
        """Copy one file.

        Raises:
            WeightsError: The hash of its bytes differs from the hub's, twice in a row.
        """
        for _ in range(_TRIES):
            digest = self._put(revision, file) if file.size <= _SMALL_BYTES else self._put_in_parts(revision, file)
            if file.matches(digest):
                return
            self.on_bytes(-file.size)
        raise WeightsError(
            f"{file.path}: is corrupted: its bytes have the hash {digest}, the hub says {file.hash_name}; tried {_TRIES} times, "
            "nothing of it was kept"
        )

    def _put(self, revision: Revision, file: HubFile) -> str:
        body = bytearray()
        hasher = file.new_hash()
        for chunk in self._read(revision, file):
            hasher.update(chunk)
            body += chunk
        digest = str(hasher.hexdigest())
        if file.matches(digest):
            self.s3.put_object(Body=bytes(body), **self._place(file), Metadata={HASH_KEY: file.hash_name})
        return digest

    def _put_in_parts(self, revision: Revision, file: HubFile) -> str:
        place = self._place(file)
        upload = self.s3.create_multipart_upload(
            **place, Metadata={HASH_KEY: file.hash_name}, ChecksumAlgorithm="CRC32"
        )["UploadId"]
        pending: deque[Future[dict[str, Any]]] = deque()
        try:
            digest, parts = self._send_parts(revision, file, upload, pending)
            if not file.matches(digest):
                self.s3.abort_multipart_upload(**place, UploadId=upload)
                return digest
            self.s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
        except BaseException:
            for future in pending:
                future.cancel()
            self.s3.abort_multipart_upload(**place, UploadId=upload)
            raise
        return digest

    def _send_parts(
        self, revision: Revision, file: HubFile, upload: str, pending: deque[Future[dict[str, Any]]]
    ) -> tuple[str, list[dict[str, Any]]]:
        size = part_bytes(file.size)
        hasher, buffer, parts, number = file.new_hash(), bytearray(), [], 0

        def send(data: bytes) -> None:
            nonlocal number
            number += 1
            while len(pending) >= _PARTS_ON_THE_WAY:
                parts.append(pending.popleft().result())
            pending.append(self.uploads.submit(self._send_part, file, upload, number, data))

        for chunk in self._read(revision, file):
            hasher.update(chunk)
            buffer += chunk
            while len(buffer) >= size:
                send(bytes(buffer[:size]))
                del buffer[:size]
        if buffer:
            send(bytes(buffer))
        while pending:
            parts.append(pending.popleft().result())
        return str(hasher.hexdigest()), parts

    def _send_part(self, file: HubFile, upload: str, number: int, data: bytes) -> dict[str, Any]:
        answer = self.s3.upload_part(
            **self._place(file), UploadId=upload, PartNumber=number, Body=data, ChecksumAlgorithm="CRC32"
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]}

    def _read(self, revision: Revision, file: HubFile) -> Iterator[bytes]:
        for chunk in self.hub.read(revision.repo, revision.revision, file):
            if self.stop.is_set():
                raise WeightsError(f"{file.path}: stopped")
            self.on_bytes(len(chunk))
            yield chunk

    def _place(self, file: HubFile) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": f"{self.prefix}{file.path}"}
