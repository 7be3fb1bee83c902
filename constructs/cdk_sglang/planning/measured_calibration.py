"""A calibration learned from the user's own measurements, with its description for readers of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.planning.calibration import Calibration


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredCalibration:
    """The user's own measurements for the planner, which predictions for similar configurations follow; created by `read_measurements`.

    Attributes:
        place: File or folder of the measurements.
        rows: Number of measured rows used.
        calibration: The package's calibration, corrected by the measurements.
        releases: The SGLang release measured last, by model and GPU.
        notes: Rows that were not used, by reason, one line each.
    """

    place: str
    rows: int
    calibration: Calibration
    releases: Mapping[tuple[str, str], str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """One-line description for readers of a plan."""
        rows = "1 measured row" if self.rows == 1 else f"{self.rows} measured rows"
        return "; ".join([f"calibrated with {rows} of {self.place}: predictions near them follow them", *self.notes])

    def release(self, model: str, gpu: str, version: str | None) -> str:
        """Return the release to predict with, since measurements apply to configurations of the same release.

        Returns an empty text, as without measurements, for a model on a kind of GPU that was not measured: its predictions must not change.

        Args:
            model: Id of the model.
            gpu: Kind of GPU.
            version: SGLang's release in the image; if None, the one measured last.
        """
        measured = self.releases.get((model, gpu))
        return "" if measured is None else version or measured


def fitted_of(measured: MeasuredCalibration | None) -> Calibration | None:
    """Return the calibration to predict with; None for the package's own.

    Args:
        measured: The user's own measurements; None if there are none.
    """
    return None if measured is None else measured.calibration
