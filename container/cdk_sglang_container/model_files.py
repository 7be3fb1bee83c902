"""Whether the model's folder can be served, seen from its files: said in one line, before the engine starts.

A deployment checks this in S3 already; here it catches what was changed since, and folders that nobody checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdk_sglang_container.adapters import AdapterError, read_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

# Vocabularies that transformers and SGLang read (the same names as the deployment's check of weights).
_TOKENIZERS = (
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
# Formats whose weights are the safetensors files of this folder.
_SAFETENSORS = ("auto", "safetensors", "fastsafetensors", "runai_streamer", "instanttensor", "layered")


def model_problems(values: Mapping[str, Any]) -> list[str]:
    """Problems of the folder that `--model-path` names, one line each; none where it is no folder of this container.

    Args:
        values: Fields of SGLang's `ServerArgs` by name, as parsed.
    """
    folder = Path(str(values.get("model_path")))
    if not folder.is_absolute():
        return []  # a hub's name or s3://: SGLang's own business
    if not folder.is_dir():
        return [f"model folder {folder}: is not there; the model's S3 prefix is empty or another one"]
    if not any(folder.iterdir()):
        return [f"model folder {folder}: is empty; the model's S3 prefix is empty or another one"]
    problems = []
    if not (folder / "config.json").is_file() and values.get("load_format") not in {"gguf", "mistral"}:
        problems.append(f"model folder {folder}: config.json is missing")
    tokenizer = values.get("tokenizer_path") or folder
    own = Path(str(tokenizer)) == folder and not values.get("skip_tokenizer_init")
    if own and not any(next(folder.glob(name), None) for name in _TOKENIZERS) and not next(folder.glob("*.gguf"), None):
        problems.append(f"model folder {folder}: tokenizer.json is missing, and so is every other vocabulary")
    if values.get("load_format", "auto") in _SAFETENSORS:
        problems += _cut_short(folder)
    return problems


def _cut_short(folder: Path) -> list[str]:
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            read_tensors(path)
        except AdapterError as error:
            found.append(f"model folder {folder}: {error}")
        except OSError as error:
            found.append(f"model folder {folder}: {path.name} cannot be read: {error.strerror}")
    return found
