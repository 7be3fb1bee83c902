"""Whether the model's folder can be served, judged by its files: one line per problem, before the engine starts.

A deployment checks this in S3 already, by the same rules (`text_rules.py`, `weight_rules.py`); here they catch later changes, and
folders that were never checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdk_sglang_container.text_rules import config_problems, tokenizer_problems
from cdk_sglang_container.weight_rules import header, misplaced, selection

if TYPE_CHECKING:
    from collections.abc import Mapping

# Formats whose weights are the safetensors files of this folder.
SAFETENSORS = ("auto", "safetensors", "fastsafetensors", "runai_streamer", "instanttensor", "layered", "mistral")
# What `auto` reads if there are none (srt/model_loader/loader.py, _prepare_weights).
_PICKLES = ("*.bin", "*.pt")
_MISTRAL = "mistral"
_WITHOUT_CONFIG = ("gguf", _MISTRAL)


class Folder:
    """A folder's files, as the rules read them.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sizes = {file.name: file.stat().st_size for file in path.iterdir() if file.is_file()}

    def read(self, name: str, first: int, last: int) -> bytes:
        """Bytes of a file, the last position included."""
        with (self._path / name).open("rb") as file:
            file.seek(first)
            return file.read(last - first + 1)

    def has(self, pattern: str) -> bool:
        """Whether a file's name matches."""
        return any(Path(name).match(pattern) for name in self.sizes)


def model_problems(values: Mapping[str, Any]) -> list[str]:
    """Problems of the folder that `--model-path` names, one line each; empty if it is not a folder in this container.

    Args:
        values: Fields of SGLang's `ServerArgs` by name, as parsed.
    """
    path = Path(str(values.get("model_path")))
    if not path.is_absolute():
        return []  # a hub's name or s3://: left to SGLang
    if not path.is_dir():
        return [f"model folder {path}: is not there; the model's S3 prefix is empty or another one"]
    if not any(path.iterdir()):
        return [f"model folder {path}: is empty; the model's S3 prefix is empty or another one"]
    load_format = str(values.get("load_format") or "auto")
    tokenizer = Path(str(values.get("tokenizer_path") or path))
    try:
        folder = Folder(path)
        problems = [] if load_format in _WITHOUT_CONFIG else config_problems(folder.sizes, folder.read)
        if tokenizer == path and not values.get("skip_tokenizer_init") and not folder.has("*.gguf"):
            problems += tokenizer_problems(folder.sizes, folder.read)
        if load_format in SAFETENSORS:
            problems += weight_problems(folder, load_format=load_format)
    except OSError as error:
        problems = [f"{Path(str(error.filename)).name} cannot be read: {error.strerror}"]
    return [f"model folder {path}: {problem}" for problem in problems] + _tokenizer_elsewhere(path, tokenizer, values)


def weight_problems(folder: Folder, *, load_format: str) -> list[str]:
    """Problems of the safetensors files of a folder, and of their index.

    Args:
        folder: The folder.
        load_format: SGLang's `--load-format`.
    """
    chosen = selection(folder.sizes, folder.read, consolidated=load_format == _MISTRAL)
    if not chosen.files and not chosen.problems:
        others: tuple[str, ...] = (*_PICKLES, "*.gguf") if load_format == "auto" else ()
        return (
            [] if any(map(folder.has, others)) else ["no *.safetensors: holds no weights; copy them beside config.json"]
        )
    headers = {name: header(name, folder.sizes[name], folder.read) for name in chosen.files}
    broken = [found.problem for found in headers.values() if found.problem]
    return [*chosen.problems, *broken, *misplaced(chosen, headers)]


def _tokenizer_elsewhere(model: Path, tokenizer: Path, values: Mapping[str, Any]) -> list[str]:
    if tokenizer == model or not tokenizer.is_absolute() or values.get("skip_tokenizer_init") or tokenizer.is_file():
        return []
    if not tokenizer.is_dir():
        return [f"tokenizer folder {tokenizer}: is not there; the S3 prefix lacks it, or the path is another one"]
    try:
        folder = Folder(tokenizer)
        problems = tokenizer_problems(folder.sizes, folder.read)
    except OSError as error:
        problems = [f"{Path(str(error.filename)).name} cannot be read: {error.strerror}"]
    return [f"tokenizer folder {tokenizer}: {problem}" for problem in problems]
