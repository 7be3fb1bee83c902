"""The Region of an environment, for commands that need nothing else from its file."""

from __future__ import annotations

from pathlib import Path

from cdk_sglang.cli.environment_option import environments_folder
from cdk_sglang.environments.layers import read_layers


def region_of(environment: str | None, region: str | None, *, folder: Path | None = None) -> str | None:
    """Return the Region that a command uses: the user's, else that of the environment's file, else None for that of the AWS settings.

    A file that is missing or cannot be read is not an error here: a user who inspects a fleet need not have its sources.

    Args:
        environment: Name of the environment; None if the user names none.
        region: What the user gave.
        folder: Folder of the environments; the one that the command's options name by default.
    """
    if region is not None or environment is None:
        return region
    import yaml

    folder = folder or environments_folder()
    path = folder / f"{environment}.yaml"
    try:
        layers = read_layers(path, folder=folder, read=lambda file: yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    found = layers.merged.get("region")
    return found if isinstance(found, str) else None
