from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from cdk_sglang_container.preflight import Expectation, Preflight, evaluate
from cdk_sglang_container.refused import RefusedError

GIB = 2**30


def _gpu(index: int = 0, **changes: Any) -> dict[str, Any]:
    gpu = {"index": index, "name": "NVIDIA L40S", "uuid": f"GPU-{index}", "bus": "", "visible": True, "compute": None}
    memory = {"total_bytes": 44 * GIB, "free_bytes": 43 * GIB}
    return {**gpu, **memory, "uncorrected_errors": 0, "remap_failed": False, "slowed_down": False, **changes}


def _report(*gpus: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"gpus": list(gpus), "error": None, "cuda": 13000, "driver": "580.95", "nvme": True, **changes}


def test_good_gpus_pass() -> None:
    expected = Expectation(gpus=2, min_free_gib=40, memory_fraction=0.9, nvme=True, cuda_major=13)
    assert evaluate(_report(_gpu(0), _gpu(1)), expected) == []


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (_report(error="NVML: Driver Not Loaded"), "no usable GPU: NVML: Driver Not Loaded"),
        (_report(_gpu(), cuda=12020), "driver 580.95 supports CUDA 12, the image needs 13"),
        (_report(_gpu(), nvme=False), "no instance-store NVMe disk"),
        (_report(), "1 GPUs expected, 0 visible"),
        (_report(_gpu(visible=False)), r"0 visible (1 more are there but not visible to CUDA)"),
        (
            _report(_gpu(compute="cuCtxCreate_v2: CUDA_ERROR_ECC_UNCORRECTABLE")),
            "GPU 0 (NVIDIA L40S GPU-0): does not compute",
        ),
        (_report(_gpu(free_bytes=20 * GIB)), "GPU 0 (NVIDIA L40S GPU-0): 20.0 GiB free, 39.6 planned"),
        (_report(_gpu(uncorrected_errors=2)), "2 uncorrected memory errors since boot"),
        (_report(_gpu(remap_failed=True)), "has failed to remap bad memory rows"),
        (_report(_gpu(slowed_down=True)), "the hardware has slowed it down"),
    ],
)
def test_a_bad_machine_is_refused_in_one_line_that_names_the_gpu(report: dict[str, Any], message: str) -> None:
    expected = Expectation(gpus=1, memory_fraction=0.9, nvme=True, cuda_major=13)
    (problem,) = evaluate(report, expected)
    assert message in problem


def _preflight(code: str) -> Preflight:
    return Preflight(
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    )


def test_a_machine_without_a_driver_is_refused_unless_the_platform_is_a_cpu() -> None:
    preflight = Preflight.start()
    preflight.check(Expectation(gpus=1), on_cpu=True)
    preflight.stop()
    broken = _preflight("raise SystemExit('no pynvml')")
    with pytest.raises(RefusedError, match=r"the GPU probe failed \(exit 1\): no pynvml") as refused:
        broken.check(Expectation(gpus=1), on_cpu=False)
    assert refused.value.exit_code == 3


def test_a_gpu_that_never_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdk_sglang_container.preflight._PROBE_TIMEOUT_S", 0.2)
    stuck = _preflight("import time; time.sleep(60)")
    with pytest.raises(RefusedError, match="a GPU does not answer"):
        stuck.check(Expectation(gpus=1), on_cpu=False)
    stuck.stop()
