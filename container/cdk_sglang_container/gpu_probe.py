"""Test every GPU in a separate process: `python -m cdk_sglang_container.gpu_probe` prints what it found as JSON.

The process is separate because a CUDA context takes about 0.5 GB of GPU memory for as long as its process lives. No PyTorch:
NVML (nvidia-ml-py) tells what the driver knows, the CUDA driver library whether the GPU computes. Takes about a second.
"""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

# Adds 1 to every element: short, and it runs on the GPU's own cores. sm_75 is the oldest target that CUDA 13 accepts.
_KERNEL = b"""
.version 6.3
.target sm_75
.address_size 64
.visible .entry add_one(.param .u64 data)
{
  .reg .u32 %r<5>; .reg .u64 %rd<4>;
  ld.param.u64 %rd1, [data];
  cvta.to.global.u64 %rd1, %rd1;
  mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x;
  mad.lo.u32 %r1, %r2, %r3, %r1;
  mul.wide.u32 %rd2, %r1, 4;
  add.u64 %rd3, %rd1, %rd2;
  ld.global.u32 %r4, [%rd3];
  add.u32 %r4, %r4, 1;
  st.global.u32 [%rd3], %r4;
  ret;
}
\0"""
_BLOCKS, _THREADS = 256, 256
_ELEMENTS = _BLOCKS * _THREADS
_SEED = 41
# https://docs.nvidia.com/deploy/nvml-api (clocks event reasons): the hardware has slowed itself down.
_HARDWARE_SLOWDOWN = 0x08 | 0x40 | 0x80
# /sys/class/nvme/*/model of an EC2 instance-store disk.
_INSTANCE_STORE = "Amazon EC2 NVMe Instance Storage"


class _CudaError(RuntimeError):
    """A CUDA driver call failed."""


class _Cuda:
    """The CUDA driver calls that the probe needs, with their errors as exceptions."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")

    def __call__(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self._library.cuGetErrorName(status, ctypes.byref(text))
            raise _CudaError(f"{function}: {(text.value or b'unknown').decode()}")


def probe() -> dict[str, Any]:
    """What this machine's GPUs are, and whether each computes."""
    report: dict[str, Any] = {"gpus": [], "error": None, "cuda": None, "driver": None, "nvme": _has_instance_store()}
    try:
        _ask_driver(report)
        cuda = _Cuda()
        cuda("cuInit", 0)
        version, count = ctypes.c_int(), ctypes.c_int()
        cuda("cuDriverGetVersion", ctypes.byref(version))
        report["cuda"] = version.value
        cuda("cuDeviceGetCount", ctypes.byref(count))
        report["visible"] = count.value
    except (OSError, _CudaError) as error:
        report["error"] = str(error)
        return report
    for index in range(count.value):
        try:
            bus, problem = _bus_id(cuda, index), None
        except _CudaError as error:
            bus, problem = "", str(error)
        try:
            _compute(cuda, index)
        except _CudaError as error:
            problem = str(error)
        known = next((gpu for gpu in report["gpus"] if bus and gpu["bus"].lower().endswith(bus.lower())), None)
        if known is None:
            known = {"index": index, "name": "GPU", "uuid": "", "bus": bus}
            report["gpus"].append(known)
        known.update(visible=True, compute=problem)
    return report


def _ask_driver(report: dict[str, Any]) -> None:
    import pynvml

    def maybe(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T | None:
        try:
            return function(*arguments, **options)
        except pynvml.NVMLError:
            return None  # not every GPU and driver has every counter

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise _CudaError(f"NVML: {error}") from error
    report["driver"] = pynvml.nvmlSystemGetDriverVersion()
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        except pynvml.NVMLError as error:
            report["gpus"].append({"index": index, "name": "GPU", "uuid": "", "bus": "", "compute": str(error)})
            continue
        reasons = maybe(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
        remapped = maybe(pynvml.nvmlDeviceGetRemappedRows, handle)
        ecc = maybe(
            pynvml.nvmlDeviceGetTotalEccErrors,
            handle,
            pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            pynvml.NVML_VOLATILE_ECC,
        )
        gpu = {
            "index": index,
            "name": pynvml.nvmlDeviceGetName(handle),
            "uuid": pynvml.nvmlDeviceGetUUID(handle),
            "bus": pynvml.nvmlDeviceGetPciInfo(handle).busId,
            "total_bytes": memory.total,
            "free_bytes": memory.free,
            "uncorrected_errors": ecc or 0,
            "remap_failed": bool(remapped and remapped[3]),
            "slowed_down": bool(reasons & _HARDWARE_SLOWDOWN),
            "visible": False,
            "compute": None,
        }
        report["gpus"].append(gpu)
    pynvml.nvmlShutdown()


def _bus_id(cuda: _Cuda, index: int) -> str:
    device, text = ctypes.c_int(), ctypes.create_string_buffer(32)
    cuda("cuDeviceGet", ctypes.byref(device), index)
    cuda("cuDeviceGetPCIBusId", text, 32, device)
    return text.value.decode()


def _compute(cuda: _Cuda, index: int) -> None:
    """Run the kernel once and read every element back."""
    device, context = ctypes.c_int(), ctypes.c_void_p()
    cuda("cuDeviceGet", ctypes.byref(device), index)
    cuda("cuCtxCreate_v2", ctypes.byref(context), 0, device)
    try:
        module, function, data = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint64()
        cuda("cuModuleLoadData", ctypes.byref(module), _KERNEL)
        cuda("cuModuleGetFunction", ctypes.byref(function), module, b"add_one")
        cuda("cuMemAlloc_v2", ctypes.byref(data), ctypes.c_size_t(4 * _ELEMENTS))
        cuda("cuMemsetD32_v2", data, ctypes.c_uint(_SEED), ctypes.c_size_t(_ELEMENTS))
        arguments = (ctypes.c_void_p * 1)(ctypes.cast(ctypes.pointer(data), ctypes.c_void_p))
        cuda("cuLaunchKernel", function, _BLOCKS, 1, 1, _THREADS, 1, 1, 0, None, arguments, None)
        cuda("cuCtxSynchronize")
        result = (ctypes.c_uint * _ELEMENTS)()
        cuda("cuMemcpyDtoH_v2", result, data, ctypes.c_size_t(4 * _ELEMENTS))
        wrong = sum(1 for value in result if value != _SEED + 1)
        if wrong:
            raise _CudaError(f"computed {wrong} of {_ELEMENTS} sums wrong")
    finally:
        cuda("cuCtxDestroy_v2", context)


def _has_instance_store(root: Path = Path("/sys/class/nvme")) -> bool:
    return any(model.read_text(errors="replace").strip() == _INSTANCE_STORE for model in root.glob("*/model"))


if __name__ == "__main__":
    print(json.dumps(probe()))
