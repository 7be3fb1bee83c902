"""Let EAGLE run where Triton's kernels are interpreted.

SGLang 0.5.23 builds and verifies the tree of a draft with CUDA kernels, and has Triton ones for Intel's GPUs; an out-of-tree platform
gets neither (kernels/ops/speculative/spec_tree.py), and has to say that it supports the algorithm (arg_groups/speculative_hook.py).
With `TRITON_INTERPRET=1` Triton runs its kernels on a CPU: the module takes those, and the platform reports support for what was tested here.
PyTorch does the work that would take the interpreter most of a step for a chain: attention (`cdk_sglang_chain`), bookkeeping (`cdk_sglang_tree`).
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import cdk_sglang_chain
import cdk_sglang_tree

_ALGORITHMS = ("EAGLE", "EAGLE3", "NEXTN")


def _support_eagle(module: ModuleType) -> None:
    def supports(_platform: Any, algorithm: str) -> bool:
        return algorithm in _ALGORITHMS

    module.CpuPlatform.supports_speculative_algorithm = supports


_CHANGES: dict[str, Callable[[ModuleType], None]] = {
    "sglang.kernels.ops.speculative.spec_tree": cdk_sglang_tree.change_trees,
    "sglang.kernels.ops.speculative.cache_locs": cdk_sglang_tree.change_places,
    "sglang.srt.mem_cache.allocation": cdk_sglang_tree.change_allocation,
    "cdk_sglang_cpu.platform": _support_eagle,
    "sglang.srt.layers.attention.attention_registry": cdk_sglang_chain.replace,
    "sglang.srt.speculative.draft_utils": cdk_sglang_chain.give_eagle,
}


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader, change: Callable[[ModuleType], None]) -> None:
        self._inner = inner
        self._change = change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        self._change(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules, each once."""

    def __init__(self) -> None:
        self._changes = dict(_CHANGES)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        change = self._changes.pop(fullname, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, change)
        return spec


def install() -> None:
    """Change the modules when they are imported, if Triton's kernels are interpreted."""
    if os.environ.get("TRITON_INTERPRET") == "1":
        # SGLang compiles a function of the draft's at its first batch of each size (spec_utils.py), for 5 s here.
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
        sys.meta_path.insert(0, _Finder())
