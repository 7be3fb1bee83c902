"""`cdk-sglang models`: list the catalogue, show a model, add one from Hugging Face or a config.json."""

from __future__ import annotations

import datetime as dt
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cdk_sglang.cli.output import stdout
from cdk_sglang.cli.own import MODELS_FOLDER, own_models, write_text
from cdk_sglang.cli.tables import fitting_table, print_table
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.models.config import read_config, unwrap
from cdk_sglang.models.facts import ModelFacts
from cdk_sglang.models.known_models import aliases, all_models, catalogue, contradiction, read_models
from cdk_sglang.planning.parallel import Parallelism, kv_bytes_per_token

app = typer.Typer(help="Models that the planner knows: list them, or add one.", no_args_is_help=True)

HUB = "https://huggingface.co"
MAX_CONFIG_BYTES = 4_000_000
TIMEOUT_SECONDS = 30
_LAYOUTS: Final = (
    ("id", "parameters B", "active B", "format", "weights GiB", "KV bytes/token", "context"),
    ("id", "active B", "format", "weights GiB", "context"),
    ("id", "weights GiB", "context"),
    ("id", "weights GiB"),
    ("id",),
)
"""Headings of the list, for terminals of less and less room."""
_REPOSITORY = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")


@app.command("list")
def list_models(
    models: Annotated[
        list[Path] | None, typer.Option("--models", help="Include your own models from this file or directory.")
    ] = None,
    wide: Annotated[bool, typer.Option("--wide", help="Print every column, even on a narrow terminal.")] = False,
) -> None:
    """List every model with its size, cache and context, and the ids of the same architecture."""
    rows, console = [], stdout()
    for facts in known_models(own_models(models)):
        shape, cache = facts.architecture, cache_bytes_per_token(facts)
        cells = (
            facts.id,
            f"{shape.parameters / 1e9:.1f}",
            f"{shape.active_parameters / 1e9:.1f}",
            shape.quantization.method,
            f"{facts.weights_gib:.1f}",
            "unknown" if cache is None else f"{cache:,.0f}",
            f"{shape.max_position_embeddings:,}" if shape.max_position_embeddings else "",
        )
        rows.append(dict(zip(_LAYOUTS[0], cells, strict=True)))
    print_table(console, fitting_table(console, rows, _LAYOUTS, wide=wide), wide=wide)
    also = aliases()
    if also:
        console.print("also known, of the same architecture:", highlight=False)
    for name, ids in also.items():
        console.print(f"{name}: {', '.join(ids)}", highlight=False, soft_wrap=True)


def known_models(own: Iterable[ModelFacts] = ()) -> list[ModelFacts]:
    """Return every model of the catalogue and the user's own, which take precedence.

    Args:
        own: The user's models.
    """
    return list({facts.id: facts for facts in (*all_models(), *own)}.values())


def cache_bytes_per_token(facts: ModelFacts) -> float | None:
    """Return the bytes that a token takes in the KV cache of one GPU; None if the model's layers are unknown.

    Args:
        facts: The model.
    """
    return kv_bytes_per_token(facts.architecture, Parallelism()).all_layers if facts.described else None


@app.command("show")
def show_model(
    model: Annotated[str, typer.Argument(help="Id in the catalogue.")],
    models: Annotated[
        list[Path] | None, typer.Option("--models", help="Include your own models from this file or directory.")
    ] = None,
) -> None:
    """Print the planner's facts about one model, as JSON."""
    facts = catalogue(model, also=own_models(models))
    shape = facts.architecture
    content = {
        "id": facts.id,
        "source": facts.source,
        "date": facts.date or None,
        "file": facts.file or None,
        "parameters": round(shape.parameters),
        "active_parameters": round(shape.active_parameters),
        "weights_gib": round(facts.weights_gib, 2),
        "weights_format": shape.quantization.method,
        "kv_bytes_per_token": None if (cache := cache_bytes_per_token(facts)) is None else round(cache),
        "max_position_embeddings": shape.max_position_embeddings,
        "note": facts.note,
    }
    typer.echo(json.dumps(content, indent=2))


@app.command("add")
def add_model(
    source: Annotated[str, typer.Argument(help="Hugging Face repository (owner/name) or path of a config.json.")],
    directory: Annotated[Path, typer.Option("--into", help="Directory of your models.")] = MODELS_FOLDER,
    model_id: Annotated[str | None, typer.Option("--id", help="Id of the model; the repository by default.")] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit on Hugging Face.")] = "main",
    values: Annotated[
        list[str] | None, typer.Option("--set", help="key=value to add to the config; repeat the option for several.")
    ] = None,
    hub: Annotated[str, typer.Option(envvar="HF_ENDPOINT", help="Address of the hub.")] = HUB,
) -> None:
    """Read a config.json once and save it next to your environments, so that synth needs no network."""
    target, facts = save_model(source, folder=directory, model_id=model_id, revision=revision, values=values, hub=hub)
    shape = facts.architecture
    typer.echo(
        f"{target}: {facts.id}, {shape.parameters / 1e9:.1f} billion parameters, {shape.quantization.method} weights"
    )
    for warning in filter(None, map(contradiction, read_models(target))):
        typer.echo(f"warning: {warning}", err=True)


def save_model(
    source: str,
    *,
    folder: Path,
    model_id: str | None = None,
    revision: str = "main",
    values: list[str] | None = None,
    hub: str = HUB,
) -> tuple[Path, ModelFacts]:
    """Save a model's config.json as one of the user's models; return the file, and what it says.

    Args:
        source: Repository on Hugging Face, or path of a config.json or of the folder that it is in.
        folder: Folder of the user's models.
        model_id: Id of the model; by default the repository, or the name of the file's folder.
        revision: Branch, tag or commit on Hugging Face.
        values: "key=value" to add to the config.
        hub: Address of the hub.

    Raises:
        ConfigurationError: It cannot be read, or is not the config.json of a model that the planner understands.
    """
    path = Path(source)
    if path.is_dir():
        path /= "config.json"
    if path.is_file():
        config, origin, name = _read_file(path), path.name, model_id or path.parent.name or path.stem
    elif _REPOSITORY.match(source):
        config, origin = _fetch(hub.rstrip("/"), source, revision)
        name = model_id or source
    else:
        raise ConfigurationError(
            [Problem(source, "neither a file nor a repository; write owner/name or the path of a config.json")]
        )
    config = _with_values(config, values or [])
    read_config(config, where=name)
    target = folder / f"{name.replace('/', '--')}.json"
    today = dt.datetime.now(tz=dt.UTC).date()
    entry = {"id": name, "config": config, "source": origin, "date": today.isoformat()}
    write_text(target, json.dumps(entry, indent=2, sort_keys=True) + "\n")
    (facts,) = read_models(target)
    return target, facts


def _read_file(path: Path) -> dict[str, Any]:
    try:
        size = path.stat().st_size
        if size > MAX_CONFIG_BYTES:
            text = f"has {size:,} bytes, and no config.json more than {MAX_CONFIG_BYTES:,}; is it the right file?"
            raise ConfigurationError([Problem(path, text)])
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError([Problem(path, f"cannot read it as JSON: {error}")]) from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            [Problem(path, f"a config.json holds one object, this file holds a {type(content).__name__}")]
        )
    return content


def _fetch(hub: str, repository: str, revision: str) -> tuple[dict[str, Any], str]:
    url = f"{hub}/{repository}/resolve/{revision}/config.json"
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError([Problem(hub, "the hub's address must start with https://")])
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as reply:
            body = reply.read(MAX_CONFIG_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()  # the error is also the reply, and keeps its socket
        raise ConfigurationError(
            [
                Problem(
                    url,
                    f"{error}; check the name, or download config.json yourself and give its path (gated models need your token)",
                )
            ]
        ) from error
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        advice = "download config.json yourself and give its path (gated models need your token)"
        raise ConfigurationError([Problem(url, f"{error}; {advice}")]) from error
    if len(body) > MAX_CONFIG_BYTES:
        raise ConfigurationError([Problem(url, f"more than {MAX_CONFIG_BYTES} bytes, not a config.json")])
    try:
        content = json.loads(body)
    except ValueError as error:
        raise ConfigurationError([Problem(url, f"not JSON: {error}")]) from error
    if not isinstance(content, dict):
        raise ConfigurationError([Problem(url, "a config.json holds one object")])
    return content, url


def _with_values(config: dict[str, Any], values: list[str]) -> dict[str, Any]:
    problems, overrides = [], {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key:
            problems.append(Problem(f"--set {value}", "write key=value"))
            continue
        try:
            overrides[key] = json.loads(text)
        except ValueError:
            overrides[key] = text
    if problems:
        raise ConfigurationError(problems)
    if not overrides:
        return config
    return {**unwrap(config), **overrides}
