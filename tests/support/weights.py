"""Adapters and models small enough to write by hand."""

from __future__ import annotations

import importlib
import json
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
import urllib3
from moto import mock_aws
from moto.server import ThreadedMotoServer

from tests.support.hub_server import HubServer

RUNTIME = Path(__file__).parents[2] / "constructs" / "cdk_sglang" / "_runtime"

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


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(RUNTIME))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    class Modules:
        stage: ModuleType = importlib.import_module("weights.stage")
        hub: ModuleType = importlib.import_module("weights.hub")
        transfer: ModuleType = importlib.import_module("weights.transfer")
        manifest: ModuleType = importlib.import_module("weights.manifest")
        main: ModuleType = importlib.import_module("weights.__main__")
        problems: ModuleType = importlib.import_module("weights.problems")

    yield Modules
    for name in [name for name in sys.modules if name == "weights" or name.startswith("weights.")]:
        del sys.modules[name]


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def s3(weights: Any) -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="models")
        yield client


@pytest.fixture
def endpoint_url() -> Iterator[str]:
    """Address of moto, as a server in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urllib3.request("POST", f"http://{host}:{port}/moto-api/reset")
    yield f"http://{host}:{port}"
    server.stop()
