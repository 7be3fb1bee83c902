"""Facts of the user's own beside the package's: models and prices, kept in files next to the environments.

They are handed on as a value, so that two apps in one process, and two tests, each see their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import read_prices
from cdk_sglang.models import catalogue, read_models

if TYPE_CHECKING:
    from pathlib import Path

    from cdk_sglang.hardware import PriceTable
    from cdk_sglang.models import ModelFacts
    from cdk_sglang.planning.measured_calibration import MeasuredCalibration
    from cdk_sglang.spec.model import Model

MODELS = "models"
"""Folder, beside the environments, of what `cdk-sglang models add` writes."""
PRICES = "prices.csv"
"""File, beside the environments, that `cdk-sglang prices update` writes."""


@dataclass(frozen=True, kw_only=True)
class Own:
    """Models, prices and measurements that win over the package's.

    Args:
        models: Facts, as `read_models` reads them.
        prices: As `read_prices` reads them; None without any.
        calibration: Measurements that predictions near them follow; None without any.
    """

    models: tuple[ModelFacts, ...] = ()
    prices: PriceTable | None = None
    calibration: MeasuredCalibration | None = None

    def facts(self, model_id: str) -> ModelFacts:
        """Return a model's facts: the user's, else the catalogue's.

        Raises:
            ConfigurationError: Neither has it; the message names the nearest ids and how to add it.
        """
        return catalogue(model_id, also=self.models)

    def known_facts(self, model_id: str | None) -> ModelFacts | None:
        """Return a model's facts; None if it has no id, or nobody has any."""
        if model_id is None:
            return None
        try:
            return self.facts(model_id)
        except ConfigurationError:
            return None

    def known(self, model: Model) -> KnownModel:
        """Return what is known of a specified model.

        Args:
            model: The specification.
        """
        model_id = model.catalogue_id
        if model_id is None:
            return KnownModel(model=model)
        try:
            return KnownModel(model=model, facts=self.facts(model_id))
        except ConfigurationError as error:
            return KnownModel(model=model, problem="; ".join(error.problems))


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """What is known of a model.

    Attributes:
        model: The specification.
        facts: Its facts; None if nobody has them.
        problem: Why there are none, with the nearest ids and how to add it; empty if there are some, or the model has no id.
    """

    model: Model
    facts: ModelFacts | None = None
    problem: str = ""

    def problems(self, path: str) -> list[Problem]:
        """Say that an id which was given is unknown; that of a repository may be.

        Args:
            path: Path of the id.
        """
        return [Problem(path, self.problem)] if self.problem and self.model.id is not None else []

    @property
    def advice(self) -> str:
        """Why nothing is known of the model, and what to do."""
        known = "the id of a catalogue model of the same architecture as model.id (cdk-sglang models list)"
        repository = self.model.hugging_face
        if repository is None:
            return f"model has no id; give {known}"
        return f"the catalogue does not know {repository}; add it with: cdk-sglang models add {repository}, or give {known}"


NOTHING_OWN = Own()
"""The package's facts alone."""


def read_own(folder: Path) -> Own:
    """Return what a folder of environments holds beside them: `models/*.json` and `prices.csv`, where they are there.

    Raises:
        ConfigurationError: A file is not what it must be; every such file is named.
    """
    problems: list[Problem] = []
    models: tuple[ModelFacts, ...] = ()
    prices: PriceTable | None = None
    try:
        models = read_models(folder / MODELS) if (folder / MODELS).is_dir() else ()
    except ConfigurationError as error:
        problems += error.problems
    try:
        prices = read_prices(folder / PRICES) if (folder / PRICES).exists() else None
    except ConfigurationError as error:
        problems += error.problems
    raise_if_any(problems)
    return Own(models=models, prices=prices)
