"""Whether what lies beside a model's weights can be read: config, tokenizer, templates. The files are opened, not counted.

One text for the deployment's check (files in S3) and the serving container's (files in its folder); a test compares the two.
Nothing but the standard library here.

What a damaged file does was tried with transformers 5.19 (2026-11-30): an empty `tokenizer.model`, or a Git LFS pointer in its place, gives a
tokenizer that turns every prompt into no tokens, without an error; cut JSON and `vocab.json` without `merges.txt` end the start-up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Final

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

CONFIG: Final = "config.json"
_OBJECTS: Final = (
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.json",
)
"""Files of JSON objects that transformers opens if they are there."""
_TEXTS: Final = ("merges.txt", "vocab.txt", "*.jinja", "configuration_*.py", "modeling_*.py", "tokenization_*.py")
_PROTOBUFS: Final = ("*.model", "*.model.v*")
_TIKTOKEN: Final = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+")
_NEWLINE: Final = b"\n"
_POINTER: Final = b"version https://git-lfs"  # https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_PAGE: Final = re.compile(rb"\s*<(!doctype\s+html|html)\b", re.IGNORECASE)
_HEAD_BYTES: Final = 256
_PART_BYTES: Final = 1024 * 1024
_WHOLE_MAX_BYTES: Final = 64 * 1024 * 1024
_STRING_MAX_BYTES: Final = 8 * 1024 * 1024
_OVERLAP_BYTES: Final = 64
_LENGTH_DELIMITED: Final = (
    2  # the wire type of a length and as many bytes (https://protobuf.dev/programming-guides/encoding/)
)
_PIECES: Final = 0x0A  # a ModelProto begins with its pieces (google/sentencepiece, src/sentencepiece_model.proto)

_OUTSIDE: Final = re.compile(rb'(?:[^"]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""JSON up to a string that is not at its end."""
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BETWEEN: Final = b" \t\r\n,:-+.0123456789eEtrufalsn"
"""Bytes of JSON that are neither strings nor brackets."""
_NESTED_MAX: Final = 1000
_VOCABULARIES: Final[Mapping[str, tuple[str, re.Pattern[bytes]]]] = {
    "tokenizer.json": ("model", re.compile(rb'"model"\s*:\s*\{')),
    "tekken.json": ("vocab", re.compile(rb'"vocab"\s*:\s*\[')),
    "vocab.json": ("tokens", _STRING),
}
"""Vocabularies in JSON, with what tokenizers 0.23 and mistral-common refuse them without (tried 2026-11-30)."""

Read = Callable[[str, int, int], bytes]
"""Returns bytes of a file: name, first and last byte, both included."""


def config_problems(sizes: Mapping[str, int], read: Read) -> list[str]:
    """Return why `config.json` is not a model's.

    Args:
        sizes: Sizes of the folder's files in bytes, by name.
        read: Reads from a file.
    """
    if CONFIG not in sizes:
        return [f"{CONFIG}: missing"]
    if why := _not_the_file(CONFIG, sizes[CONFIG], read):
        return [why]
    content, problem = _object(CONFIG, sizes[CONFIG], read)
    if problem:
        return [problem]
    if not content.get("model_type") and not content.get("architectures"):
        return [f"{CONFIG}: names neither model_type nor architectures; is it a model's?"]
    return []


def tokenizer_problems(sizes: Mapping[str, int], read: Read) -> list[str]:
    """Return why the tokenizer, or another file that is read with it, would fail or answer wrongly; one line for each file.

    Args:
        sizes: Sizes of the folder's files in bytes, by name.
        read: Reads from a file.
    """
    names = sorted(name for name in sizes if "/" not in name)
    vocabularies = [name for name in names if _any(name, TOKENIZERS)]
    problems = []
    if not vocabularies:
        problems.append(
            "tokenizer.json: missing, and so is every other vocabulary; copy the tokenizer's files beside the weights"
        )
    if vocabularies == ["vocab.json"] and "merges.txt" not in sizes:
        problems.append(
            "merges.txt: missing, and vocab.json is half a tokenizer without it; copy it, or tokenizer.json, beside the weights"
        )
    opened = [name for name in names if _any(name, (*TOKENIZERS, *_OBJECTS, *_TEXTS))]
    return problems + [why for name in opened if (why := _why_unreadable(name, sizes[name], read))]


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _why_unreadable(name: str, size: int, read: Read) -> str | None:
    if why := _not_the_file(name, size, read):
        return why
    if name in _VOCABULARIES:
        return _vocabulary(name, size, read)
    if name in _OBJECTS:
        return _object(name, size, read)[1]
    if name.endswith(".tiktoken") or _any(name, _PROTOBUFS):
        return _binary_vocabulary(name, size, read)
    return None


def _not_the_file(name: str, size: int, read: Read) -> str | None:
    """Return why a file is another one than its name says: nothing, a pointer, a web page."""
    if not size:
        return f"{name}: is empty"
    head = read(name, 0, min(size, _HEAD_BYTES) - 1)
    if head.startswith(_POINTER):
        return f"{name}: is a Git LFS pointer of {size} bytes, not the file; run git lfs pull, and copy it again"
    if _PAGE.match(head) and not name.endswith(".jinja"):
        return f"{name}: is a web page, not the file; download it again"
    return None


def _object(name: str, size: int, read: Read) -> tuple[dict[str, object], str | None]:
    try:
        content = json.loads(
            read(name, 0, size - 1).decode("utf-8")
        )  # as transformers reads it: no other encoding, no mark
    except (ValueError, RecursionError):
        return {}, f"{name}: is not JSON"
    return (content, None) if isinstance(content, dict) else ({}, f"{name}: is not a JSON object")


def _vocabulary(name: str, size: int, read: Read) -> str | None:
    """Look at a JSON file of up to some hundred megabytes part by part, without building what it describes."""
    what, pattern = _VOCABULARIES[name]
    rest, brackets, overlap, is_found = b"", b"", b"", False
    for start in range(0, size, _PART_BYTES):
        part = read(name, start, min(size, start + _PART_BYTES) - 1)
        is_found = is_found or pattern.search(overlap + part) is not None
        overlap = (overlap + part)[-_OVERLAP_BYTES:]
        part = rest + part
        outside = _OUTSIDE.match(part)
        assert outside is not None  # it matches nothing, too
        whole = part[: outside.end()]
        rest = part[len(whole) :]
        if (kept := _unmatched(brackets + _STRING.sub(b"", whole).translate(None, _BETWEEN))) is None:
            return f"{name}: is not JSON; copy it again"
        brackets = kept
        if not brackets.startswith(b"{") and (brackets or start + _PART_BYTES < size):
            return f"{name}: is not a JSON object; copy it again"
        if len(rest) > _STRING_MAX_BYTES:
            return f"{name}: is not JSON; copy it again"
    if brackets or rest:
        return f"{name}: is cut short: its JSON does not end within its {size} bytes; copy it again"
    return None if is_found else f"{name}: has no {what}, so it is no tokenizer; copy it again"


def _unmatched(brackets: bytes) -> bytes | None:
    """Return the brackets that are still open; None if there is anything else, or one that closes another's."""
    for _ in range(_NESTED_MAX):
        fewer = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return None if brackets.strip(b"{[") else brackets


def _binary_vocabulary(name: str, size: int, read: Read) -> str | None:
    """Look at a SentencePiece model or a vocabulary of tiktoken; what is neither is left to the engine."""
    if size > _WHOLE_MAX_BYTES:
        return None
    body = read(name, 0, size - 1)
    if body[0] == _PIECES:
        whole = _is_whole_message(body)
        return None if whole else f"{name}: is cut short: its SentencePiece model does not end at byte {size}"
    text = body.rstrip(b"\r\n")
    first, last = text.partition(b"\n")[0], text.rpartition(b"\n")[2]
    if _TIKTOKEN.fullmatch(first.rstrip(b"\r")) and not _TIKTOKEN.fullmatch(last):
        return f"{name}: is cut short: line {text.count(_NEWLINE) + 1} is no token and its rank; copy it again"
    return None


def _is_whole_message(body: bytes) -> bool:
    """Whether a protocol buffer's outermost fields end where the bytes end (https://protobuf.dev/programming-guides/encoding/)."""
    place = 0
    try:
        while place < len(body):
            tag, place = _varint(body, place)
            kind = tag & 7
            if kind == 0:
                _, place = _varint(body, place)
            elif kind == _LENGTH_DELIMITED:
                length, place = _varint(body, place)
                place += length
            elif kind in {1, 5}:
                place += 8 if kind == 1 else 4
            else:
                return False
    except IndexError:
        return False
    return place == len(body)


def _varint(body: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:  # the last byte of a number has no high bit
            return value, place
