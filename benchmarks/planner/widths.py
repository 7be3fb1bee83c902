"""Widths of the bands, and how often they hold rows of models and GPUs that neither the fit nor the widths have seen.

A band's width follows the configuration: a quantile of the errors' sizes, linear in `SPREAD_COLUMNS` (quantile regression). The rows of one model on
one GPU share their causes, so a quantile of all rows promises too much for a group that is new. Therefore the level is chosen by groups
as in split conformal prediction: the widths are fitted again without each group, and the level is the least at which the rows of such
groups are inside as often as promised, whether a model on a GPU, a model or a GPU is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cdk_sglang.planning.calibration import SPREAD_COLUMNS, Spread

if TYPE_CHECKING:
    from collections.abc import Mapping

PROMISED = 0.85
"""Share of rows of groups never seen that a band holds, at the least."""
LEVELS = np.round(np.arange(0.8, 0.981, 0.0025), 4)
"""Shares of the rows that were seen among which the level is chosen."""
TAIL = 0.86
"""Quantile of the errors' sizes that the widths follow: about the level, since what makes typical errors large is not what makes large ones."""
RIDGE = 20.0
"""Weight, in rows, that pulls each slope towards no effect."""
NEAR_ZERO = 0.03
"""Added to an error's size before its logarithm: half of what repeats of one measurement differ by."""
_STEPS, _SMOOTH = 40, 0.05


@dataclass(frozen=True)
class _Fit:
    slopes: np.ndarray
    scores: np.ndarray
    """Errors in typical distances, in ascending order."""

    def ends(self, level: float) -> tuple[float, float]:
        """Return the ends of the narrowest interval that holds a share of the scores."""
        inside = int(np.ceil(level * len(self.scores)))
        first = int(np.argmin(self.scores[inside - 1 :] - self.scores[: len(self.scores) - inside + 1]))
        return float(self.scores[first]), float(self.scores[first + inside - 1])


class Widths:
    """Errors of left-out rows of one kind, and the bands that follow from them."""

    def __init__(
        self,
        *,
        errors: Mapping[str, np.ndarray],
        columns: Mapping[str, Mapping[str, np.ndarray]],
        groups: Mapping[str, np.ndarray],
        known: np.ndarray,
    ) -> None:
        """Fit the widths with all rows, and without each group.

        Args:
            errors: log(measured / predicted) of every row, by what was left out of the fit.
            columns: `SPREAD_COLUMNS` of every row, the same.
            groups: Group of every row, the same.
            known: Rows that were measured and are in scope.
        """
        self._errors, self._groups, self.known = errors, groups, known
        self._designs = {
            name: np.column_stack([values[column] for column in SPREAD_COLUMNS]) for name, values in columns.items()
        }
        self._all = self._fit(known)
        self._without = {
            (name, group): self._fit(known & (of_row != group))
            for name, of_row in groups.items()
            for group in sorted(set(of_row[known]))
        }
        self.level = next(
            (float(one) for one in LEVELS if min(share.mean() for share in self.unseen(one).values()) >= PROMISED),
            float(LEVELS[-1]),
        )

    def unseen(self, level: float | None = None) -> dict[str, np.ndarray]:
        """Return which known rows lie inside bands whose widths were fitted without the row's group, by what was left out.

        Args:
            level: Share of the seen rows inside; the chosen one if None.
        """
        found = {}
        for name, of_row in self._groups.items():
            inside = np.zeros(len(of_row), dtype=bool)
            for group in set(of_row[self.known]):
                fit = self._without[name, group]
                low, high = fit.ends(self.level if level is None else level)
                rows = self.known & (of_row == group)
                scores = self._errors[name][rows] / np.exp(self._designs[name][rows] @ fit.slopes)
                inside[rows] = (low <= scores) & (scores <= high)
            found[name] = inside[self.known]
        return found

    def spread(self, centre: float) -> Spread:
        """Return the band of all rows at the chosen level.

        Args:
            centre: Where the value given lies.
        """
        low, high = self._all.ends(self.level)
        slopes = {name: round(float(v), 4) for name, v in zip(SPREAD_COLUMNS, self._all.slopes, strict=True)}
        return Spread(slopes=slopes, low=round(low, 4), high=round(high, 4), centre=centre)

    def _fit(self, rows: np.ndarray) -> _Fit:
        error = np.concatenate([self._errors[name][rows] for name in self._groups])
        design = np.vstack([self._designs[name][rows] for name in self._groups])
        slopes = _quantile_slopes(design, np.log(np.abs(error) + NEAR_ZERO))
        return _Fit(slopes, np.sort(error / np.exp(design @ slopes)))


def _quantile_slopes(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the slopes of quantile `TAIL` of the values, by weighted least squares; the first column is the constant."""
    ridge = RIDGE * np.eye(design.shape[1])
    ridge[0, 0] = 0.0
    slopes: np.ndarray = np.linalg.solve(design.T @ design + ridge, design.T @ values)
    for _ in range(_STEPS):
        rest = values - design @ slopes
        weight = np.where(rest > 0, TAIL, 1 - TAIL) / np.maximum(np.abs(rest), _SMOOTH)
        weighted = design * weight[:, None]
        slopes = np.linalg.solve(weighted.T @ design + ridge, weighted.T @ values)
    return slopes
