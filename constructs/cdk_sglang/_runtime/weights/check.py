"""Check that the files below a prefix are a complete model: config, tokenizer, and every shard with its full size. Only headers are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from . import manifest

TOKENIZERS: Final = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer.model.v*",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
    "vocab.json",
    "vocab.txt",
    "*.tiktoken",
    "tiktoken.model",
)
"""Vocabularies that transformers and mistral-common load (huggingface/transformers, */tokenization_*.py)."""

_INDEX: Final = "model.safetensors.index.json"
_SHARD: Final = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors")
_HEADER_MAX_BYTES: Final = 100_000_000  # safetensors/src/tensor.rs, MAX_HEADER_SIZE
_FIRST_READ_BYTES: Final = 256 * 1024
_READERS: Final = 16
_SHOWN: Final = 5
_LARGER_BY: Final = 1.1  # memory was planned with a margin of about this; smaller does no harm


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


def check_prefix(s3: Any, bucket: str, prefix: str, *, expected_bytes: int | None = None) -> Result:
    """Check the files below an S3 prefix.

    Args:
        s3: Client of boto3.
        bucket: Name of the bucket.
        prefix: Prefix of the model, with a slash at the end.
        expected_bytes: Size that the plan assumed; a size more than a tenth above it is a problem.
    """

    def read(name: str, start: int, end: int) -> bytes:
        answer = s3.get_object(Bucket=bucket, Key=f"{prefix}{name}", Range=f"bytes={start}-{end}")
        return bytes(answer["Body"].read())

    return check_files(dict(manifest.objects(s3, bucket, prefix)), read, expected_bytes=expected_bytes)


def check_files(
    sizes: Mapping[str, int], read: Callable[[str, int, int], bytes], *, expected_bytes: int | None = None
) -> Result:
    """Check files given by their sizes and a way to read from them (first and last byte, both included)."""
    if not sizes:
        return Result(problems=("holds no file; is the prefix right, and the model there?",), tensor_bytes=0, files=0)
    problems = [*_config_problems(sizes, read), *_tokenizer_problems(sizes)]
    shards = sorted(name for name in sizes if name.endswith(".safetensors") and "/" not in name)
    if not shards:
        problems.append("no *.safetensors: holds no weights that SGLang reads without running code from them")
        return Result(problems=tuple(problems), tensor_bytes=0, files=len(sizes))
    with ThreadPoolExecutor(_READERS) as pool:
        headers = dict(zip(shards, pool.map(lambda name: _header(name, sizes[name], read), shards), strict=True))
    problems += [problem for _, _, problem in headers.values() if problem]
    problems += _missing_shards(sizes)
    readable = {name: tensors for name, (tensors, _, problem) in headers.items() if not problem}
    problems += _index_problems(sizes, read, readable)
    total = sum(size for _, size, _ in headers.values())
    if expected_bytes and not problems and total > _LARGER_BY * expected_bytes:
        problems.append(
            f"*.safetensors: hold {total / 1e9:.1f} GB of tensors, the plan was made with {expected_bytes / 1e9:.1f} GB; "
            "is it another model, or another quantization?"
        )
    return Result(problems=tuple(problems), tensor_bytes=total, files=len(sizes))


def _config_problems(sizes: Mapping[str, int], read: Callable[[str, int, int], bytes]) -> list[str]:
    content, problem = _json(sizes, read, "config.json")
    if problem:
        return [problem]
    if not content.get("model_type") and not content.get("architectures"):
        return ["config.json: names neither model_type nor architectures; is it a model's?"]
    return []


def _tokenizer_problems(sizes: Mapping[str, int]) -> list[str]:
    if any(fnmatchcase(name, pattern) for name in sizes for pattern in TOKENIZERS):
        return []
    return ["tokenizer.json: missing, and so is every other vocabulary; copy the tokenizer's files beside the weights"]


def _header(name: str, size: int, read: Callable[[str, int, int], bytes]) -> tuple[frozenset[str], int, str | None]:
    """Return tensor names and bytes of a shard, and its problem if there is one."""
    least = 8
    if size < least:
        return frozenset(), 0, f"{name}: is no safetensors file: it has {size} bytes"
    start = read(name, 0, min(size, _FIRST_READ_BYTES) - 1)
    length = int.from_bytes(start[:least], "little")
    if length > _HEADER_MAX_BYTES:
        return frozenset(), 0, f"{name}: is no safetensors file: its header would have {length} bytes"
    if least + length > size:
        return frozenset(), 0, f"{name}: is cut short: it has {size} bytes, its header alone announces {least + length}"
    if least + length > len(start):
        start += read(name, len(start), least + length - 1)
    try:
        entries = json.loads(start[least : least + length])
        entries.pop("__metadata__", None)
        data = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return frozenset(), 0, f"{name}: has no readable safetensors header"
    whole = least + length + data
    if size != whole:
        return (
            frozenset(entries),
            data,
            f"{name}: is cut short: it has {size} bytes, its header announces {whole}; copy it again",
        )
    return frozenset(entries), data, None


def _missing_shards(sizes: Mapping[str, int]) -> list[str]:
    """Compare `model-00002-of-00005.safetensors` with its siblings."""
    problems = []
    sets = {(match["stem"], match["count"]) for name in sizes if (match := _SHARD.fullmatch(name))}
    for stem, count in sorted(sets):
        names = [f"{stem}-{number:05d}-of-{count}.safetensors" for number in range(1, int(count) + 1)]
        missing = [name for name in names if name not in sizes]
        if missing:
            problems.append(
                f"{_listed(missing)}: missing; {len(names) - len(missing)} of {len(names)} shards are there"
            )
    return problems


def _index_problems(
    sizes: Mapping[str, int], read: Callable[[str, int, int], bytes], tensors: Mapping[str, frozenset[str]]
) -> list[str]:
    """Compare the index with the tensors of the shards."""
    if _INDEX not in sizes:
        return []
    content, problem = _json(sizes, read, _INDEX)
    if problem:
        return [problem]
    places = content.get("weight_map")
    if not isinstance(places, dict) or not places:
        return [f"{_INDEX}: has no weight_map"]
    problems = []
    absent = sorted({str(file) for file in places.values()} - set(sizes))
    unnamed = [name for name in absent if not _SHARD.fullmatch(name)]  # the others were named above
    if unnamed:
        problems.append(f"{_listed(unnamed)}: missing, and {_INDEX} names it")
    wrong = sorted(tensor for tensor, file in places.items() if file in tensors and tensor not in tensors[file])
    if wrong:
        problems.append(
            f"{places[wrong[0]]}: lacks {_listed(wrong)}, which {_INDEX} places there; the files are of two models"
        )
    return problems


def _json(
    sizes: Mapping[str, int], read: Callable[[str, int, int], bytes], name: str
) -> tuple[dict[str, Any], str | None]:
    if name not in sizes:
        return {}, f"{name}: missing"
    if not sizes[name]:
        return {}, f"{name}: is empty"
    try:
        content = json.loads(read(name, 0, sizes[name] - 1))
    except ValueError:
        return {}, f"{name}: is not JSON"
    return (content, None) if isinstance(content, dict) else ({}, f"{name}: is not a JSON object")


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
