"""Check that the files below a prefix are a complete model: config, tokenizer, and every shard with its full size.

Of the weights only headers are read; the tokenizer's files are read whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from . import manifest
from .text_rules import config_problems, tokenizer_problems
from .weight_rules import Read, header, misplaced, selection

_READERS: Final = 16
_LARGER_BY: Final = 1.1  # memory was planned with about this margin; a smaller size does no harm


@dataclass(frozen=True, kw_only=True)
class Result:
    """Result of a check.

    Attributes:
        problems: One line per problem; empty if the model is complete.
        tensor_bytes: Size of all tensors in bytes.
        files: Number of files.
    """

    problems: tuple[str, ...]
    tensor_bytes: int
    files: int


def check_prefix(
    s3: Any, bucket: str, prefix: str, *, expected_bytes: int | None = None, draft: bool = False
) -> Result:
    """Check the files below an S3 prefix.

    Args:
        s3: Client of boto3.
        bucket: Name of the bucket.
        prefix: Prefix of the model, with a slash at the end.
        expected_bytes: Size that the plan assumed; a size more than a tenth above it is a problem.
        draft: Whether the model only drafts for another one, whose tokenizer it uses.
    """

    def read(name: str, start: int, end: int) -> bytes:
        answer = s3.get_object(Bucket=bucket, Key=f"{prefix}{name}", Range=f"bytes={start}-{end}")
        return bytes(answer["Body"].read())

    return check_files(dict(manifest.objects(s3, bucket, prefix)), read, expected_bytes=expected_bytes, draft=draft)


def check_files(
    sizes: Mapping[str, int], read: Read, *, expected_bytes: int | None = None, draft: bool = False
) -> Result:
    """Check files given by their sizes and a way to read from them (first and last byte, both included)."""
    if not sizes:
        return Result(problems=("holds no file; is the prefix right, and the model there?",), tensor_bytes=0, files=0)
    problems = [*config_problems(sizes, read), *([] if draft else tokenizer_problems(sizes, read))]
    chosen = selection(sizes, read)
    problems += chosen.problems
    if not chosen.files and not chosen.problems:
        problems.append("no *.safetensors: holds no weights that SGLang reads without running code from them")
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(lambda name: header(name, sizes[name], read), chosen.files)
        headers = dict(zip(chosen.files, found, strict=True))
    problems += [one.problem for one in headers.values() if one.problem]
    problems += misplaced(chosen, headers)
    total = sum(one.data_bytes for one in headers.values())
    if expected_bytes and not problems and total > _LARGER_BY * expected_bytes:
        problems.append(
            f"*.safetensors: hold {total / 1e9:.1f} GB of tensors, the plan was made with {expected_bytes / 1e9:.1f} GB; "
            "is it another model, or another quantization?"
        )
    return Result(problems=tuple(problems), tensor_bytes=total, files=len(sizes))
