"""A LoRA adapter's folder, checked against its config, the server and the base model before SGLang sees it.

SGLang 0.5.23 loads an adapter whose matrices do not fit, answers "success", and its scheduler dies with the first request
that uses it; one that was trained with features that SGLang does not know answers wrongly. The rules are those of
`cdk-sglang adapters pack` (`adapter_fields.py`, `adapter_rules.py`), over the config and the safetensors headers alone.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from cdk_sglang_container.adapter_fields import config_problems, module_names
from cdk_sglang_container.adapter_rules import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    Tensor,
    base_problems,
    missing_modules,
    tensor_problems,
)

_ADDED_TOKENS = "added_tokens.json"
# Characters allowed in a URL path (`DELETE /adapters/{name}`) and in SGLang's `model: <base>:<adapter>`.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,255}")
_HEADER_LENGTH_BYTES = 8
# Bytes of a value, and its exponent's bits (IEEE 754; BF16 is the upper half of F32).
_EXPONENTS = {"F16": (2, 0x7C00), "BF16": (2, 0x7F80), "F32": (4, 0x7F800000), "F64": (8, 0x7FF0000000000000)}
_AT_ONCE = 4 * 2**20
_HEADER_LENGTH_MAX = 100_000_000  # the format's own limit (https://github.com/huggingface/safetensors)


class AdapterError(Exception):
    """The adapter cannot be used; the message says why."""


def check_name(name: str) -> str:
    """Return the name; raise an error with the allowed names otherwise."""
    if not _NAME.fullmatch(name):
        raise AdapterError(f"adapter name {name!r}: letters, digits, '.', '_' and '-' only, up to 256, no other first")
    return name


def find_folder(source: str, *, within: Path) -> Path:
    """Return the folder with the adapter's files: the given one, or its only child.

    SageMaker unpacks the archive below its own folder; archives often contain a single folder.

    Args:
        source: `src` of `POST /adapters`.
        within: Folder below which it must be, after links are resolved.
    """
    folder = Path(source.removeprefix("file://"))
    if not folder.resolve().is_relative_to(within.resolve()):
        raise AdapterError(f"adapter source {source!r}: is not below {within}, where SageMaker unpacks adapters")
    if not folder.is_dir():
        raise AdapterError(f"adapter source {source!r}: is not a folder in this container")
    for candidate in [folder, *sorted(child for child in folder.iterdir() if child.is_dir())]:
        if not candidate.resolve().is_relative_to(within.resolve()):  # a link in the archive
            continue
        if (candidate / CONFIG_FILE).is_file():
            if not (candidate / WEIGHTS_FILE).is_file():
                raise AdapterError(f"adapter source {source!r}: holds {CONFIG_FILE} but no {WEIGHTS_FILE}")
            return candidate
    raise AdapterError(f"adapter source {source!r}: holds no {CONFIG_FILE}")


def check_adapter(folder: Path, *, model: Path, max_rank: int | None, target_modules: frozenset[str] | None) -> None:
    """Raise unless SGLang would serve the adapter as it was trained, on this base model and with these LoRA settings.

    Args:
        folder: From `find_folder`.
        model: The base model's folder.
        max_rank: SGLang's `max_lora_rank`. Default: not checked here.
        target_modules: SGLang's `lora_target_modules`. Default: all are allowed.

    Raises:
        AdapterError: With every problem of the config; if there is none, with every problem of the weights.
    """
    config = _read_config(folder)
    problems = [f"{CONFIG_FILE}: {problem}" for problem in config_problems(config)]
    if not problems:
        problems = _server_problems(config, max_rank=max_rank, target_modules=target_modules)
    if not problems:
        tensors = read_tensors(folder / WEIGHTS_FILE)
        modules = module_names(config["target_modules"])
        found = tensor_problems(tensors, rank=config["r"], modules=modules) or base_problems(
            tensors, base_tensors(model)
        )
        problems = [f"{WEIGHTS_FILE}: {problem}" for problem in found] + _added_tokens(folder, model)
    if not problems and not is_finite(folder / WEIGHTS_FILE):
        # Its logits would be NaN, and SGLang's scheduler ends when it samples from those.
        problems = [
            f"{WEIGHTS_FILE}: holds values that are infinite or no numbers; train it again, with a lower learning rate"
        ]
    if problems:
        raise AdapterError("; ".join(problems))


def _server_problems(
    config: dict[str, Any], *, max_rank: int | None, target_modules: frozenset[str] | None
) -> list[str]:
    problems = []
    if max_rank is not None and config["r"] > max_rank:
        problems.append(f"{CONFIG_FILE}: rank {config['r']} is greater than the server's max_lora_rank {max_rank}")
    changed = module_names(config["target_modules"])
    if target_modules is None or "all" in target_modules:
        return problems
    allowed = ", ".join(sorted(target_modules))
    if "all" in changed:
        problems.append(
            f"{CONFIG_FILE}: target_modules are all linear ones, the server's lora_target_modules {allowed}; "
            "SGLang would leave the others out without a word"
        )
    elif missing := missing_modules(changed, target_modules):
        problems.append(
            f"{CONFIG_FILE}: target_modules {', '.join(missing)} are not among the server's lora_target_modules {allowed}"
        )
    return problems


def _added_tokens(folder: Path, model: Path) -> list[str]:
    """SGLang serves no adapter that adds tokens to the vocabulary (srt/lora/lora_manager.py, validate_new_adapter)."""
    added, size = _read_json(folder / _ADDED_TOKENS), _read_json(model / "config.json").get("vocab_size")
    if not isinstance(size, int):
        return []
    new = sorted(token for token, number in added.items() if isinstance(number, int) and number >= size)
    return [f"{_ADDED_TOKENS}: adds {len(new)} tokens to the vocabulary, which SGLang does not serve"] if new else []


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"{CONFIG_FILE}: is not JSON ({error})") from error
    except OSError as error:
        raise AdapterError(f"{CONFIG_FILE}: cannot be read ({error.strerror})") from error
    if not isinstance(config, dict):
        raise AdapterError(f"{CONFIG_FILE}: must be an object, got {type(config).__name__}")
    return config


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Names, types and shapes of the tensors of a safetensors file, from its header.

    Raises:
        AdapterError: The file is not a safetensors file, or does not have the length that its header announces.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_HEADER_LENGTH_BYTES), "little")
            if size < _HEADER_LENGTH_BYTES or length > min(size, _HEADER_LENGTH_MAX):
                raise AdapterError(f"{path.name}: is not a safetensors file, or is cut short ({size} bytes)")
            entries = json.loads(file.read(length))
        entries.pop("__metadata__", None)
        tensors = {
            str(name): Tensor(dtype=str(entry["dtype"]), shape=tuple(int(axis) for axis in entry["shape"]))
            for name, entry in entries.items()
        }
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise AdapterError(f"{path.name}: has no safetensors header ({error})") from error
    except OSError as error:
        raise AdapterError(f"{path.name}: cannot be read ({error.strerror})") from error
    if size < _HEADER_LENGTH_BYTES + length + end:
        raise AdapterError(f"{path.name}: is cut short: {size} bytes, {_HEADER_LENGTH_BYTES + length + end} announced")
    return tensors


def is_finite(path: Path) -> bool:
    """Whether all floating-point values of a safetensors file, whose header has been read, are numbers and finite.

    A value that is not has every exponent bit set. Takes about a second per gigabyte.
    """
    import numpy as np

    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEADER_LENGTH_BYTES), "little")
        entries = json.loads(file.read(length))
    entries.pop("__metadata__", None)
    start = _HEADER_LENGTH_BYTES + length
    for entry in entries.values():
        begin, end = entry["data_offsets"]
        width, exponent = _EXPONENTS.get(entry["dtype"], (0, 0))
        if not width or end <= begin:
            continue
        bits = np.memmap(path, dtype=f"<u{width}", mode="r", offset=start + begin, shape=((end - begin) // width,))
        mask = bits.dtype.type(exponent)
        if any((bits[at : at + _AT_ONCE] & mask == mask).any() for at in range(0, len(bits), _AT_ONCE)):
            return False
    return True


@lru_cache(maxsize=1)
def base_tensors(model: Path) -> dict[str, Tensor]:
    """The base model's tensors by name; empty if the folder has no safetensors files."""
    tensors: dict[str, Tensor] = {}
    for path in sorted(model.glob("*.safetensors")):
        try:
            tensors |= read_tensors(path)
        except AdapterError:
            return {}
    return tensors
