"""The version of a run: base and draft under one prefix, copied within S3, resumable by listing, with its record written last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from .base_model import current_files
from .clients import Aws
from .config import Config, Place
from .draft import source_of
from .ends import BASE_CHANGED, DRAFT_REFUSED, EndError, Throttled, code_of, is_absent, is_throttle
from .event import Event
from .store import File, content_hash, files, write_json

RECORD = "version.json"
SCHEMA = 1
COPY_MAX = 5 * 2**30
"""Largest object that one CopyObject copies; larger ones are copied in parts (docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html, read 2026-11)."""
PART = 512 * 2**20
"""Size of a part: 10,000 of them cover S3's 5 TB."""
_AT_ONCE = 16
_CHANGED = ("PreconditionFailed", "412")


@dataclass(frozen=True, kw_only=True)
class Copy:
    """An object of the version.

    Attributes:
        source: Bucket and key that it is copied from.
        key: Its key.
        size: Its size.
        etag: Entity tag of the source, so that a source that changes during the copy is not mixed in.
        is_draft: Whether it is part of the draft.
    """

    source: tuple[str, str]
    key: str
    size: int
    etag: str
    is_draft: bool


class ChangedError(Exception):
    """A source has changed since it was listed."""

    def __init__(self, copy: Copy) -> None:
        super().__init__(copy.key)
        self.copy = copy


def assemble(
    aws: Aws, config: Config, event: Event, now: dt.datetime, seconds_left: Callable[[], float]
) -> dict[str, Any]:
    """Copy what is missing of the version, for as long as there is time.

    Raises:
        EndError: Base or draft has changed since the run read them.
        Throttled: S3 throttles requests.
    """
    target = Place(bucket=config.bucket, prefix=config.version_prefix(event.run))
    base, draft = current_files(aws.s3, config), event.result("draft")
    hash_before = event.result("inputs")["base"]["hash"]
    if content_hash(base) != hash_before:
        raise _base_changed(config)
    source = source_of(config, event)
    drafts = [file for file in files(aws.s3, source) if "/" not in file.name]
    if content_hash(drafts) != draft["hash"]:
        raise _draft_changed(source)
    copies = [
        *(_copy(config.base, target, file) for file in base),
        *(_copy(source, target, file, below="draft/") for file in drafts),
    ]
    if draft.get("config"):
        copies = [copy for copy in copies if copy.key != f"{target.prefix}draft/config.json"]
        write_json(aws.s3, target.bucket, f"{target.prefix}draft/config.json", draft["config"])
    there = {f"{target.prefix}{file.name}": file.size for file in files(aws.s3, target)}
    missing = [copy for copy in copies if there.get(copy.key) != copy.size]
    try:
        done = _copy_all(aws.s3, target.bucket, missing, seconds_left)
    except ChangedError as error:
        raise (_draft_changed(source) if error.copy.is_draft else _base_changed(config)) from error
    total, copied = len(copies), len(copies) - len(missing) + done
    if copied < total:
        return {"done": False, "copied": copied, "total": total, "bytes": sum(copy.size for copy in copies)}
    key = f"{target.prefix}{RECORD}"
    write_json(aws.s3, target.bucket, key, _record(config, event, now, copies, draft))
    return {
        "done": True,
        "copied": total,
        "total": total,
        "bytes": sum(copy.size for copy in copies),
        "prefix": target.prefix,
    }


def _record(
    config: Config, event: Event, now: dt.datetime, copies: Sequence[Copy], draft: dict[str, Any]
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "run": event.run,
        "component": config.component,
        "created": now.isoformat(),
        "base": {"uri": config.base.uri, "hash": event.result("inputs")["base"]["hash"]},
        "draft": {
            key: draft.get(key) for key in ("source", "hash", "algorithm", "steps", "topk", "draft_tokens", "notes")
        },
        "files": len(copies),
        "bytes": sum(copy.size for copy in copies),
    }


def _copy(source: Place, target: Place, file: File, *, below: str = "") -> Copy:
    return Copy(
        source=(source.bucket, f"{source.prefix}{file.name}"),
        key=f"{target.prefix}{below}{file.name}",
        size=file.size,
        etag=file.etag,
        is_draft=bool(below),
    )


def _copy_all(s3: Any, bucket: str, missing: Sequence[Copy], seconds_left: Callable[[], float]) -> int:
    """Copy objects, several at once, and return how many are complete when the time is up."""
    done = 0
    running: set[Future[bool]] = set()
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        parts = partial(_copy_parts, s3, bucket, seconds_left=seconds_left)
        for copy in missing:
            if seconds_left() <= 0:
                break
            running.add(pool.submit(parts if copy.size > COPY_MAX else partial(_copy_whole, s3, bucket), copy))
            if len(running) >= _AT_ONCE:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                done += sum(future.result() for future in ended)
        done += sum(future.result() for future in running)
    return done


def _copy_whole(s3: Any, bucket: str, copy: Copy) -> bool:
    _call(
        s3.copy_object,
        copy,
        Bucket=bucket,
        Key=copy.key,
        CopySource={"Bucket": copy.source[0], "Key": copy.source[1]},
        CopySourceIfMatch=copy.etag,
    )
    return True


def _copy_parts(s3: Any, bucket: str, copy: Copy, *, seconds_left: Callable[[], float]) -> bool:
    """Copy a large object in parts, continuing an upload that an earlier call left; False if the time runs out first."""
    upload, parts = _upload(s3, bucket, copy)
    count = -(-copy.size // PART)
    for number in range(1, count + 1):
        if number in parts:
            continue
        if seconds_left() <= 0:
            return False
        first = (number - 1) * PART
        reply = _call(
            s3.upload_part_copy,
            copy,
            Bucket=bucket,
            Key=copy.key,
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": copy.source[0], "Key": copy.source[1]},
            CopySourceIfMatch=copy.etag,
            CopySourceRange=f"bytes={first}-{min(copy.size, first + PART) - 1}",
        )
        parts[number] = reply["CopyPartResult"]["ETag"]
    listed = [{"PartNumber": number, "ETag": parts[number]} for number in sorted(parts)]
    _call(
        s3.complete_multipart_upload,
        copy,
        Bucket=bucket,
        Key=copy.key,
        UploadId=upload,
        MultipartUpload={"Parts": listed},
    )
    return True


def _upload(s3: Any, bucket: str, copy: Copy) -> tuple[str, dict[int, str]]:
    """Return the upload of an object and the parts that it has: the newest unfinished one, or a new one."""
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=copy.key)
    found = [upload for page in pages for upload in page.get("Uploads", ()) if upload["Key"] == copy.key]
    if not found:
        return s3.create_multipart_upload(Bucket=bucket, Key=copy.key)["UploadId"], {}
    upload = max(found, key=lambda one: one["Initiated"])["UploadId"]
    pages = s3.get_paginator("list_parts").paginate(Bucket=bucket, Key=copy.key, UploadId=upload)
    return upload, {part["PartNumber"]: part["ETag"] for page in pages for part in page.get("Parts", ())}


def _call(request: Callable[..., Any], copy: Copy, **parameters: Any) -> Any:
    try:
        return request(**parameters)
    except ClientError as error:
        if code_of(error) in _CHANGED or is_absent(error):
            raise ChangedError(copy) from error
        if is_throttle(error):
            raise Throttled(f"S3: {code_of(error)} at {copy.key}") from error
        raise


def _base_changed(config: Config) -> EndError:
    return EndError(
        BASE_CHANGED,
        f"the base model below {config.base.uri} has changed since the run began; the draft is for the earlier one",
        "start again, for the model as it is now: cdk-sglang eagle start",
    )


def _draft_changed(source: Place) -> EndError:
    return EndError(
        DRAFT_REFUSED,
        f"the draft below {source.uri} has changed since it was checked",
        "start again when it is complete: cdk-sglang eagle start",
    )
