"""Folders of models, whole and damaged: one table for the deployment's check of weights and the serving container's preflight."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.weights import safetensors_bytes

TOKENIZER = json.dumps(
    {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}
).encode()
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
PAGE = b"<!DOCTYPE html>\n<html><body>Not found</body></html>"
SENTENCEPIECE = (
    b"".join(b"\x0a" + bytes([len(piece)]) + piece for piece in (b"\x0a\x05<unk>", b"\x0a\x01a")) + b"\x12\x02\x18\x01"
)
"""Two pieces and a trainer's specification, as sentencepiece_model.proto lays them out."""
TIKTOKEN = b"IQ== 0\nIg== 1\nIw== 2\n"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = b'{"model_type": "llama"}'


def index(places: Mapping[str, str]) -> bytes:
    """Return an index."""
    return json.dumps({"metadata": {"total_size": 7}, "weight_map": dict(places)}).encode()


def shard(*tensors: str) -> bytes:
    """Return a safetensors file."""
    return safetensors_bytes(dict.fromkeys(tensors, (4, 4)))


WHOLE: Mapping[str, bytes] = {
    "config.json": CONFIG,
    "tokenizer.json": TOKENIZER,
    INDEX: index({"a": ONE, "b": TWO}),
    ONE: shard("a"),
    TWO: shard("b"),
}
_TEXTS: Mapping[str, bytes] = {"config.json": CONFIG, "tokenizer.json": TOKENIZER}
_WEIGHTS: Mapping[str, bytes] = {"config.json": CONFIG, "model.safetensors": shard("a")}


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A case.

    Attributes:
        name: Id of the case.
        files: Content by name.
        says: Lines of both checks, each a part of it; empty for a whole model.
    """

    name: str
    files: Mapping[str, bytes]
    says: tuple[str, ...] = ()

    def write(self, folder: Path) -> Path:
        """Write the files into a folder."""
        for name, body in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(body)
        return folder


def _without(files: Mapping[str, bytes], *names: str) -> dict[str, bytes]:
    return {name: body for name, body in files.items() if name not in names}


def _numbered(*names: str, **more: bytes) -> dict[str, bytes]:
    return {**_TEXTS, **{name: shard(f"t{place}") for place, name in enumerate(names)}, **more}


GOOD = (
    Folder(name="shards and index", files=WHOLE),
    Folder(name="one file", files={**_TEXTS, "model.safetensors": shard("a")}),
    Folder(
        name="numbered from 0", files=_numbered("model-00000-of-00002.safetensors", "model-00001-of-00002.safetensors")
    ),
    Folder(
        name="numbered from 0, with an index",
        files={
            **_TEXTS,
            INDEX: index({"a": "model-00000-of-00002.safetensors", "b": "model-00001-of-00002.safetensors"}),
            "model-00000-of-00002.safetensors": shard("a"),
            "model-00001-of-00002.safetensors": shard("b"),
        },
    ),
    Folder(
        name="a number that the index skips",
        files={
            **_TEXTS,
            INDEX: index({"a": "model-00003-of-00009.safetensors"}),
            "model-00003-of-00009.safetensors": shard("a"),
        },
    ),
    Folder(
        name="model.safetensors-00001-of",
        files=_numbered("model.safetensors-00001-of-00002.safetensors", "model.safetensors-00002-of-00002.safetensors"),
    ),
    Folder(
        name="six digits", files=_numbered("model-00001-of-000002.safetensors", "model-00002-of-000002.safetensors")
    ),
    Folder(
        name="the same weights in one piece beside the index's",
        files={
            **WHOLE,
            "consolidated.safetensors": b"cut",
            "model-00001-of-00007.safetensors": b"of an earlier upload",
        },
    ),
    Folder(
        name="the same weights twice without an index",
        files={**_TEXTS, "consolidated.safetensors": b"cut", "model.safetensors": shard("a")},
    ),
    Folder(name="a SentencePiece model", files={**_WEIGHTS, "tokenizer.model": SENTENCEPIECE}),
    Folder(name="a tiktoken vocabulary", files={**_WEIGHTS, "qwen.tiktoken": TIKTOKEN}),
    Folder(name="tiktoken under the name of another", files={**_WEIGHTS, "tokenizer.model": TIKTOKEN}),
    Folder(name="a vocabulary of another kind", files={**_WEIGHTS, "tokenizer.model": b"kept by its own code"}),
    Folder(name="vocab and merges", files={**_WEIGHTS, "vocab.json": b'{"a": 0}', "merges.txt": b"#version: 0.2\n"}),
    Folder(name="a vocab beside the tokenizer", files={**WHOLE, "vocab.json": b'{"a": 0}'}),
    Folder(name="mistral-common", files={**_WEIGHTS, "tekken.json": b'{"config": {}, "vocab": [{"rank": 0}]}'}),
    Folder(
        name="a folder of something else",
        files={**WHOLE, "original/config.json": POINTER, "README.md": b"", ".gitattributes": POINTER},
    ),
)
"""Models that SGLang loads as they are."""


def _bad(name: str, files: Mapping[str, bytes], *says: str) -> Folder:
    return Folder(name=name, files=files, says=says)


BAD = (
    _bad(
        "a shard of the index missing",
        _without(WHOLE, TWO),
        f"{TWO}: missing; 1 of 2 shards that {INDEX} names are there",
    ),
    _bad(
        "a shard whose name has no number",
        {**WHOLE, INDEX: index({"a": ONE, "b": "extra.safetensors"})},
        f"extra.safetensors: missing; 1 of 2 shards that {INDEX} names are there",
    ),
    _bad(
        "all shards of the index missing",
        _without(WHOLE, ONE, TWO),
        f"{ONE}, {TWO}: missing; 0 of 2 shards that {INDEX} names are there",
    ),
    _bad(
        "other shards than the index's",
        {**_numbered("model-00000-of-00001.safetensors"), INDEX: index({"t0": "model-00001-of-00001.safetensors"})},
        f"model-00001-of-00001.safetensors: missing; 0 of 1 shards that {INDEX} names are there",
    ),
    _bad(
        "weights in a folder that SGLang does not read",
        {**_TEXTS, INDEX: index({"a": "weights.bin", "b": ONE}), "weights.bin": b"x", ONE: shard("b")},
        f"weights.bin: is named by {INDEX}, and SGLang reads *.safetensors of the folder itself alone",
    ),
    _bad(
        "the last of those from 0",
        _numbered("m-00000-of-00002.safetensors"),
        "m-00001-of-00002.safetensors: missing; 1 of 2 shards",
    ),
    _bad(
        "the first of those from 1",
        _numbered("m-00002-of-00002.safetensors"),
        "m-00001-of-00002.safetensors: missing; 1 of 2 shards",
    ),
    _bad(
        "of those with the long name",
        _numbered("model.safetensors-00001-of-00002.safetensors"),
        "model.safetensors-00002-of-00002.safetensors: missing; 1 of 2 shards",
    ),
    _bad(
        "of those with six digits",
        _numbered("m-00001-of-000002.safetensors"),
        "m-00002-of-000002.safetensors: missing; 1 of 2 shards",
    ),
    _bad("a shard cut short", {**WHOLE, TWO: shard("b")[:-1]}, f"{TWO}: is cut short: it has"),
    _bad("a shard with more at its end", {**WHOLE, TWO: shard("b") + b"\0"}, f"{TWO}: is too long: it has"),
    _bad(
        "a shard that is a pointer",
        {**WHOLE, TWO: POINTER},
        f"{TWO}: is a Git LFS pointer of 130 bytes, not the file; run git lfs pull",
    ),
    _bad("an empty shard", {**WHOLE, TWO: b""}, f"{TWO}: is no safetensors file: it has 0 bytes"),
    _bad("a shard of no tensors", {**_TEXTS, "model.safetensors": shard()}, "model.safetensors: holds no tensors"),
    _bad(
        "tensors over one another",
        {**_TEXTS, "model.safetensors": shard("a", "b").replace(b"[32, 64]", b"[16, 64]")},
        "model.safetensors: has a header whose tensors overlap or leave gaps",
    ),
    _bad(
        "a shard of another model",
        {**WHOLE, TWO: shard("c")},
        f"{TWO}: lacks b, which {INDEX} places there; the files are of two models",
    ),
    _bad("an index that is a pointer", {**WHOLE, INDEX: POINTER}, f"{INDEX}: is not JSON"),
    _bad("an empty index", {**WHOLE, INDEX: b""}, f"{INDEX}: is empty"),
    _bad("an index of nothing", {**WHOLE, INDEX: index({})}, f"{INDEX}: has no weight_map"),
    _bad("an index of numbers", {**WHOLE, INDEX: b'{"weight_map": {"a": 1}}'}, f"{INDEX}: has no weight_map"),
    _bad("no weights", _TEXTS, "no *.safetensors: holds no weights"),
    _bad("no config", _without(WHOLE, "config.json"), "config.json: missing"),
    _bad(
        "a config that is a pointer",
        {**WHOLE, "config.json": POINTER},
        "config.json: is a Git LFS pointer of 130 bytes",
    ),
    _bad(
        "a config with a byte order mark",
        {**WHOLE, "config.json": b'\xef\xbb\xbf{"model_type": "llama"}'},
        "config.json: is not JSON",
    ),
    _bad(
        "a config in UTF-16",
        {**WHOLE, "config.json": '{"model_type": "llama"}'.encode("utf-16")},
        "config.json: is not JSON",
    ),
    _bad("an index in UTF-16", {**WHOLE, INDEX: '{"weight_map": {}}'.encode("utf-16")}, f"{INDEX}: is not JSON"),
    _bad("a config cut short", {**WHOLE, "config.json": b'{"model_type"'}, "config.json: is not JSON"),
    _bad(
        "no vocabulary", _without(WHOLE, "tokenizer.json"), "tokenizer.json: missing, and so is every other vocabulary"
    ),
    _bad(
        "a tokenizer that is a pointer",
        {**WHOLE, "tokenizer.json": POINTER},
        "tokenizer.json: is a Git LFS pointer of 130 bytes",
    ),
    _bad("an empty tokenizer", {**WHOLE, "tokenizer.json": b""}, "tokenizer.json: is empty"),
    _bad(
        "a tokenizer that is a page", {**WHOLE, "tokenizer.json": PAGE}, "tokenizer.json: is a web page, not the file"
    ),
    _bad(
        "a tokenizer cut short",
        {**WHOLE, "tokenizer.json": TOKENIZER[:-4]},
        "tokenizer.json: is cut short: its JSON does not end within",
    ),
    _bad(
        "a tokenizer without a model",
        {**WHOLE, "tokenizer.json": b"{}"},
        "tokenizer.json: has no model, so it is no tokenizer",
    ),
    _bad(
        "vocab without merges",
        {**_WEIGHTS, "vocab.json": b'{"a": 0}'},
        "merges.txt: missing, and vocab.json is half a tokenizer",
    ),
    _bad(
        "merges that are a pointer",
        {**_WEIGHTS, "vocab.json": b'{"a": 0}', "merges.txt": POINTER},
        "merges.txt: is a Git LFS pointer of 130 bytes",
    ),
    _bad(
        "merges without vocab",
        {**_WEIGHTS, "merges.txt": b"a b\n"},
        "tokenizer.json: missing, and so is every other vocabulary",
    ),
    _bad("a vocab cut short", {**_WEIGHTS, "vocab.json": b'{"a": 0', "merges.txt": b"x"}, "vocab.json: is cut short"),
    _bad(
        "a SentencePiece model that is a pointer",
        {**_WEIGHTS, "tokenizer.model": POINTER},
        "tokenizer.model: is a Git LFS pointer",
    ),
    _bad("an empty SentencePiece model", {**_WEIGHTS, "tokenizer.model": b""}, "tokenizer.model: is empty"),
    _bad(
        "a SentencePiece model cut short",
        {**_WEIGHTS, "tokenizer.model": SENTENCEPIECE[:-1]},
        "tokenizer.model: is cut short",
    ),
    _bad(
        "a tiktoken vocabulary cut short",
        {**_WEIGHTS, "qwen.tiktoken": TIKTOKEN[:-3]},
        "qwen.tiktoken: is cut short: line 3",
    ),
    _bad(
        "a tekken without its vocabulary", {**_WEIGHTS, "tekken.json": b'{"config": {}}'}, "tekken.json: has no vocab"
    ),
    _bad(
        "settings of the tokenizer cut short",
        {**WHOLE, "tokenizer_config.json": b'{"a":'},
        "tokenizer_config.json: is not JSON",
    ),
    _bad(
        "added tokens that are a list", {**WHOLE, "added_tokens.json": b"[]"}, "added_tokens.json: is not a JSON object"
    ),
    _bad(
        "a template that is a pointer",
        {**WHOLE, "chat_template.jinja": POINTER},
        "chat_template.jinja: is a Git LFS pointer",
    ),
    _bad("an empty template", {**WHOLE, "chat_template.jinja": b""}, "chat_template.jinja: is empty"),
    _bad("code that is a pointer", {**WHOLE, "modeling_own.py": POINTER}, "modeling_own.py: is a Git LFS pointer"),
    _bad(
        "a processor that is a pointer",
        {**WHOLE, "preprocessor_config.json": POINTER},
        "preprocessor_config.json: is a Git LFS pointer",
    ),
    _bad(
        "everything wrong",
        {"config.json": b"[]", "tokenizer.json": POINTER, INDEX: index({"a": ONE, "b": TWO}), ONE: shard("a")[:-2]},
        "config.json: is not a JSON object",
        "tokenizer.json: is a Git LFS pointer",
        f"{TWO}: missing; 1 of 2 shards",
        f"{ONE}: is cut short",
    ),
)
"""Models that would fail after minutes, or answer wrongly."""
