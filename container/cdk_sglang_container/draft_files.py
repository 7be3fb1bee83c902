"""Whether the draft's folder can be used with this base, judged by its files: one line per problem, before the engine starts.

A pipeline checks this in S3 before it promotes a draft; this check catches later changes, and folders that were never checked.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdk_sglang_container.adapters import AdapterError, read_tensors
from cdk_sglang_container.draft_rules import (
    CONFIG_FILE,
    EAGLE,
    EAGLE3,
    config_problems,
    context_length,
    standalone_problems,
    tensor_problems,
)
from cdk_sglang_container.model_files import SAFETENSORS, Folder
from cdk_sglang_container.weight_rules import header, misplaced, selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdk_sglang_container.adapter_rules import Tensor

_ALGORITHMS = {"EAGLE": EAGLE, "EAGLE3": EAGLE3, "NEXTN": EAGLE}
_PICKLES = ("*.bin", "*.pt", "*.pth")
# SGLang then takes the base's length for the draft's (sglang 0.5.23, srt/configs/model_config.py, _derive_context_length).
_LONGER_ALLOWED = "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN"


def draft_problems(values: Mapping[str, Any]) -> list[str]:
    """Problems of the folder that `--speculative-draft-model-path` names, one line each; empty if it is not a folder in this container.

    Args:
        values: Fields of SGLang's `ServerArgs` by name, as parsed.
    """
    algorithm = str(values.get("speculative_algorithm") or "").upper()
    folder = Path(str(values.get("speculative_draft_model_path") or ""))
    if not algorithm or not folder.is_absolute() or str(folder) == str(values.get("model_path")):
        return []  # no draft, a hub's name or s3://, or the base's own layers
    found = _folder_problems(folder)
    if not found:
        tensors: dict[str, Tensor] = {}
        files: dict[str, str] = {}
        config, found = _read_config(folder / CONFIG_FILE)
        if _load_format(values) in SAFETENSORS:
            try:
                found += _read_all(folder, tensors, files)
            except OSError as error:
                found.append(f"{Path(str(error.filename)).name} cannot be read ({error.strerror}); copy it again")
        if not found and algorithm in _ALGORITHMS:
            found = _rules(values, config, tensors, files, algorithm=_ALGORITHMS[algorithm])
        elif not found and algorithm == "STANDALONE":
            found = standalone_problems(config, _base_config(values))
    return [f"draft folder {folder}: {problem}" for problem in found]


def _base_config(values: Mapping[str, Any]) -> dict[str, Any]:
    base, _ = _read_config(Path(str(values.get("model_path"))) / CONFIG_FILE)  # its own problems are reported elsewhere
    return base


def _load_format(values: Mapping[str, Any]) -> str:
    # --load-format applies to a draft without its own.
    return str(values.get("speculative_draft_load_format") or values.get("load_format") or "auto")


def _folder_problems(folder: Path) -> list[str]:
    if not folder.is_dir():
        return ["is not there; the version's S3 prefix has no draft/, or the path is another one"]
    if not any(folder.iterdir()):
        return ["is empty; the version's S3 prefix has no draft/, or the path is another one"]
    if not (folder / CONFIG_FILE).is_file():
        return [f"{CONFIG_FILE} is missing; copy all files of the draft"]
    return []


def _read_config(path: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return {}, [f"{path.name}: cannot be read ({error.strerror}); copy it again"]
    except ValueError as error:
        return {}, [f"{path.name}: is not JSON ({error}); copy it again"]
    if not isinstance(config, dict):
        return {}, [f"{path.name}: must be an object, got {type(config).__name__}; copy it again"]
    return config, []


def _read_all(folder: Path, tensors: dict[str, Tensor], files: dict[str, str]) -> list[str]:
    """Read the headers of the safetensors files that SGLang reads; SGLang also reads pickles, which are not checked."""
    found = Folder(folder)
    chosen = selection(found.sizes, found.read)
    if not chosen.files and not chosen.problems:
        if any(map(found.has, _PICKLES)):
            return []
        return ["model.safetensors is missing; copy all files of the draft"]
    problems = list(chosen.problems)
    headers = {name: header(name, found.sizes[name], found.read) for name in chosen.files}
    problems += [one.problem for one in headers.values() if one.problem]
    problems += misplaced(chosen, headers)
    for name in chosen.files if not problems else ():
        try:
            read = read_tensors(folder / name)
        except AdapterError as error:
            problems.append(f"{error}; copy it again")
            continue
        tensors |= read
        files |= dict.fromkeys(read, name)
    return problems


def _rules(
    values: Mapping[str, Any],
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    files: Mapping[str, str],
    *,
    algorithm: str,
) -> list[str]:
    base = _base_config(values)
    context = values.get("context_length") or (context_length(base) if base else None)
    if os.environ.get(_LONGER_ALLOWED, "").lower() in {"1", "true", "yes", "y"}:
        context = None
    found = config_problems(config, base, algorithm=algorithm, context=context)
    if not found and tensors:
        found = tensor_problems(tensors, files, config, base)
    return found
