"""The tokenizer that makes prompts of the right length: that of the weights, from where they are deployed."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from cdk_sglang.spec.s3 import place_of

BUILT_IN: Final = "builtin"
"""AIPerf's own tokenizer, for weights without files of one: prompts then differ in length, which the server counts."""
_FILES: Final = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.tiktoken",
    "config.json",
    "chat_template*",
)
_MAX_BYTES: Final = 200 * 1024 * 1024


def fetch_tokenizer(s3: Any, uri: str, folder: Path) -> str:
    """Copy a model's tokenizer from S3; return the folder, or `BUILT_IN` if the weights have none there.

    Args:
        s3: Client of S3.
        uri: Place of the weights.
        folder: Folder for the files.

    Raises:
        botocore.exceptions.ClientError: The bucket may not be read.
    """
    place = place_of(uri)
    if place is None or not place.key.endswith("/"):
        return BUILT_IN
    names = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key, Delimiter="/"):
        for item in page.get("Contents", ()):
            name = item["Key"].removeprefix(place.key)
            if item["Size"] <= _MAX_BYTES and any(fnmatch(name, pattern) for pattern in _FILES):
                folder.mkdir(parents=True, exist_ok=True)
                s3.download_file(place.bucket, item["Key"], str(folder / name))
                names.append(name)
    has_one = any(name.startswith("tokenizer.") or name.endswith((".tiktoken", "vocab.json")) for name in names)
    return str(folder) if has_one else BUILT_IN
