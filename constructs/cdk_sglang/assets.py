"""Folders that are uploaded to AWS rather than imported: at the top of a checkout, or inside the package in the wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent
_CHECKOUT: Final = _PACKAGE.parent.parent


CLINICAL_TOOLS: Final = _PACKAGE / "_runtime" / "clinical" / "tools.json"
"""Schemas of the reference tools, which the gateway publishes and the tools' function checks."""


def find_folder(name: str, *, holds: str) -> Path:
    """Return a shipped folder.

    Args:
        name: Its name at the top of a checkout, such as "container"; in the wheel it is `cdk_sglang/_container`.
        holds: A file that it must contain, which distinguishes it from other folders of that name.

    Raises:
        FileNotFoundError: The folder is in neither place.
    """
    places = (_PACKAGE / f"_{name}", _CHECKOUT / name)
    for place in places:
        if (place / holds).is_file():
            return place
    raise FileNotFoundError(f"no {name} folder with a {holds} at {places[0]} (wheel) nor at {places[1]} (checkout)")
