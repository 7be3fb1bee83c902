"""Values fitted to measurements, as they are stored: coefficients, residuals of measured configurations, widths of bands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cdk_sglang.planning.residual_model import OwnResiduals, ResidualModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdk_sglang.planning.timing import Column, Columns

_SPREAD_FLAGS = (
    "sglang",
    "vllm",
    "experts_used",
    "latent",
    "linear",
    "sparse",
    "expert_parallel",
    "attention_dp",
    "emulated",
)
SPREAD_COLUMNS = ("one", "log_running", "log_tensor", "log_lengths", "log_deviation", *_SPREAD_FLAGS)
"""Columns that the width of a band depends on."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far measured values lie from a prediction, as logarithms.

    Args:
        slopes: How the logarithm of the typical distance depends on `SPREAD_COLUMNS`.
        low: Lower end of the band, in typical distances from the prediction.
        high: Upper end.
        centre: Position of the reported value: the point with the smallest mean relative error, since a value twice the
            measured one counts twice as much as half of it.
    """

    slopes: Mapping[str, float]
    low: float
    high: float
    centre: float

    def ends(self, columns: Columns) -> tuple[Column, Column]:
        """Return, for every row, the logarithmic distances of the band's ends from the prediction."""
        typical = np.exp(sum(self.slopes[name] * columns[name] for name in SPREAD_COLUMNS))
        return typical * self.low, typical * self.high


def spread_columns(rows: Columns, deviation: Column) -> dict[str, Column]:
    """Return the columns that a band's width depends on."""
    return {
        "one": np.ones_like(deviation),
        "log_running": np.log(rows["running"]),
        "log_tensor": np.log(rows["tensor"]),
        "log_lengths": np.log(rows["isl"] / rows["osl"]),
        "log_deviation": np.log(deviation),
        **{flag: rows[flag] for flag in _SPREAD_FLAGS},
    }


@dataclass(frozen=True, kw_only=True)
class Saturation:
    """Correction of the predicted throughput of an engine when every request is queued at once.

    Args:
        factor: Predicted over measured.
        spread: Logarithmic distance from that factor within which 85 % of the measurements lie.
    """

    factor: float = 1.0
    spread: float = 0.0


@dataclass(frozen=True)
class Calibration:
    """Fitted coefficients, measured residuals and band widths; `drafted` has the user's own measurements with speculative decoding."""

    coefficients: dict[str, float]
    ttft: ResidualModel
    tpot: ResidualModel
    bands: Mapping[str, Spread]
    saturation: Mapping[str, Saturation]
    drafted: OwnResiduals | None = None


@cache
def calibration() -> Calibration:
    """Return the calibration of this version of the package (made by `benchmarks/planner/calibrate.py`)."""
    return read_calibration(
        json.loads((Path(__file__).parent / "data" / "calibration.json").read_text(encoding="utf-8"))
    )


def read_calibration(data: Mapping[str, Any]) -> Calibration:
    """Return the calibration that a JSON object holds."""

    def residual_model(kind: str) -> ResidualModel:
        part = data["nearby"][kind]  # the file's name of the residual models
        return ResidualModel(
            points={name: np.array(values, dtype=np.float64) for name, values in part["points"].items()},
            weights=np.array(part["weights"]),
            noise=np.array(part["noise"]),
            deviations=part["deviations"],
        )

    return Calibration(
        coefficients=data["coefficients"],
        ttft=residual_model("ttft"),
        tpot=residual_model("tpot"),
        bands={kind: Spread(**band) for kind, band in data["bands"].items()},
        saturation={engine: Saturation(**values) for engine, values in data["saturation"].items()},
    )
