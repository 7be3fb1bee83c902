"""The user's own models and prices, which commands keep next to the environments, and the measurements that an option names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import read_prices
from cdk_sglang.models import read_models
from cdk_sglang.planning.own import MODELS, PRICES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdk_sglang.hardware import PriceTable
    from cdk_sglang.models import ModelFacts
    from cdk_sglang.planning.measured_calibration import MeasuredCalibration

MODELS_FOLDER = ENVIRONMENTS / MODELS
PRICES_FILE = ENVIRONMENTS / PRICES


def own_models(paths: Iterable[Path] | None = None, *, folder: Path = ENVIRONMENTS) -> tuple[ModelFacts, ...]:
    """Return the user's models.

    Args:
        paths: Files or directories of models; those next to the environments by default, if there are any.
        folder: Folder of the environments.
    """
    places = list(paths or ()) or [place for place in [folder / MODELS] if place.is_dir()]
    return tuple(facts for place in places for facts in read_models(place))


def own_prices(path: Path | None = None, *, folder: Path = ENVIRONMENTS) -> PriceTable | None:
    """Return the user's prices; None if there are none.

    Args:
        path: File of prices; the one next to the environments by default, if it exists.
        folder: Folder of the environments.
    """
    file = path or folder / PRICES
    return read_prices(file) if path or file.exists() else None


def own_calibration(path: Path | None, *, models: tuple[ModelFacts, ...]) -> MeasuredCalibration | None:
    """Return the measurements that --calibration names; None if it names none.

    Args:
        path: File or folder of measurements.
        models: The user's models.

    Raises:
        ConfigurationError: There are no such measurements, or a file has another format or a newer version.
    """
    if path is None:
        return None
    from cdk_sglang.benchmarking.calibration import read_measurements

    try:
        return read_measurements(path, models=models)
    except ConfigurationError as error:
        raise ConfigurationError([Problem("--calibration", problem) for problem in error.problems]) from None


def write_text(path: Path, text: str, *, option: str = "--into") -> None:
    """Write a file, and create the folders above it.

    Args:
        path: The file.
        text: Its new content.
        option: Option with which another file is named, for the message.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            [Problem(path, f"cannot be written: {error.strerror or error}; name another with {option}")]
        ) from error
