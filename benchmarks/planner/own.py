"""How much measurements of one's own help: every measured row predicted with the other rows of its model and GPU as own measurements.

The planner to start from was fitted without any row of that model on that GPU, as for a user whose model nobody had measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cdk_sglang.planning.measured import OWN_NOISE
from cdk_sglang.planning.residual_model import OwnResiduals

if TYPE_CHECKING:
    from calibrate import Fitted

FEWEST = 3
"""Rows of a model on a GPU from which leaving one out says something."""
MOST = 40
"""Rows of a group that are used: a user measures a few loads, and larger groups would decide the mean."""


def own_measurements(fitted: Fitted, left_out: str) -> None:
    """Print mean absolute percentage errors and medians before and after, of rows that are left out one by one.

    Args:
        fitted: The planner.
        left_out: Name of the grouping by model and GPU.
    """
    out, groups = fitted.left_out[left_out], np.array(fitted.groups[left_out])
    print(f"\nown measurements: each row predicted with the others of its group ({left_out})")
    for kind, predicted in (("tpot", out.tpot), ("ttft", out.ttft)):
        residuals = np.log(fitted.measured[kind]) - predicted
        # A time to the first token with a wait is mostly the wait, to which nothing is fitted.
        known = np.isfinite(residuals) & fitted.inside & (fitted.rows["running"] >= fitted.concurrency)
        deviations = fitted.posteriors[kind].deviations
        before, after = [], []
        for group in np.unique(groups[known]):
            rows = np.flatnonzero(known & (groups == group))[:MOST]
            if len(rows) < FEWEST:
                continue
            for row in rows:
                others = rows[rows != row]
                own = OwnResiduals.fitted(
                    {name: values[others] for name, values in fitted.rows.items()},
                    residuals[others],
                    noise=OWN_NOISE,
                    deviations=deviations,
                )
                here = {name: values[[row]] for name, values in fitted.rows.items()}
                (shift,), _ = own.correct(here, np.zeros(1), np.ones(1))
                before.append(abs(np.expm1(-residuals[row])))
                after.append(abs(np.expm1(shift - residuals[row])))
        print(
            f"  {kind}, {len(before)} rows: {np.mean(before):.1%} (median {np.median(before):.1%}) before, "
            f"{np.mean(after):.1%} (median {np.median(after):.1%}) after"
        )
