"""Calibrates the planner from files of measurements: results of `cdk-sglang bench`, and figures of a draft's gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdk_sglang.arguments import checked
from cdk_sglang.benchmarking.history.parquet import read_parquet
from cdk_sglang.benchmarking.learning import measured_rows
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.models.known_models import catalogue
from cdk_sglang.planning.gate_rows import gate_measured
from cdk_sglang.planning.measured import calibrated
from cdk_sglang.planning.measured_calibration import MeasuredCalibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.planning.measured import Measured

MOST_ROWS: Final = 2000
"""Maximum number of rows to learn from: the work grows with their cube, and 2,000 take 2 seconds."""
_ADVICE: Final = "name a file or a folder that `cdk-sglang bench run` wrote, or a gate-*.json of `cdk-sglang eagle report --calibration`"


@dataclass(frozen=True, kw_only=True)
class MeasurementFiles:
    """Content of files of measurements.

    Attributes:
        place: The file or folder.
        rows: Rows that the planner can learn from.
        unread: Files and rows that could not be read, one line each.
        left_out: Rows that the planner cannot learn from, by reason, one line each.
    """

    place: str
    rows: Sequence[Measured]
    unread: tuple[str, ...]
    left_out: tuple[str, ...]

    def calibration(self) -> MeasuredCalibration:
        """Return the package's calibration, corrected by the rows.

        Raises:
            ConfigurationError: There is no row to learn from, or there are too many.
        """
        if not self.rows:
            reasons = "; ".join([*self.unread, *self.left_out])
            text = f"no measurement to learn from{f' ({reasons})' if reasons else ''}; {_ADVICE}"
            raise ConfigurationError([Problem(self.place, text)])
        if len(self.rows) > MOST_ROWS:
            text = f"{len(self.rows):,} rows to learn from, at most {MOST_ROWS:,} are; name the files of fewer runs"
            raise ConfigurationError([Problem(self.place, text)])
        return MeasuredCalibration(
            place=self.place,
            rows=len(self.rows),
            calibration=calibrated(self.rows),
            releases={(one.question.facts.id, one.question.gpu.name): one.question.engine_version for one in self.rows},
            notes=self.left_out,
        )


def read_files(path: Path, *, models: Sequence[ModelFacts] = ()) -> MeasurementFiles:
    """Return the rows for the planner in a file of measurements, or in all files below a folder, and what could not be read.

    Args:
        path: The file or folder.
        models: The user's own models.

    Raises:
        ConfigurationError: The path does not exist, DuckDB is not installed, or a file of a gate is invalid.
    """
    if not path.exists():
        raise ConfigurationError([Problem(path, f"no such file or folder; {_ADVICE}")])
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    tables = [file for file in files if file.suffix == ".parquet" or (file == path and not _is_gate(file))]
    also = tuple(models)
    measurements, unread = read_parquet(tables, without_folders=True) if tables else ([], [])
    rows, left_out = measured_rows(measurements, facts=lambda name: catalogue(name, also=also))
    for gate in filter(_is_gate, files):
        try:
            text = gate.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError([Problem(gate, f"cannot be read as UTF-8 text: {error}; {_ADVICE}")]) from None
        more, lines = gate_measured(text, place=str(gate), facts=lambda name: catalogue(name, also=also))
        rows, left_out = [*rows, *more], [*left_out, *lines]
    return MeasurementFiles(place=str(path), rows=rows, unread=tuple(unread), left_out=tuple(left_out))


@checked()
def read_measurements(path: str | Path, *, models: Sequence[ModelFacts] = ()) -> MeasuredCalibration:
    """Return the user's own measurements for the planner: predictions for similar configurations follow them, others stay unchanged.

    Args:
        path: A Parquet file of `cdk-sglang bench run`, a gate-*.json of `cdk-sglang eagle report --calibration`, or a folder of such files.
        models: The user's own models, which the measurements may be of.

    Raises:
        ConfigurationError: The path does not exist, a file is invalid or has a newer version, or there is nothing to learn from.
    """
    found = read_files(Path(path), models=models)
    if found.unread:
        raise ConfigurationError(
            Problem(found.place, f"{line}; remove it, update cdk-sglang, or {_ADVICE}") for line in found.unread
        )
    return found.calibration()


def _is_gate(path: Path) -> bool:
    return path.suffix == ".json" and path.name.startswith("gate-")
