"""A model outside the catalogue: its config.json is saved next to the environments, as `cdk-sglang models add` saves it."""

from __future__ import annotations

from pathlib import Path

import typer

from cdk_sglang.cli.init.answers import Answers
from cdk_sglang.cli.models import save_model
from cdk_sglang.cli.own import own_models
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.models.known_models import catalogue
from cdk_sglang.planning.own import MODELS


def save_unknown(
    answers: Answers, *, config: Path | None, fetch: bool | None, hub: str, folder: Path, may_ask: bool
) -> None:
    """Save the model of the answers if a file of it is given, or if it is unknown and may be fetched.

    Args:
        answers: The answers.
        config: Its config.json, or the folder that it is in.
        fetch: Whether to read it from Hugging Face; None to ask.
        hub: Address of the hub.
        folder: Folder of the environments.
        may_ask: Whether there is a terminal to ask at.

    Raises:
        ConfigurationError: It cannot be read, or is not the config.json of a model that the planner understands.
    """
    model = str(answers.model)
    if config is None:
        if _is_known(model, folder):
            return
        if fetch is None and may_ask:
            fetch = typer.confirm(
                f"{model} is not in the catalogue. Read its config.json from {hub}?", default=True, err=True
            )
        if not fetch:
            return
    target, facts = save_model(
        model if config is None else str(config),
        folder=folder / MODELS,
        model_id=model,
        revision=answers.revision or "main",
        hub=hub,
    )
    typer.echo(f"saved {target}: {facts.architecture.parameters / 1e9:.1f} billion parameters", err=True)


def _is_known(model: str, folder: Path) -> bool:
    own = own_models(folder=folder)
    try:
        catalogue(model, also=own)
    except ConfigurationError:
        return False
    return True
