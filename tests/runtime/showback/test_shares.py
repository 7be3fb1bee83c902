"""Whole numbers that are split add up."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cdk_sglang._runtime.showback.shares import rounded, split

_WEIGHTS = st.dictionaries(st.integers(), st.fractions(0, 100, max_denominator=97), min_size=1, max_size=9)


@given(st.integers(0, 10**12), _WEIGHTS)
def test_parts_add_up_and_none_is_a_unit_from_its_share(total: int, weights: dict[int, Fraction]) -> None:
    parts = split(total, weights)
    assert sum(parts.values()) == total
    together = sum(weights.values())
    if together:
        assert all(abs(parts[key] - total * weight / together) < 1 for key, weight in weights.items())


def test_the_largest_remainder_gets_the_odd_cent() -> None:
    assert split(10, {"a": Fraction(1), "b": Fraction(1), "c": Fraction(1)}) == {"a": 4, "b": 3, "c": 3}
    assert split(10, {"a": Fraction(26), "b": Fraction(27), "c": Fraction(47)}) == {"a": 2, "b": 3, "c": 5}
    assert split(7, {"a": Fraction(0), "b": Fraction(0)}) == {"a": 7, "b": 0}
    assert split(7, {}) == {}
    assert [rounded(Fraction(value, 4)) for value in range(5)] == [0, 0, 1, 1, 1]
