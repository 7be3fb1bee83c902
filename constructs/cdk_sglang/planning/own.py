"""The user's own facts in addition to the package's: models and prices, in files next to the environments.

They are passed as a value, not kept globally, so that two apps in one process, or two tests, do not share them.
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
"""Folder next to the environments that `cdk-sglang models add` writes to."""
PRICES = "prices.csv"
"""File next to the environments that `cdk-sglang prices update` writes."""


@dataclass(frozen=True, kw_only=True)
class Own:
    """Models, prices and measurements that take precedence over the package's.

    Args:
        models: Facts of models, from `read_models`.
        prices: Prices, from `read_prices`; None if there are none.
        calibration: Measurements that predictions for similar configurations follow; None if there are none.
    """

    models: tuple[ModelFacts, ...] = ()
    prices: PriceTable | None = None
    calibration: MeasuredCalibration | None = None

    def facts(self, model_id: str) -> ModelFacts:
        """Return a model's facts: the user's if there are any, otherwise the catalogue's.

        Raises:
            ConfigurationError: Neither has the model; the message names the most similar ids and how to add it.
        """
        return catalogue(model_id, also=self.models)

    def known_facts(self, model_id: str | None) -> ModelFacts | None:
        """Return a model's facts; None if it has no id or is unknown."""
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
        facts: Its facts; None if the model is unknown.
        problem: Why there are no facts, with the most similar ids and how to add the model; empty if there are facts or the model has no id.
    """

    model: Model
    facts: ModelFacts | None = None
    problem: str = ""

    def problems(self, path: str) -> list[Problem]:
        """Return a problem if a specified id is unknown; the id of a repository may be unknown.

        Args:
            path: Path of the id.
        """
        return [Problem(path, self.problem)] if self.problem and self.model.id is not None else []

    @property
    def advice(self) -> str:
        """Why the model is unknown, and what to do."""
        known = "the id of a catalogue model of the same architecture as model.id (cdk-sglang models list)"
        repository = self.model.hugging_face
        if repository is None:
            return f"model has no id; give {known}"
        return f"the catalogue does not know {repository}; add it with: cdk-sglang models add {repository}, or give {known}"


NOTHING_OWN = Own()
"""Only the package's facts."""


def read_own(folder: Path) -> Own:
    """Return the facts in a folder of environments: `models/*.json` and `prices.csv`, if they exist.

    Raises:
        ConfigurationError: A file is invalid; every such file is named.
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
