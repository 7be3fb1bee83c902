"""GPUs as engines meet them."""

from __future__ import annotations

import pytest

from cdk_sglang.hardware import Gpu


@pytest.mark.parametrize("gpu", Gpu.all(), ids=lambda gpu: gpu.name)
def test_the_whole_memory_is_a_little_more_than_what_is_free_and_its_source_is_given(gpu: Gpu) -> None:
    assert 0 < gpu.memory_mib - gpu.memory_gib * 1024 < 0.06 * gpu.memory_mib
    assert f"memory.total {gpu.memory_mib} MiB: " in gpu.source
    assert "(2026-11-29)" in gpu.source


@pytest.mark.parametrize(
    ("name", "mib"), [("A10G-24GB", 23028), ("L4-24GB", 23034), ("H100-SXM-80GB", 81559), ("H200-SXM-141GB", 143771)]
)
def test_the_whole_memory_is_what_nvidia_smi_says(name: str, mib: int) -> None:
    assert Gpu.of(name).memory_mib == mib
