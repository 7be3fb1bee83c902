"""The catalogue of models: the package's own and the user's files."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.models.architecture import ModelArchitecture
from cdk_sglang.models.config import read_config
from cdk_sglang.models.facts import ModelFacts
from cdk_sglang.models.nearest import nearest_models

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DTYPE_SUFFIXES = {
    "-fp8": "fp8",
    "-nvfp4": "nvfp4",
    "-fp4": "nvfp4",
    "-awq": "int4",
    "-gptq-int4": "int4",
    "-int4": "int4",
}


def catalogue(model_id: str, *, also: Iterable[Path | ModelFacts] = ()) -> ModelFacts:
    """Return a model's facts by its id.

    Args:
        model_id: Hugging Face id, or the id of a file made with `cdk-sglang models add`.
        also: The user's own models, or directories or files of them; they take precedence over the package's.

    Raises:
        ConfigurationError: The id is unknown; the message names the most similar ids and how to add it.
    """
    own = {
        facts.id: facts
        for source in also
        for facts in ((source,) if isinstance(source, ModelFacts) else read_models(source))
    }
    if model_id in own:
        return own[model_id]
    found = _packaged(model_id) or _stored_differently(model_id)
    if found is None:
        hint = nearest_models([*_raw(), *own], model_id) if own else _hint(model_id)
        raise ConfigurationError(
            [Problem("", f"unknown model {model_id!r}; {hint}, or add it with: cdk-sglang models add {model_id}")]
        )
    return found


def all_models() -> tuple[ModelFacts, ...]:
    """Return every model of the package's catalogue under its own id, without further ids of the same architecture."""
    return tuple(_facts(entry, entry["id"]) for entry in _entries())


def aliases() -> dict[str, tuple[str, ...]]:
    """Return the further ids in the package's catalogue, by the id of the model whose architecture they share."""
    others = {entry["id"]: (*entry.get("same_architecture", ()), *entry.get("variants", {})) for entry in _entries()}
    return {name: ids for name, ids in others.items() if ids}


def read_models(path: Path) -> tuple[ModelFacts, ...]:
    """Return the models of a file written by `cdk-sglang models add`, or of every such file in a directory.

    Args:
        path: The file or directory.

    Raises:
        ConfigurationError: A file cannot be read, does not contain a model's facts, or repeats a model of another file; every such file is named.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    found: dict[str, ModelFacts] = {}
    problems: list[Problem] = []
    for file in files:
        try:
            state = file.stat()
            read = _read_file(file, state.st_mtime_ns, state.st_size)
        except OSError as error:
            problems.append(Problem(file, f"cannot read the model's facts: {error}; {_ADD_IT}"))
            continue
        except ConfigurationError as error:
            problems += error.problems
            continue
        for facts in read:
            if facts.id in found:
                problems.append(Problem(file, f"{facts.id} stands in {found[facts.id].file} too; remove one of them"))
            found[facts.id] = facts
    raise_if_any(problems)
    return tuple(found.values())


_ADD_IT = "write it with: cdk-sglang models add <repository or config.json>"


@lru_cache(maxsize=256)
def _read_file(file: Path, _changed_ns: int, _size: int) -> tuple[ModelFacts, ...]:
    """Return a file's models, cached because a table of a thousand rows needs them for each row."""
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError([Problem(file, f"cannot read the model's facts: {error}; {_ADD_IT}")]) from error
    facts = []
    for entry in content if isinstance(content, list) else [content]:
        raise_if_any(Problem(file, problem) for problem in _entry_problems(entry))
        facts.append(_facts({"source": file.name, **entry}, entry["id"], file=str(file)))
    return tuple(facts)


def _entry_problems(entry: object) -> list[Problem]:
    """Return the problems in the fields of a model's facts, except keys missing in its config; an empty list if there are none."""
    if not isinstance(entry, dict):
        return [Problem("", f"not a model's facts but a {type(entry).__name__}; {_ADD_IT}")]
    problems = []
    if not isinstance(entry.get("id"), str) or not entry["id"].strip():
        problems.append(Problem("id", f"not the model's id, such as me/llama; {_ADD_IT}"))
    if not isinstance(entry.get("config"), dict):
        problems.append(Problem("config", f"not the content of a config.json; {_ADD_IT}"))
    problems += [
        Problem(name, f"{entry[name]!r} is not text; {_ADD_IT}")
        for name in ("source", "note", "date")
        if name in entry and not isinstance(entry[name], str)
    ]
    size = entry.get("parameters_billion")
    if size is not None and (
        isinstance(size, bool) or not isinstance(size, int | float) or not 0 < size < float("inf")
    ):
        problems.append(Problem("parameters_billion", f"{size!r} is not a number above 0; correct it or leave it out"))
    return problems


def contradiction(facts: ModelFacts) -> str:
    """Return in words how the user's facts of a model differ from the catalogue's of the same id; empty if they do not."""
    if not facts.file:
        return ""
    known = _packaged(facts.id) or _stored_differently(facts.id)
    if known is None:
        return ""
    differing = []
    for field in fields(ModelArchitecture):
        mine, theirs = (getattr(one.architecture, field.name) for one in (facts, known))
        if mine != theirs:
            plain = all(isinstance(value, int | float | str | None) for value in (mine, theirs))
            differing.append(f"{field.name} {mine}, not {theirs}" if plain else field.name)
    if not differing:
        return ""
    shown = "; ".join(differing[:_SHOWN]) + ("; …" if len(differing) > _SHOWN else "")
    return f"{facts.file} says otherwise of {facts.id} than the package's catalogue ({shown}); the file counts, remove it to take the catalogue's"


_SHOWN = 4


def _stored_differently(model_id: str) -> ModelFacts | None:
    """Return a catalogue model for an id with the suffix of a format: Qwen/Qwen3-14B-AWQ is Qwen/Qwen3-14B in int4."""
    for suffix, dtype in _DTYPE_SUFFIXES.items():
        if model_id.lower().endswith(suffix):
            stem = model_id[: -len(suffix)].rsplit("/", maxsplit=1)[-1].lower()
            same_name = next((known for known in _raw() if known.split("/")[-1].lower() == stem), None)
            facts = _packaged(same_name) if same_name else None
            if facts is not None:
                return replace(facts.with_weights(dtype), id=model_id, assumed_format=True)
    return None


@cache
def _entries() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads((Path(__file__).parent / "data" / "catalogue.json").read_text(encoding="utf-8")))


@cache
def _raw() -> Mapping[str, dict[str, Any]]:
    """Return every id with its entry: ids in `same_architecture` share all of it, `variants` have their own limits."""
    known = {name: entry for entry in _entries() for name in (entry["id"], *entry.get("same_architecture", ()))}
    for entry in _entries():
        for name, own in entry.get("variants", {}).items():
            known[name] = {**entry, **own, "config": {**entry["config"], **own["config"]}}
    return known


def _packaged(model_id: str) -> ModelFacts | None:
    return _packaged_known(model_id) if model_id in _raw() else None


@cache
def _packaged_known(model_id: str) -> ModelFacts:
    return _facts(_raw()[model_id], model_id)


@lru_cache(maxsize=1024)
def _hint(model_id: str) -> str:
    """Return the most similar ids in words; cached, since a long table repeats the same unknown ids."""
    return nearest_models(list(_raw()), model_id)


def _facts(entry: Mapping[str, Any], model_id: str, *, file: str = "") -> ModelFacts:
    return ModelFacts(
        id=model_id,
        architecture=read_config(entry["config"], where=f"{file}: {model_id}" if file else model_id),
        source=entry["source"],
        parameters_billion=entry.get("parameters_billion"),
        note=entry.get("note", ""),
        date=entry.get("date", ""),
        file=file,
        is_embedding=bool(entry.get("is_embedding")),
        architectures=_architectures(entry["config"]),
        labels=len(labels) if isinstance(labels := entry["config"].get("id2label"), dict) else 0,
    )


def _architectures(config: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("architectures")
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
