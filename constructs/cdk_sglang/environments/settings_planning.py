"""Input of an environment's plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from cdk_sglang.environments.settings_base import Settings


def _below(value: str) -> str:
    path = Path(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value or value.startswith("s3:") or path == Path():
        raise ValueError(
            f"{value!r} is not allowed; use a file or folder below that of the environment, such as measured.parquet"
        )
    return value


class Planning(Settings):
    """Input of the plan."""

    _noun: ClassVar[str] = "planning"

    calibration: Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_below)] | None = None
    """Your own measurements, which predictions for similar configurations follow: a Parquet file of `cdk-sglang bench run`, a gate-*.json of
    `cdk-sglang eagle report --calibration`, or a folder of such files, relative to the folder of the environment. Only the package's calibration by
    default."""
