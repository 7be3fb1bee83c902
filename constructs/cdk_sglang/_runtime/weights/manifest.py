"""The record of a staged model: written last, so that where it is, everything is."""

# ruff: noqa: TID252  the asset's root differs from the repository's

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from .problems import WeightsError

MANIFEST: Final = "cdk-sglang-manifest.json"
FORMAT: Final = 1


def prefix_of(repo: str, revision: str) -> str:
    """Return where a model's files go: a revision never changes, so neither does what is below its prefix."""
    return f"weights/{repo}/{revision}/"


def read(s3: Any, bucket: str, prefix: str) -> dict[str, Any] | None:  # noqa: ANN401  boto3 has no types at run time
    """Return the manifest below a prefix, or None while there is none."""
    try:
        body = s3.get_object(Bucket=bucket, Key=f"{prefix}{MANIFEST}")["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            return None
        raise
    try:
        content = json.loads(body)
    except ValueError:
        raise WeightsError(f"s3://{bucket}/{prefix}{MANIFEST}: is not JSON; delete it and stage again") from None
    if content.get("format") != FORMAT:
        raise WeightsError(
            f"s3://{bucket}/{prefix}{MANIFEST}: has format {content.get('format')}, this program knows {FORMAT}"
        )
    return dict(content)


def write(s3: Any, bucket: str, prefix: str, content: dict[str, Any]) -> None:  # noqa: ANN401
    """Write the manifest."""
    body = json.dumps({"format": FORMAT, **content}, indent=1, sort_keys=True).encode()
    s3.put_object(Bucket=bucket, Key=f"{prefix}{MANIFEST}", Body=body, ContentType="application/json")


def objects(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:  # noqa: ANN401
    """Yield name below the prefix and size of every object, page after page."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(prefix)
            if name and not name.endswith("/"):
                yield name, int(entry["Size"])


def staged(s3: Any, bucket: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """Yield the manifest of every staged model of a bucket."""
    for name, _ in objects(s3, bucket, "weights/"):
        if name.endswith(f"/{MANIFEST}"):
            found = read(s3, bucket, f"weights/{name.removesuffix(MANIFEST)}")
            if found is not None:
                yield found
