"""A LoRA adapter's folder, checked against the base model before SGLang sees it.

SGLang 0.5.23 loads an adapter whose matrices do not fit the base model, answers "success", and its scheduler dies with the
first request that uses it. So the shapes are compared here, from the safetensors headers alone.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# What may stand in a URL path (`DELETE /adapters/{name}`) and in SGLang's `model: <base>:<adapter>`.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,255}")
_MODEL_PREFIX = "base_model.model."
_MATRIX = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])(?:\.[^.]+)?\.weight$")
_HEADER_LENGTH_BYTES = 8
_HEADER_LENGTH_MAX = 100_000_000  # the format's own limit (https://github.com/huggingface/safetensors)
_MATRIX_DIMENSIONS = 2


class AdapterError(Exception):
    """The adapter cannot be used; the message says why."""


def check_name(name: str) -> str:
    """The name, or an error that says what a name may be."""
    if not _NAME.fullmatch(name):
        raise AdapterError(f"adapter name {name!r}: letters, digits, '.', '_' and '-' only, up to 256, no other first")
    return name


def find_folder(source: str) -> Path:
    """The folder with the adapter's files: the one given, or its only child.

    SageMaker unpacks the archive it was given; archives often hold one folder.

    Args:
        source: `src` of `POST /adapters`.
    """
    folder = Path(source.removeprefix("file://"))
    if not folder.is_dir():
        raise AdapterError(f"adapter source {source!r}: is not a folder in this container")
    for candidate in [folder, *sorted(child for child in folder.iterdir() if child.is_dir())]:
        if (candidate / CONFIG).is_file():
            if not (candidate / WEIGHTS).is_file():
                raise AdapterError(f"adapter source {source!r}: holds {CONFIG} but no {WEIGHTS}")
            return candidate
    raise AdapterError(f"adapter source {source!r}: holds no {CONFIG}")


def check_adapter(folder: Path, *, model: Path, max_rank: int | None, target_modules: frozenset[str] | None) -> None:
    """Raise unless the adapter fits the base model and the server's LoRA settings.

    Args:
        folder: From `find_folder`.
        model: The base model's folder.
        max_rank: SGLang's `max_lora_rank`. Default: not checked here.
        target_modules: SGLang's `lora_target_modules`. Default: all are allowed.
    """
    config = _read_config(folder)
    rank = config.get("r")
    if not isinstance(rank, int) or rank < 1:
        raise AdapterError(f"{CONFIG}: r must be a whole number of at least 1, got {rank!r}")
    if max_rank is not None and rank > max_rank:
        raise AdapterError(f"{CONFIG}: rank {rank} is greater than the server's max_lora_rank {max_rank}")
    if config.get("use_dora"):
        raise AdapterError(f"{CONFIG}: use_dora is not supported by SGLang")
    modules = config.get("target_modules") or []
    wanted = {modules} if isinstance(modules, str) else {str(module).rsplit(".", 1)[-1] for module in modules}
    if target_modules is not None and "all" not in target_modules:
        extra = sorted(wanted - target_modules - {"all-linear"})
        if extra:
            raise AdapterError(
                f"{CONFIG}: target_modules {', '.join(extra)} are not among the server's lora_target_modules "
                f"{', '.join(sorted(target_modules))}"
            )
    _check_shapes(tensor_shapes(folder / WEIGHTS), base_shapes(model), max_rank=max_rank)


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise AdapterError(f"{CONFIG}: is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise AdapterError(f"{CONFIG}: must be an object, got {type(config).__name__}")
    return config


def _check_shapes(
    adapter: dict[str, tuple[int, ...]], base: dict[str, tuple[int, ...]], *, max_rank: int | None
) -> None:
    matrices = 0
    for name, shape in adapter.items():
        match = _MATRIX.fullmatch(name.removeprefix(_MODEL_PREFIX))
        if match is None or len(shape) != _MATRIX_DIMENSIONS:
            continue
        matrices += 1
        rank = shape[0] if match["side"] == "A" else shape[1]
        if max_rank is not None and rank > max_rank:
            raise AdapterError(f"{WEIGHTS}: {name} has rank {rank}, greater than the server's max_lora_rank {max_rank}")
        expected = base.get(f"{match['module']}.weight")
        if expected is None:
            if (
                base
                and not any(known.startswith(f"{match['module']}.") for known in base)
                and _is_plain(match["module"])
            ):
                raise AdapterError(
                    f"{WEIGHTS}: the base model has no {match['module']}; the adapter is of another model"
                )
            continue
        if len(expected) != _MATRIX_DIMENSIONS:
            continue
        side, got, want = (
            ("input", shape[1], expected[1]) if match["side"] == "A" else ("output", shape[0], expected[0])
        )
        if got != want:
            raise AdapterError(
                f"{WEIGHTS}: {match['module']} has {side} size {got}, the base model {want}; the adapter is of another model"
            )
    if not matrices:
        raise AdapterError(f"{WEIGHTS}: doesn't contain tensors of a LoRA adapter")


def _is_plain(module: str) -> bool:
    """Whether the module is one per layer: experts and fused projections are stored under other names."""
    return "expert" not in module and module.rsplit(".", 1)[-1] in {"q_proj", "k_proj", "v_proj", "o_proj", "up_proj"}


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a safetensors file, from its header.

    Raises:
        AdapterError: The file is not a safetensors file, or is shorter than its header says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEADER_LENGTH_BYTES), "little")
        if size < _HEADER_LENGTH_BYTES or length > min(size, _HEADER_LENGTH_MAX):
            raise AdapterError(f"{path.name}: is not a safetensors file, or is cut short ({size} bytes)")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise AdapterError(f"{path.name}: has no safetensors header ({error})") from error
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
    if size < _HEADER_LENGTH_BYTES + length + end:
        raise AdapterError(f"{path.name}: is cut short: {size} bytes, {_HEADER_LENGTH_BYTES + length + end} announced")
    return {name: tuple(entry["shape"]) for name, entry in tensors.items()}


@lru_cache(maxsize=1)
def base_shapes(model: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the base model's tensors; empty when they are not safetensors files in this folder."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(model.glob("*.safetensors")):
        try:
            shapes |= tensor_shapes(path)
        except AdapterError:
            return {}
    return shapes
