"""Choose the files of a repository to stage: those that SGLang reads, each once."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from .hub import HubFile
from .manifest import MANIFEST
from .problems import WeightsError

NEVER: Final = {
    "original/*": "the same weights in the format they were trained in",
    "*.gguf": "another format",
    "*.onnx": "another format",
    "*.onnx_data": "another format",
    "onnx/*": "another format",
    "openvino/*": "another format",
    "coreml/*": "another format",
    "*.mlmodel": "another format",
    "*.tflite": "another format",
    "*.h5": "another format",
    "*.msgpack": "another format",
    "*.ot": "another format",
    ".git*": "not part of the model",
    "*.png": "a picture of the model card",
    "*.jpg": "a picture of the model card",
    "*.jpeg": "a picture of the model card",
    "*.gif": "a picture of the model card",
    "*.pdf": "a paper",
    "model.py": "code that AWS's containers run",
    "requirements.txt": "packages that AWS's containers install",
    "code/*": "code that AWS's containers run",
}
"""The last three are paths from which containers load code of the model's owner: model-hosting-container-standards 0.1.16 (sagemaker/config.py,
common/dependency_manager.py), and `code/` of aws/sagemaker-inference-toolkit (environment.py, code_dir, read 2026-11-29). SGLang
reads none of them unless a config names it; `include` takes them."""
PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
"""Formats that run code when they are loaded (https://docs.python.org/3/library/pickle.html)."""
_CONSOLIDATED: Final = "consolidated*.safetensors"
_PART_BYTES_MAX: Final = 255  # NAME_MAX of Linux
_PATH_BYTES_MAX: Final = 700  # of the 1,024 that S3 allows for a key, prefix included
_UNREADABLE: Final = frozenset(
    {"Cc", "Cf", "Cs", "Zl", "Zp"}
)  # control and format characters, surrogates, line separators


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Files of a repository to stage, and the reasons for leaving the others out."""

    files: tuple[HubFile, ...]
    left_out: dict[str, str]

    @property
    def size(self) -> int:
        """Size of the chosen files in bytes."""
        return sum(file.size for file in self.files)


def choose(files: Sequence[HubFile], *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Choice:
    """Choose the files to stage.

    Args:
        files: All files of the repository.
        include: Patterns of files to stage in spite of the rules.
        exclude: Patterns of further files to leave out.

    Raises:
        WeightsError: No file that can be served is left, a path escapes the prefix, or a name cannot be copied.
    """
    names = [file.path for file in files]
    for name in names:
        if any(part in {"", ".", ".."} for part in name.split("/")):
            raise WeightsError(f"{name!r}: is not a path inside a repository")
    plain = [name for name in names if name.endswith(".safetensors") and not fnmatchcase(name, "original/*")]
    selection, left_out = [], {}
    for file in files:
        reason = _why_not(file.path, exclude=exclude, plain=plain)
        if reason is None or _any(file.path, include):
            selection.append(file)
        else:
            left_out[file.path] = reason
    _check_names([file.path for file in selection])
    if not any(file.path.endswith(".safetensors") for file in selection):
        pickled = [file.path for file in files if _any(file.path, PICKLES)]
        if pickled and not any(_any(name, include) for name in pickled):
            raise WeightsError(
                f"holds pickles alone ({pickled[0]} …), which run code when they are read; take a revision with safetensors, "
                "or include them by name if you trust their author"
            )
        if not pickled:
            raise WeightsError("holds no weights in safetensors; is it a model that transformers can load?")
    return Choice(files=tuple(selection), left_out=left_out)


def _check_names(names: Sequence[str]) -> None:
    """Refuse names that this program or a reader of the files would misinterpret.

    Raises:
        WeightsError: A name is ambiguous or unsafe.
    """
    earlier_names: dict[str, str] = {}
    folders = {parent for name in names for parent in _parents(name)}
    for name in names:
        alike = unicodedata.normalize("NFC", name).casefold()
        why = _not_a_name(name)
        if why is None and name in folders:
            why = "is a file and a folder"
        elif why is None and alike in earlier_names:
            why = f"differs from {earlier_names[alike]!r} by case alone, or not at all: which of them is read depends on the machine"
        earlier_names[alike] = name
        if why is not None:
            raise WeightsError(f"{name!r}: {why}; leave it out with exclude, if the model is whole without it")


def _not_a_name(name: str) -> str | None:
    parts = name.split("/")
    if parts[-1].casefold() == MANIFEST:
        return "has the name of the record that this program writes last, and would say that the staging is complete"
    if "\\" in name or any(unicodedata.category(sign) in _UNREADABLE for sign in name):
        return "holds a backslash, a control character or one that cannot be seen"
    if any(len(part.encode()) > _PART_BYTES_MAX for part in parts) or len(name.encode()) > _PATH_BYTES_MAX:
        return f"is too long; {_PART_BYTES_MAX} bytes a part and {_PATH_BYTES_MAX} in all can be copied"
    return None


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _why_not(name: str, *, exclude: Sequence[str], plain: Sequence[str]) -> str | None:
    if _any(name, exclude):
        return "excluded"
    for pattern, why in NEVER.items():
        if fnmatchcase(name, pattern):
            return why
    if plain and _any(name, PICKLES):
        return "a pickle, beside safetensors of the same weights"
    others = any(not fnmatchcase(other, _CONSOLIDATED) for other in plain)
    if others and (fnmatchcase(name, _CONSOLIDATED) or name == "consolidated.safetensors.index.json"):
        return "the same weights in one piece"
    return None


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
