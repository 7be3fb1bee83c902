"""Attention in PyTorch for EAGLE with top-k 1: SGLang's `torch_native` backend, which 0.5.23 has for everything but EAGLE.

Triton's own kernels run in its interpreter too, and a step of EAGLE then takes 3 s (`--attention-backend triton`, measured 2026-11). With
top-k 1 a draft is a chain of tokens that follow the sequence in the same row of `req_to_token`, so that verifying them is an extension
of the sequence, and drafting step n is a decoding step of a sequence n + 1 longer (srt/layers/attention/triton_backend.py,
`TritonMultiStepDraftBackend`, and srt/speculative/eagle_worker_common.py, `prepare_for_draft`). Drafting, verifying and accepting are
SGLang's.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

NAME = "torch_native"


def give_eagle(module: ModuleType) -> None:
    """Let `sglang.srt.speculative.draft_utils` make backends of the name for drafts.

    Args:
        module: The module, just imported.
    """
    factory = module.DraftBackendFactory

    def create(self: Any, backend_name: str, backend_map: dict[str, Any], *positions: Any, **options: Any) -> Any:
        if NAME not in backend_map:
            backend_type = _Chain if options.get("stamps_children") else _single
            backend_map[NAME] = lambda: (NAME, backend_type(self))
        return plain(self, backend_name, backend_map, *positions, **options)

    plain = vars(factory)["_create_backend"]
    setattr(factory, "_create_backend", create)  # noqa: B010  the name is SGLang's


def replace(module: ModuleType) -> None:
    """Register the backend in `sglang.srt.layers.attention.attention_registry` under the name of the one it extends.

    Args:
        module: The module, just imported.
    """
    module.ATTENTION_BACKENDS[NAME] = _for_runner


def _for_runner(runner: Any) -> Any:
    return _backend_class()(runner)


def _single(factory: Any) -> Any:
    return _backend_class()(factory.draft_model_runner)


class _Chain:
    """One backend for each step of a draft after the first."""

    needs_cpu_seq_lens = False

    def __init__(self, factory: Any) -> None:
        backend_type = _backend_class()
        steps = range(1, factory.speculative_num_steps)
        self.attn_backends = [backend_type(factory.draft_model_runner, ahead=step) for step in steps]

    def init_forward_metadata(self, forward_batch: Any) -> None:
        """Nothing is planned ahead."""


@dataclass
class _Lengths:
    """Lengths of a batch as `TorchNativeAttnBackend` reads them."""

    batch: Any
    seq_lens: Any
    extend_prefix_lens: Any = None
    extend_seq_lens: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.batch, name)


def _backend_class() -> Any:
    import torch
    from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend

    class ChainBackend(TorchNativeAttnBackend):  # type: ignore[misc] # SGLang ships no type information
        needs_cpu_seq_lens = False

        def __init__(self, runner: Any, *, ahead: int = 0) -> None:
            super().__init__(runner)
            self._ahead = ahead

        def forward_decode(
            self, q: Any, k: Any, v: Any, layer: Any, forward_batch: Any, *rest: Any, **more: Any
        ) -> Any:
            if self._ahead:
                forward_batch = _Lengths(forward_batch, forward_batch.seq_lens + self._ahead)
            return super().forward_decode(q, k, v, layer, forward_batch, *rest, **more)

        def forward_extend(
            self, q: Any, k: Any, v: Any, layer: Any, forward_batch: Any, *rest: Any, **more: Any
        ) -> Any:
            if forward_batch.forward_mode.is_target_verify():
                prefix = forward_batch.seq_lens
                added = forward_batch.spec_info.draft_token_num
                forward_batch = _Lengths(forward_batch, prefix + added, prefix, torch.full_like(prefix, added))
            return super().forward_extend(q, k, v, layer, forward_batch, *rest, **more)

    return ChainBackend
