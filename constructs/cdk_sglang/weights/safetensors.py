"""Headers of safetensors files: names and shapes of tensors, and the length of the file. Format: github.com/huggingface/safetensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdk_sglang.errors import ConfigurationError, Problem

_LENGTH_BYTES: Final = 8
_HEADER_MAX_BYTES: Final = 100_000_000
"""The format's own limit (safetensors/src/tensor.rs, MAX_HEADER_SIZE)."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Names and shapes of a file's tensors.

    Attributes:
        shapes: Shape by tensor name.
        dtypes: Type by tensor name, as the format spells it (BF16).
        data_bytes: Bytes of all tensors.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    data_bytes: int


def read_header(file: Path) -> Header:
    """Read the header of a file and compare the file's length with the header.

    Raises:
        ConfigurationError: The file is not a safetensors file, or is cut short.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        if size < _LENGTH_BYTES or length > _HEADER_MAX_BYTES or length > size:
            raise ConfigurationError([Problem(file, f"is not a safetensors file, or is cut short ({size} bytes)")])
        text = stream.read(length)
    try:
        entries = json.loads(text)
        entries.pop("__metadata__", None)
        shapes = {str(name): tuple(int(axis) for axis in entry["shape"]) for name, entry in entries.items()}
        dtypes = {str(name): str(entry["dtype"]) for name, entry in entries.items()}
        data = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise ConfigurationError([Problem(file, "has no readable safetensors header")]) from None
    whole = _LENGTH_BYTES + length + data
    if size != whole:
        raise ConfigurationError(
            [Problem(file, f"is cut short: it has {size} bytes, its header announces {whole}; copy it again")]
        )
    return Header(shapes=shapes, dtypes=dtypes, data_bytes=data)
