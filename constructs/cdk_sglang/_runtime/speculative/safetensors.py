"""Headers of safetensors files, read by their first bytes: names, types and shapes, never weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_NUMBERED = re.compile(r"(?P<stem>.+)-(?P<number>\d+)-of-(?P<count>\d+)\.safetensors")
_LENGTH_BYTES = 8
HEADER_MAX = 100_000_000
"""Largest header that the format's own library accepts (safetensors 0.6, `MAX_HEADER_SIZE`; read 2026-11)."""
_FIRST = 1 << 16


class FormatError(Exception):
    """A file is not a complete safetensors file; the text says which and why."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor of a file.

    Attributes:
        file: Name of the file.
        dtype: Type, for example BF16.
        shape: Shape.
        size: Size in bytes.
    """

    file: str
    dtype: str
    shape: tuple[int, ...]
    size: int


def tensors(
    sizes: Mapping[str, int], read: Callable[[str, int, int], bytes], read_all: Callable[[str], bytes]
) -> dict[str, Tensor]:
    """Return the tensors of a folder by name.

    Args:
        sizes: Sizes of the folder's files by name.
        read: Returns bytes of a file: name, first, size.
        read_all: Returns a whole file.

    Raises:
        FormatError: A file is missing, truncated or in another format.
    """
    found: dict[str, Tensor] = {}
    for file in _names(sizes, read_all):
        for name, tensor in _header(file, sizes[file], read).items():
            if name in found:
                raise FormatError(f"{file}: tensor {name} is in {found[name].file} too; upload the draft again")
            found[name] = tensor
    return found


def _names(sizes: Mapping[str, int], read_all: Callable[[str], bytes]) -> list[str]:
    if INDEX in sizes:
        try:
            names = sorted(set(json.loads(read_all(INDEX))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"{INDEX}: no index of safetensors files ({error!r}); upload the draft again") from error
        missing = [name for name in names if name not in sizes]
        if missing:
            raise FormatError(f"{missing[0]}: missing, though {INDEX} names it; upload the draft again")
        return names
    names = sorted(name for name in sizes if name.endswith(".safetensors") and "/" not in name)
    if not names:
        raise FormatError(f"{WEIGHTS}: missing; a draft has its weights in safetensors files beside config.json")
    _check_numbers(names)
    return names


def _check_numbers(names: list[str]) -> None:
    """Compare `model-00001-of-00002.safetensors` with its siblings, if no index names them; numbering starts at 1 or 0."""
    numbers: dict[tuple[str, str, int], set[int]] = {}
    for name in names:
        if match := _NUMBERED.fullmatch(name):
            key = (match["stem"], match["count"], len(match["number"]))
            numbers.setdefault(key, set()).add(int(match["number"]))
    for (stem, count, width), found in sorted(numbers.items()):
        start = 0 if 0 in found else 1
        missing = next((number for number in range(start, start + int(count)) if number not in found), None)
        if missing is not None:
            file = f"{stem}-{missing:0{width}d}-of-{count}.safetensors"
            raise FormatError(f"{file}: missing, one of {int(count)}; upload the draft again")


def _header(file: str, size: int, read: Callable[[str, int, int], bytes]) -> dict[str, Tensor]:
    first = read(file, 0, min(size, _FIRST)) if size else b""
    if len(first) < _LENGTH_BYTES:
        raise FormatError(f"{file}: cut short at {size} bytes; upload the draft again")
    length = int.from_bytes(first[:_LENGTH_BYTES], "little")
    if length > HEADER_MAX:
        raise FormatError(f"{file}: no safetensors file: a header of {length} bytes; expected at most {HEADER_MAX}")
    end = _LENGTH_BYTES + length
    if end > size:
        raise FormatError(f"{file}: cut short: {size} bytes, and its header alone takes {end}; upload the draft again")
    text = first[_LENGTH_BYTES:end]
    if len(text) < length:
        text += read(file, len(first), end - len(first))
    try:
        content: dict[str, Any] = json.loads(text)
        found = {name: _tensor(file, part) for name, part in content.items() if name != "__metadata__"}
        last = max((part["data_offsets"][1] for name, part in content.items() if name != "__metadata__"), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise FormatError(f"{file}: no safetensors file: its header cannot be read ({error!r})") from error
    if end + last > size:
        raise FormatError(f"{file}: cut short: {size} bytes of {end + last}; upload the draft again")
    return found


def _tensor(file: str, part: Mapping[str, Any]) -> Tensor:
    first, last = part["data_offsets"]
    return Tensor(
        file=file, dtype=str(part["dtype"]), shape=tuple(int(axis) for axis in part["shape"]), size=last - first
    )
