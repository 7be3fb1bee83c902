"""How many instances hold the copies of an endpoint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.planning.packing import Need, pack

EIGHT = GpuInstance.P5_48XLARGE


def instances_needed(copies: list[int]) -> int:
    return len(pack([Need(name="chat", gpus=gpus) for gpus in copies], EIGHT))


@pytest.mark.parametrize(
    ("copies", "instances"), [([], 0), ([8], 1), ([4, 4], 1), ([4, 4, 1], 2), ([1] * 9, 2), ([5, 5, 3, 3], 2)]
)
def test_copies_are_packed_into_instances_of_eight(copies: list[int], instances: int) -> None:
    assert instances_needed(copies) == instances


@given(st.lists(st.sampled_from([1, 2, 4, 8]), max_size=40))
def test_packing_of_powers_of_two_wastes_nothing(copies: list[int]) -> None:
    assert instances_needed(copies) == -(-sum(copies) // 8)
