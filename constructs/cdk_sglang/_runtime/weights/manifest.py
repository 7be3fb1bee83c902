"""The record of a staged model. It is written last, so that its presence means that the model is complete; and it is checked before use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from .problems import WeightsError

MANIFEST: Final = "cdk-sglang-manifest.json"
FORMAT: Final = 1
HASH_KEY: Final = "cdk-sglang-hash"
"""Metadata of an object that is a file of the hub: its bytes had this hash when they were uploaded. A record has none."""

_STAGED: Final = re.compile(r"weights/[^/]+/[^/]+/[0-9a-f]{40}/")


def prefix_of(repo: str, revision: str) -> str:
    """Return the prefix of a model's files: a revision never changes, so neither do the files below its prefix."""
    return f"weights/{repo}/{revision}/"


def read(s3: Any, bucket: str, prefix: str) -> dict[str, Any] | None:
    """Return the manifest below a prefix; None if there is none.

    Raises:
        WeightsError: The object with its name was not written by this program, or belongs to another model than the prefix.
    """
    try:
        answer = s3.get_object(Bucket=bucket, Key=f"{prefix}{MANIFEST}")
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            return None
        raise
    why = "is a file of the repository, and no record of a staging" if HASH_KEY in answer["Metadata"] else None
    content: Any = None
    try:
        content = json.loads(answer["Body"].read())
    except ValueError:
        why = why or "is not JSON"
    why = why or _not_a_record(content, prefix)
    if why is not None:
        raise WeightsError(f"s3://{bucket}/{prefix}{MANIFEST}: {why}; delete it and stage again")
    return dict(content)


def _not_a_record(content: object, prefix: str) -> str | None:
    if not isinstance(content, dict):
        return "is no JSON object"
    if content.get("format") != FORMAT:
        return f"has format {content.get('format')}, this program knows {FORMAT}"
    repo, revision, files = content.get("repo"), content.get("revision"), content.get("files")
    if not (isinstance(repo, str) and isinstance(revision, str) and isinstance(files, list) and files):
        return "names no repository, revision and files"
    if not all(isinstance(file, dict) and {"path", "bytes", "hash"} <= file.keys() for file in files):
        return "has files without path, bytes and hash"
    if _STAGED.fullmatch(prefix) and prefix != prefix_of(repo, revision):
        return f"is that of {repo} {revision}, which belongs below another prefix"
    return None


def differences(recorded: Mapping[str, Any], sizes: Mapping[str, int]) -> list[str]:
    """Return the differences between the objects below a prefix and its manifest."""
    files = {file["path"]: file["bytes"] for file in recorded["files"]}
    problems = []
    for name, size in files.items():
        if name not in sizes:
            problems.append(f"{name}: missing, and the manifest names it")
        elif sizes[name] != size:
            problems.append(f"{name}: has {sizes[name]} bytes, the manifest says {size}")
    return [*problems, *(f"{name}: is there, and the manifest does not name it" for name in others(files, sizes))]


def others(names: Iterable[str], sizes: Mapping[str, int]) -> list[str]:
    """Return the objects below a prefix other than these files and the manifest."""
    return sorted(set(sizes) - set(names) - {MANIFEST})


def write(s3: Any, bucket: str, prefix: str, content: dict[str, Any]) -> None:
    """Write the manifest."""
    body = json.dumps({"format": FORMAT, **content}, indent=1, sort_keys=True).encode()
    s3.put_object(Bucket=bucket, Key=f"{prefix}{MANIFEST}", Body=body, ContentType="application/json")


def objects(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield name below the prefix and size of every object, page after page."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(prefix)
            if name and not name.endswith("/"):
                yield name, int(entry["Size"])


def staged(s3: Any, bucket: str) -> Iterator[dict[str, Any] | WeightsError]:
    """Yield the manifest of every staged model of a bucket, or the error of an invalid one."""
    for name, _ in objects(s3, bucket, "weights/"):
        if name.endswith(f"/{MANIFEST}"):
            try:
                content = read(s3, bucket, f"weights/{name.removesuffix(MANIFEST)}")
            except WeightsError as error:
                yield error
                continue
            if content is not None:
                yield content
