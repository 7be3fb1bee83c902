"""Refuse a bad GPU before serving: a copy must not come up slow, wrong, or on fewer GPUs than planned."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cdk_sglang_container.refused import EXIT_BAD_MACHINE, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("cdk_sglang_container")

# A probe takes about a second; a GPU that has fallen off the bus can block its driver calls for ever.
_PROBE_TIMEOUT_S = 90.0
_BYTES_PER_GIB = 2**30
_CUDA_MAJOR = 1000  # 13000 is CUDA 13.0


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the settings require of the machine.

    Args:
        gpus: GPUs this copy uses.
        min_free_gib: Free memory per GPU that the plan assumes. Default: not checked.
        memory_fraction: SGLang's share of each GPU (`mem_fraction_static`). Default: SGLang chooses, not checked.
        nvme: Whether an instance-store disk must be there.
        cuda_major: CUDA the image's PyTorch was built for. Default: not checked.
    """

    gpus: int
    min_free_gib: float | None = None
    memory_fraction: float | None = None
    nvme: bool = False
    cuda_major: int | None = None


def evaluate(report: Mapping[str, Any], expected: Expectation) -> list[str]:
    """Problems of a probe's report (`gpu_probe.probe`), one line each, the GPU named.

    Args:
        report: As printed by the probe.
        expected: What the settings require.
    """
    if report["error"]:
        return [f"no usable GPU: {report['error']}; check the instance type and the inference AMI (driver)"]
    problems = []
    if expected.nvme and not report["nvme"]:
        problems.append(
            "no instance-store NVMe disk: weights would be read from a network disk; use a type that has one"
        )
    major = report["cuda"] // _CUDA_MAJOR
    if expected.cuda_major is not None and major < expected.cuda_major:
        problems.append(
            f"driver {report['driver']} supports CUDA {major}, the image needs {expected.cuda_major}; "
            "choose an inference AMI with a newer driver"
        )
    gpus = [gpu for gpu in report["gpus"] if gpu.get("visible")]
    if len(gpus) < expected.gpus:
        hidden = len(report["gpus"]) - len(gpus)
        also = f" ({hidden} more are there but not visible to CUDA)" if hidden else ""
        problems.append(
            f"{expected.gpus} GPUs expected, {len(gpus)} visible{also}; check tp_size and the component's GPUs"
        )
    problems += [problem for gpu in gpus for problem in _gpu_problems(gpu, expected)]
    return problems


def _gpu_problems(gpu: Mapping[str, Any], expected: Expectation) -> list[str]:
    name = f"GPU {gpu['index']} ({gpu['name']} {gpu['uuid']})".replace(" )", ")")
    if gpu["compute"]:
        return [f"{name}: does not compute: {gpu['compute']}; replace the instance"]
    problems = []
    if gpu.get("uncorrected_errors"):
        problems.append(
            f"{name}: {gpu['uncorrected_errors']} uncorrected memory errors since boot; replace the instance"
        )
    if gpu.get("remap_failed"):
        problems.append(f"{name}: has failed to remap bad memory rows; replace the instance")
    if gpu.get("slowed_down"):
        problems.append(f"{name}: the hardware has slowed it down (heat or power); replace the instance")
    free, total = gpu.get("free_bytes"), gpu.get("total_bytes")
    if free is None or total is None:
        return problems
    need = max((expected.min_free_gib or 0) * _BYTES_PER_GIB, (expected.memory_fraction or 0) * total)
    if free < need:
        free_gib, need_gib = free / _BYTES_PER_GIB, need / _BYTES_PER_GIB
        problems.append(f"{name}: {free_gib:.1f} GiB free, {need_gib:.1f} planned; another process is on this GPU")
    return problems


class Preflight:
    """The probe's process: started early, read late.

    Args:
        process: Running `gpu_probe`.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @classmethod
    def start(cls) -> Preflight:
        """Start testing the GPUs."""
        command = [sys.executable, "-m", "cdk_sglang_container.gpu_probe"]
        return cls(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))

    def check(self, expected: Expectation, *, on_cpu: bool) -> None:
        """Wait for the probe and judge it.

        Args:
            expected: What the settings count on.
            on_cpu: Whether SGLang's platform serves without a GPU; then nothing is checked.

        Raises:
            RefusedError: With each bad GPU named.
        """
        if on_cpu:
            logger.warning("GPU preflight skipped: SGLang's platform serves on the CPU")
            return
        try:
            output, errors = self._process.communicate(timeout=_PROBE_TIMEOUT_S)
            report = json.loads(output)
        except subprocess.TimeoutExpired:
            problems = [
                f"a GPU does not answer: the probe was stopped after {_PROBE_TIMEOUT_S:.0f} s; replace the instance"
            ]
        except ValueError:
            last = errors.strip().splitlines()[-1] if errors.strip() else "no output"
            problems = [f"the GPU probe failed (exit {self._process.returncode}): {last}"]
        else:
            problems = evaluate(report, expected)
        if problems:
            raise RefusedError(problems, exit_code=EXIT_BAD_MACHINE)

    def stop(self) -> None:
        """End the probe if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
