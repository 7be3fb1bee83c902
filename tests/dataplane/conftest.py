"""Adapters and models small enough to write by hand."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

PEFT_CONFIG: dict[str, Any] = {
    "alpha_pattern": {},
    "base_model_name_or_path": "meta-llama/Llama-3.2-3B-Instruct",
    "bias": "none",
    "lora_alpha": 16,
    "modules_to_save": None,
    "peft_type": "LORA",
    "r": 8,
    "rank_pattern": {},
    "target_modules": ["q_proj", "v_proj"],
    "task_type": "CAUSAL_LM",
    "use_dora": False,
    "use_rslora": False,
}


def safetensors_bytes(shapes: Mapping[str, tuple[int, ...]], *, item_bytes: int = 2, dtype: str = "BF16") -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape in shapes.items():
        size = item_bytes
        for axis in shape:
            size *= axis
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(offset)


def adapter_shapes(rank: int) -> dict[str, tuple[int, ...]]:
    prefix = "base_model.model.model.layers.0.self_attn"
    sides = {"lora_A": (rank, 64), "lora_B": (64, rank)}
    return {f"{prefix}.{module}.{side}.weight": sides[side] for module in ("q_proj", "v_proj") for side in sides}


@pytest.fixture
def adapter_folder(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "triage", *, rank: int = 8, **changes: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        config = {**PEFT_CONFIG, "r": rank, **changes}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        (folder / "adapter_model.safetensors").write_bytes(safetensors_bytes(adapter_shapes(rank)))
        (folder / "optimizer.pt").write_bytes(b"not wanted")
        return folder

    return make
