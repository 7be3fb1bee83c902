"""What the engine of this machine changes in SGLang so that EAGLE runs without a GPU; small modules stand in for SGLang's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STARTUP = Path(__file__).parents[2] / "localcloud" / "engine" / "startup"
MODULES = {
    "sglang/kernels/ops/speculative/spec_tree.py": (
        "_is_xpu = False\nsgl_build_tree_kernel_triton = verify_tree_greedy_triton = print"
    ),
    "torch.py": "",
    "cdk_sglang_cpu/platform.py": "class CpuPlatform:\n    def supports_speculative_algorithm(self, name): return False",
    "sglang/srt/layers/attention/attention_registry.py": "ATTENTION_BACKENDS = {'torch_native': 'plain'}",
    "sglang/srt/speculative/draft_utils.py": (
        "class DraftBackendFactory:\n    def _create_backend(self, name, backends, template): return sorted(backends)"
    ),
}
PROGRAM = """
from cdk_sglang_cpu.platform import CpuPlatform
from sglang.kernels.ops.speculative import spec_tree
from sglang.srt.layers.attention.attention_registry import ATTENTION_BACKENDS
from sglang.srt.speculative.draft_utils import DraftBackendFactory
yes = [name for name in ("EAGLE", "EAGLE3", "NEXTN", "DFLASH") if CpuPlatform().supports_speculative_algorithm(name)]
made = DraftBackendFactory()._create_backend("decode", {"triton": None}, "")
print(spec_tree._is_xpu, yes, ATTENTION_BACKENDS["torch_native"] == "plain", made)
"""


@pytest.mark.parametrize(
    ("interpret", "printed"),
    [
        ("1", "True ['EAGLE', 'EAGLE3', 'NEXTN'] False ['torch_native', 'triton']"),
        ("0", "False [] True ['triton']"),
    ],
)
def test_eagle_runs_where_tritons_kernels_are_interpreted_and_nowhere_else(
    tmp_path: Path, interpret: str, printed: str
) -> None:
    for name, text in MODULES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    variables = {"PYTHONPATH": f"{STARTUP}{os.pathsep}{tmp_path}", "TRITON_INTERPRET": interpret}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == printed, done.stderr
