"""A band holds as many rows of groups never seen as promised, though the rows of a group share their error."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cdk_sglang.planning.calibration import SPREAD_COLUMNS, calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "planner"
GROUPS, ROWS = 30, 40


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("widths")


def sample(seed: int) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]], NDArray[np.object_]]:
    """Errors that are twice as large for SGLang, and of which each group shares most."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(GROUPS), ROWS)
    sglang = (group % 2).astype(float)
    error = (random.standard_normal(GROUPS)[group] + 0.3 * random.standard_normal(len(group))) * 0.1 * (1 + sglang)
    columns = {name: np.zeros(len(group)) for name in SPREAD_COLUMNS}
    return error, {**columns, "one": np.ones(len(group)), "sglang": sglang}, group.astype(object)


def fitted(widths: Any, seed: int) -> Any:
    error, columns, groups = sample(seed)
    return widths.Widths(
        errors={"model": error}, columns={"model": columns}, groups={"model": groups}, known=np.isfinite(error)
    )


def test_groups_that_no_width_has_seen_are_inside_as_often_as_promised(widths: Any) -> None:
    shares: dict[str, list[float]] = {"chosen": [], "promised": []}
    for seed in range(16):
        found = fitted(widths, seed)
        assert found.unseen()["model"].mean() >= widths.PROMISED
        for name, level in (("chosen", found.level), ("promised", widths.PROMISED)):
            found.level = level
            for fresh in range(8):
                error, columns, _ = sample(1000 + 8 * seed + fresh)
                low, high = found.spread(0.0).ends(columns)
                shares[name].append(float(((low <= error) & (error <= high)).mean()))
    # the level that is promised of all rows holds fewer of new groups
    assert np.mean(shares["chosen"]) == pytest.approx(widths.PROMISED, abs=0.02)
    assert np.mean(shares["promised"]) < np.mean(shares["chosen"]) - 0.02


def test_the_level_is_the_least_that_does(widths: Any) -> None:
    found = fitted(widths, 0)
    below = found.level - 0.0025
    assert below < widths.LEVELS[0] or found.unseen(below)["model"].mean() < widths.PROMISED


def test_a_group_is_judged_by_widths_that_have_not_seen_it(widths: Any) -> None:
    error, columns, groups = sample(0)
    far = np.where(groups == 3, 5.0, error)
    found = widths.Widths(
        errors={"model": far}, columns={"model": columns}, groups={"model": groups}, known=np.isfinite(far)
    )
    assert not found.unseen(0.9)["model"][groups == 3].any()


def test_a_band_is_wider_where_errors_are_larger(widths: Any) -> None:
    _, columns, _ = sample(0)
    low, high = fitted(widths, 0).spread(0.0).ends(columns)
    width = high - low
    assert width[columns["sglang"] == 1].mean() > 1.5 * width[columns["sglang"] == 0].mean()


def test_every_band_holds_the_value_given() -> None:
    assert set(calibration().bands) == {"tpot", "ttft", "throughput"}
    for band in calibration().bands.values():
        assert set(band.slopes) == set(SPREAD_COLUMNS)
        assert band.low < 0 < band.high
