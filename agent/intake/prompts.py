"""System prompts, a file for each version."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from intake.errors import TurnError

FOLDER: Final = Path(__file__).resolve().parents[1] / "prompts"


def newest(folder: Path = FOLDER) -> str:
    """Return the newest version: the highest number.

    Args:
        folder: Where the prompts are.
    """
    return max(_versions(folder), key=lambda version: (version.isdecimal(), version.zfill(8)), default="1")


def load(version: str, folder: Path = FOLDER) -> str:
    """Return the text of a version.

    Args:
        version: For example `1`.
        folder: Where the prompts are.

    Raises:
        TurnError: There is no such version.
    """
    path = folder / f"clinical-intake-{version}.md"
    if not path.is_file():
        have = ", ".join(_versions(folder))
        raise TurnError(
            "settings",
            f"There is no system prompt of version {version}; there is {have or 'none'}. Deploy the agent again.",
        )
    return path.read_text(encoding="utf-8").strip()


def _versions(folder: Path) -> list[str]:
    return sorted(file.stem.removeprefix("clinical-intake-") for file in folder.glob("clinical-intake-*.md"))
