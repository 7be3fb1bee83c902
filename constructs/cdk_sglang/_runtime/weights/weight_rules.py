"""Which safetensors files of a model's folder SGLang reads, and whether they are complete: names, sizes, headers, index.

One text for the deployment's check (files in S3) and the serving container's (files in its folder); a test compares the two.
Nothing but the standard library here.

SGLang 0.5.23 reads the `*.safetensors` of the folder itself; an index says which of them, and a file that the index does not name is not
opened (srt/model_loader/loader.py, `_prepare_weights`; weight_utils.py, `filter_duplicate_safetensors_files`; read 2026-11-30).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, Final

INDEX: Final = "model.safetensors.index.json"
CONSOLIDATED: Final = "consolidated*.safetensors"
CONSOLIDATED_INDEX: Final = "consolidated.safetensors.index.json"
"""Index of the format `mistral` (`--load-format mistral`)."""

_NUMBERED: Final = re.compile(r"(?P<stem>.+)-(?P<number>\d+)-of-(?P<count>\d+)\.safetensors")
_SHARDS_MAX: Final = 10_000  # a name such as x-1-of-999999999999 asks for no list of them
_LENGTH_BYTES: Final = 8
_HEADER_MAX_BYTES: Final = 100_000_000  # safetensors/src/tensor.rs, MAX_HEADER_SIZE
_FIRST_READ_BYTES: Final = 256 * 1024
_SHOWN: Final = 5

_POINTER: Final = b"version https://git-lfs"  # https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md

Read = Callable[[str, int, int], bytes]
"""Returns bytes of a file: name, first and last byte, both included."""


class _BrokenError(Exception):
    """A file is no safetensors file, or not all of one."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Files that SGLang reads.

    Attributes:
        files: Names of the files that are there.
        places: File of each tensor by the index; empty if there is no index.
        index: Name of the index; empty if there is none.
        problems: Problems of the index, and missing files, one line each.
    """

    files: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    index: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Header:
    """Header of a safetensors file.

    Attributes:
        tensors: Names of its tensors.
        data_bytes: Size of the tensors in bytes.
        problem: Why the file is not complete; None if it is.
    """

    tensors: frozenset[str] = frozenset()
    data_bytes: int = 0
    problem: str | None = None


def selection(sizes: Mapping[str, int], read: Read, *, consolidated: bool = False) -> Selection:
    """Return the files that SGLang reads, by the index or, without an index, by their names.

    Args:
        sizes: Sizes of the folder's files in bytes, by name.
        read: Reads from a file.
        consolidated: Whether the format is `mistral`, which reads `consolidated*.safetensors` alone.
    """
    shards = sorted(name for name in sizes if name.endswith(".safetensors") and "/" not in name)
    plain = [name for name in shards if not fnmatchcase(name, CONSOLIDATED)]
    if consolidated or (shards and not plain and INDEX not in sizes):
        shards, index = [name for name in shards if name not in plain], CONSOLIDATED_INDEX
    else:
        index = INDEX
    if index in sizes:
        return _by_index(index, sizes, read, shards)
    if shards == ["consolidated.safetensors", "model.safetensors"]:
        shards = ["model.safetensors"]  # the same weights twice, of which SGLang takes the second
    return Selection(files=tuple(shards), problems=tuple(_missing_numbers(shards)))


def header(name: str, size: int, read: Read) -> Header:
    """Return the header of a safetensors file.

    Args:
        name: Name of the file.
        size: Its size in bytes.
        read: Reads from a file.
    """
    try:
        begin, entries = _entries(name, size, read)
    except _BrokenError as error:
        return Header(problem=f"{name}: {error}")
    try:
        spans = sorted((int(entry["data_offsets"][0]), int(entry["data_offsets"][1])) for entry in entries.values())
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return Header(problem=f"{name}: has no readable safetensors header")
    end = spans[-1][1] if spans else 0
    problem = None
    if not spans:
        problem = "holds no tensors; copy it again"
    elif spans[0][0] != 0 or any(last != first for (_, last), (first, _) in pairwise(spans)):
        problem = "has a header whose tensors overlap or leave gaps; copy it again"
    elif size != begin + end:
        what = "is cut short" if size < begin + end else "is too long"
        problem = f"{what}: it has {size} bytes, its header announces {begin + end}; copy it again"
    return Header(
        tensors=frozenset(map(str, entries)), data_bytes=end, problem=None if problem is None else f"{name}: {problem}"
    )


def misplaced(chosen: Selection, headers: Mapping[str, Header]) -> list[str]:
    """Return which tensors of the index are not in the file that it names, one line for all of them.

    Args:
        chosen: The files.
        headers: Headers of the files by name.
    """
    whole = {name: found.tensors for name, found in headers.items() if not found.problem}
    wrong = sorted(tensor for tensor, file in chosen.places.items() if file in whole and tensor not in whole[file])
    if not wrong:
        return []
    place = chosen.places[wrong[0]]
    return [f"{place}: lacks {listed(wrong)}, which {chosen.index} places there; the files are of two models"]


def listed(names: Iterable[str]) -> str:
    """Return the first names and the number of the others."""
    every = list(names)
    more = len(every) - _SHOWN
    return ", ".join(every[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _entries(name: str, size: int, read: Read) -> tuple[int, dict[str, Any]]:
    """Return where the tensors begin, and the header's entries."""
    if size < _LENGTH_BYTES:
        raise _BrokenError(f"is no safetensors file: it has {size} bytes")
    start = read(name, 0, min(size, _FIRST_READ_BYTES) - 1)
    if start.startswith(_POINTER):
        raise _BrokenError(f"is a Git LFS pointer of {size} bytes, not the file; run git lfs pull, and copy it again")
    length = int.from_bytes(start[:_LENGTH_BYTES], "little")
    if length > _HEADER_MAX_BYTES:
        raise _BrokenError(f"is no safetensors file: its header would have {length} bytes")
    begin = _LENGTH_BYTES + length
    if begin > size:
        raise _BrokenError(f"is cut short: it has {size} bytes, its header alone announces {begin}")
    if begin > len(start):
        start += read(name, len(start), begin - 1)
    try:
        entries = json.loads(start[_LENGTH_BYTES:begin])
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, dict):
        raise _BrokenError("has no readable safetensors header")
    return begin, {key: entry for key, entry in entries.items() if key != "__metadata__"}


def _by_index(index: str, sizes: Mapping[str, int], read: Read, shards: list[str]) -> Selection:
    places, problem = _weight_map(index, sizes[index], read)
    if problem:
        return Selection(files=tuple(shards), index=index, problems=(problem,))
    names = sorted(set(places.values()))
    missing = [name for name in names if name not in sizes]
    elsewhere = [name for name in names if name in sizes and name not in shards]
    problems = []
    if missing:
        there = len(names) - len(missing)
        problems.append(f"{listed(missing)}: missing; {there} of {len(names)} shards that {index} names are there")
    if elsewhere:
        problems.append(
            f"{listed(elsewhere)}: is named by {index}, and SGLang reads *.safetensors of the folder itself alone, so these "
            "weights would be missing; move them there, and change the index"
        )
    files = tuple(name for name in names if name in shards)
    return Selection(files=files, places=places, index=index, problems=tuple(problems))


def _weight_map(index: str, size: int, read: Read) -> tuple[dict[str, str], str | None]:
    if not size:
        return {}, f"{index}: is empty"
    try:
        content: Any = json.loads(read(index, 0, size - 1).decode("utf-8"))
    except (ValueError, RecursionError):
        return {}, f"{index}: is not JSON"
    if not isinstance(content, dict):
        return {}, f"{index}: is not a JSON object"
    places = content.get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(file, str) for file in places.values()):
        return {}, f"{index}: has no weight_map"
    return places, None


def _missing_numbers(shards: list[str]) -> list[str]:
    """Compare `model-00002-of-00005.safetensors` with its siblings; the first is 1, or 0."""
    sets: dict[tuple[str, str, int], set[int]] = {}
    for name in shards:
        if match := _NUMBERED.fullmatch(name):
            key = (match["stem"], match["count"], len(match["number"]))
            sets.setdefault(key, set()).add(int(match["number"]))
    problems = []
    for (stem, count, width), numbers in sorted(sets.items()):
        start = 0 if 0 in numbers else 1
        total = min(int(count), _SHARDS_MAX)
        missing = [number for number in range(start, start + total) if number not in numbers]
        if missing:
            names = [f"{stem}-{number:0{width}d}-of-{count}.safetensors" for number in missing]
            problems.append(f"{listed(names)}: missing; {total - len(missing)} of {int(count)} shards are there")
    return problems
