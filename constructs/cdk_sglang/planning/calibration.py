"""What was fitted to measurements, as it is stored: coefficients, residuals of measured configurations, widths of bands."""

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
"""What the width of a band follows."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far measured values lie from a prediction, as logarithms.

    Args:
        slopes: How the typical distance follows `SPREAD_COLUMNS`, as its logarithm.
        low: Lower end of the band, in typical distances from the prediction.
        high: Upper end.
        centre: Where the value given lies: the point whose mean relative error is least, since a value twice the
            measured one counts twice as much as half of it.
    """

    slopes: Mapping[str, float]
    low: float
    high: float
    centre: float

    def ends(self, columns: Columns) -> tuple[Column, Column]:
        """Return the logarithms by which the band's ends lie from the prediction, for every row."""
        typical = np.exp(sum(self.slopes[name] * columns[name] for name in SPREAD_COLUMNS))
        return typical * self.low, typical * self.high


def spread_columns(rows: Columns, deviation: Column) -> dict[str, Column]:
    """Return the columns that a band's width follows."""
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
    """Throughput with every request queued at once, per engine.

    Args:
        factor: Predicted over measured.
        spread: How far 85 % of the measurements lie from that, as a logarithm.
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
    """Return the calibration this version carries (made by `benchmarks/planner/calibrate.py`)."""
    return read_calibration(
        json.loads((Path(__file__).parent / "data" / "calibration.json").read_text(encoding="utf-8"))
    )


def read_calibration(data: Mapping[str, Any]) -> Calibration:
    """Return a calibration from its JSON form."""

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
