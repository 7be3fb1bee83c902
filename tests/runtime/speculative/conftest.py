"""A bucket with a base model, in moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.support.drafts import BASE_CONFIG
from tests.support.speculation import BASE_PREFIX, BUCKET, client


@pytest.fixture
def s3() -> Iterator[Any]:
    """S3 with the base model's files."""
    with mock_aws():
        s3 = client("s3")
        s3.create_bucket(Bucket=BUCKET)
        files = {
            "config.json": json.dumps(BASE_CONFIG).encode(),
            "tokenizer.json": b"{}",
            "model.safetensors": b"weights",
            "cdk-sglang-manifest.json": b"{}",
        }
        for name, content in files.items():
            s3.put_object(Bucket=BUCKET, Key=f"{BASE_PREFIX}{name}", Body=content)
        yield s3


def keys(s3: Any, prefix: str) -> list[str]:
    """Return the keys below a prefix, without it."""
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return [item["Key"].removeprefix(prefix) for item in found]
