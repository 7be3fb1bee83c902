"""Model data: copied from the embedded S3 into a read-only folder."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition


def fill(account: str, region: str, container: dict[str, Any], folder: Path) -> None:
    """Copy the model of a container into its model folder, which is empty if there is no model."""
    folder.mkdir(parents=True, exist_ok=True)
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    archive = container.get("ArtifactUrl") or container.get("ModelDataUrl")
    if source.get("CompressionType") == "Gzip":
        archive = source["S3Uri"]
    if archive:
        extract(account, region, archive, folder)
    elif source:
        _prefix(account, region, source["S3Uri"], folder)
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)


def extract(account: str, region: str, uri: str, folder: Path) -> None:
    """Extract a tar.gz object; raises LookupError if it does not exist."""
    bucket, key = _parse(uri)
    try:
        stored = _s3(account, region).get_object(bucket, key)
    except S3ClientError:
        stored = None
    if stored is None:
        raise LookupError(f"could not find model data at {uri}")
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(stored.value), mode="r:gz") as archive:
        archive.extractall(folder, filter="data")


def remove(folder: Path) -> None:
    """Delete a read-only folder."""
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)


def _prefix(account: str, region: str, uri: str, folder: Path) -> None:
    bucket, prefix = _parse(uri)
    s3 = _s3(account, region)
    try:
        keys = s3.list_objects(s3.get_bucket(bucket), prefix, None, None, None)[0]
    except S3ClientError:
        keys = []
    if not keys:
        raise LookupError(f"could not find model data at {uri}")
    for key in keys:
        relative = PurePosixPath(key.name.removeprefix(prefix).lstrip("/") or PurePosixPath(key.name).name)
        if key.name.endswith("/") or ".." in relative.parts:
            continue
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(key.value)


def _parse(uri: str) -> tuple[str, str]:
    parts = urlparse(uri)
    if parts.scheme != "s3":
        raise ValueError(f"not an s3:// address: {uri}")
    return parts.netloc, parts.path.lstrip("/")


def _s3(account: str, region: str) -> Any:
    return s3_backends[account][get_partition(region)]
