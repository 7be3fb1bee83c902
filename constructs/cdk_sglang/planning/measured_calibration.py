"""A calibration that has learned from measurements of the user's own, with what a reader of a plan is told about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.planning.calibration import Calibration


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredCalibration:
    """Measurements of the user's own, as the planner takes them: predictions near them follow them; made by `read_measurements`.

    Attributes:
        place: File or folder of the measurements.
        rows: Measured rows that it was learned from.
        calibration: The package's calibration, corrected by them.
        releases: SGLang's release that was measured last, by model and GPU.
        notes: Rows that it was not learned from, by reason, one line each.
    """

    place: str
    rows: int
    calibration: Calibration
    releases: Mapping[tuple[str, str], str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """One line for a reader of a plan."""
        rows = "1 measured row" if self.rows == 1 else f"{self.rows} measured rows"
        return "; ".join([f"calibrated with {rows} of {self.place}: predictions near them follow them", *self.notes])

    def release(self, model: str, gpu: str, version: str | None) -> str:
        """Return the release to predict with: measurements are near a configuration of the same release.

        Empty, as without measurements, for a model on a kind of GPU that was not measured: there nothing may change.

        Args:
            model: Id of the model.
            gpu: Kind of GPU.
            version: SGLang's release in the image; that which was measured last if None.
        """
        measured = self.releases.get((model, gpu))
        return "" if measured is None else version or measured


def fitted_of(measured: MeasuredCalibration | None) -> Calibration | None:
    """Return the calibration to predict with; None for the package's.

    Args:
        measured: Measurements of the user's own; None without any.
    """
    return None if measured is None else measured.calibration
