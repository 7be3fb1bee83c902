"""The platform SGLang asks instead of guessing: device cpu, no Triton, native PyTorch attention.

Written against sglang 0.5.23 (sglang/srt/platforms/interface.py). Two things are more than configuration:
`init_backend` makes pinned memory a no-op, since SGLang's LoRA code asks for it unconditionally and PyTorch refuses it
on a machine without an accelerator; `get_device` returns a string, since an absent `--device` is resolved with
`get_device().split(":")`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from sglang.srt.platforms.cpu import CpuDeviceMixin
from sglang.srt.platforms.device_mixin import PlatformEnum
from sglang.srt.platforms.interface import PlatformCapabilities, SRTPlatform

if TYPE_CHECKING:
    from collections.abc import Callable

# Without a bound SGLang gives the KV cache most of the machine's memory (15 GB of 23, measured with sglang 0.5.23).
DEFAULT_MAX_TOTAL_TOKENS = 16384

# SGLang's default is csgmv; these stop the scheduler with "0 active drivers" where there is no GPU.
_TRITON_LORA_BACKENDS = ("csgmv", "triton", "triton_v2")

_PINNING_FACTORIES = ("tensor", "empty", "zeros", "ones", "full", "arange", "empty_like", "zeros_like")


def _without_pinning(factory: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    @functools.wraps(factory)
    def unpinned(*args: Any, **options: Any) -> torch.Tensor:
        options.pop("pin_memory", None)
        return factory(*args, **options)

    return unpinned


def ignore_pinned_memory() -> None:
    """Take `pin_memory=True` as the hint it is: this machine has no allocator for it."""
    for name in _PINNING_FACTORIES:
        factory = getattr(torch, name)
        if not hasattr(factory, "__wrapped__"):
            setattr(torch, name, _without_pinning(factory))
    torch.Tensor.pin_memory = lambda self, *_args, **_options: self


class CpuPlatform(CpuDeviceMixin, SRTPlatform):  # type: ignore[misc] # SGLang ships no type information
    """Any CPU that PyTorch runs on."""

    _enum = PlatformEnum.OOT
    device_name = "cpu"
    device_type = "cpu"
    capabilities = PlatformCapabilities()  # no Triton, no graph capture, no device kernels

    def is_pin_memory_available(self, device: Any = None) -> bool:
        """No accelerator, no pinned memory."""
        return False

    def get_device(self, device_id: int = 0) -> str:
        """One device, as a string (see the module's docstring)."""
        return "cpu"

    def apply_server_args_defaults(self, server_args: Any) -> None:
        """Bound the KV cache unless the caller did; take the one LoRA backend that launches no Triton kernel."""
        if server_args.max_total_tokens is None:
            server_args.max_total_tokens = DEFAULT_MAX_TOTAL_TOKENS
        if server_args.lora_backend in _TRITON_LORA_BACKENDS:
            server_args.lora_backend = "torch_native"

    def init_backend(self) -> None:
        """Called once per SGLang process before tensors are made."""
        ignore_pinned_memory()

    def get_default_attention_backend(self) -> str:
        """PyTorch's scaled-dot-product attention."""
        return "torch_native"

    def get_default_speculative_draft_attention_backend(self, algorithm: str) -> str:
        """The same as for the base model."""
        return "torch_native"

    def get_dispatch_key_name(self) -> str:
        """Custom operators take their plain PyTorch implementation."""
        return "native"

    def get_group_coordinator_device(self, local_rank: int) -> torch.device:
        """Collective operations run on the CPU too."""
        return torch.device("cpu")
