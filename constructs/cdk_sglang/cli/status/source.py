"""Read what an environment should be from its reader, as `cdk-sglang plan --env` does."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cdk_sglang.cli.source import from_app
from cdk_sglang.observability.observed_fleet import ObservedFleet

VARIABLE: Final = "CDK_SGLANG_OBSERVED"
"""Environment variable with `module:function` of an app's own reader."""


def observed_fleet(environment: str, folder: Path | None) -> ObservedFleet:
    """Return what is observed of an environment.

    Args:
        environment: Name of the environment.
        folder: Folder of the environments; the reader's own by default.

    Raises:
        ConfigurationError: There is no reader, or the environment's settings are wrong.
    """
    from cdk_sglang.environments import planning

    return from_app(environment, folder, variable=VARIABLE, default=planning.observed_fleet)
