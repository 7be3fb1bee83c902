"""The user's own data that an environment is planned with: models, prices and measurements."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

from cdk_sglang.environments.settings import Environment
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.planning.own import Own, read_own

_CALIBRATION: Final = "planning.calibration"


def own_facts(settings: Environment, *, name: str, folder: Path) -> Own:
    """Return the user's own models and prices from the folder of environments, and the measurements that an environment names.

    Args:
        settings: The environment.
        name: Its name.
        folder: Folder of the environments.

    Raises:
        ConfigurationError: A file is missing or invalid.
    """
    own = read_own(folder)
    place = settings.planning.calibration
    if place is None:
        return own
    from cdk_sglang.benchmarking.calibration import read_measurements

    try:
        return dataclasses.replace(own, calibration=read_measurements(folder / place, models=own.models))
    except ConfigurationError as error:
        source = str(folder / f"{name}.yaml")
        raise ConfigurationError(Problem(_CALIBRATION, problem, file=source) for problem in error.problems) from None
