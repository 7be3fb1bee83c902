"""A file that is written to S3 as a stream, in parts, and exists only once it is complete."""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import Any, Self

_PART = 8 * 2**20
"""Size of a part; at least 5 MiB (docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, read 2026-11), and 10,000 of them make 80 GB."""


class Upload:
    """Writes an object piece by piece; an error leaves no object and no upload behind.

    Args:
        s3: Client of S3.
        bucket: Bucket.
        key: Key.

    Attributes:
        size: Bytes so far.
        sha256: Hash of them in hexadecimal digits.
    """

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3, self._bucket, self._key = s3, bucket, key
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self._parts: list[dict[str, Any]] = []
        self._upload = ""
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def write(self, content: bytes) -> None:
        """Add bytes to the object."""
        self._digest.update(content)
        self.size += len(content)
        self._buffer += content
        if len(self._buffer) >= _PART:
            self._flush()

    @property
    def sha256(self) -> str:
        """Hash of the bytes so far in hexadecimal digits."""
        return self._digest.hexdigest()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        place = {"Bucket": self._bucket, "Key": self._key}
        if error is not None:
            if self._upload:
                self._s3.abort_multipart_upload(**place, UploadId=self._upload)
        elif not self._upload:
            self._s3.put_object(**place, Body=bytes(self._buffer))
        else:
            if self._buffer:
                self._flush()
            self._s3.complete_multipart_upload(**place, UploadId=self._upload, MultipartUpload={"Parts": self._parts})

    def _flush(self) -> None:
        place = {"Bucket": self._bucket, "Key": self._key}
        if not self._upload:
            self._upload = self._s3.create_multipart_upload(**place)["UploadId"]
        number = len(self._parts) + 1
        reply = self._s3.upload_part(**place, UploadId=self._upload, PartNumber=number, Body=bytes(self._buffer))
        self._parts.append({"PartNumber": number, "ETag": reply["ETag"]})
        self._buffer.clear()
