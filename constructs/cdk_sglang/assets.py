"""Folders that are shipped to AWS rather than imported: in a checkout at its top, in the wheel inside the package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent
_CHECKOUT: Final = _PACKAGE.parent.parent


CLINICAL_TOOLS: Final = _PACKAGE / "_runtime" / "clinical" / "tools.json"
"""Schemas of the reference tools, which the gateway has and their function checks."""


def find_folder(name: str, *, holds: str) -> Path:
    """Return a shipped folder.

    Args:
        name: Its name at the top of a checkout, such as "container"; in the wheel it is `cdk_sglang/_container`.
        holds: A file it must hold, by which it is told from any other folder of that name.

    Raises:
        FileNotFoundError: It is at neither place.
    """
    places = (_PACKAGE / f"_{name}", _CHECKOUT / name)
    for place in places:
        if (place / holds).is_file():
            return place
    raise FileNotFoundError(f"no {name} folder with a {holds} at {places[0]} (wheel) nor at {places[1]} (checkout)")
