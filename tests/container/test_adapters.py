from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cdk_sglang_container.adapters import (
    AdapterError,
    base_shapes,
    check_adapter,
    check_name,
    find_folder,
    tensor_shapes,
)

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "model.layers.0.self_attn.q_proj"
BASE = {f"{MODULE}.weight": (64, 32), "model.norm.weight": (32,)}
ADAPTER = {f"base_model.model.{MODULE}.lora_A.weight": (4, 32), f"base_model.model.{MODULE}.lora_B.weight": (64, 4)}
CONFIG = {"r": 4, "target_modules": ["q_proj"]}


def _safetensors(path: Path, shapes: dict[str, tuple[int, ...]], *, cut: int = 0) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        size = 2
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + bytes(end)
    path.write_bytes(data[: len(data) - cut])


@pytest.fixture(autouse=True)
def _fresh() -> None:
    base_shapes.cache_clear()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    _safetensors(folder / "model.safetensors", BASE)
    return folder


def _adapter(
    folder: Path, *, shapes: dict[str, tuple[int, ...]] = ADAPTER, config: dict[str, Any] | None = None, cut: int = 0
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    _safetensors(folder / "adapter_model.safetensors", shapes, cut=cut)
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **(config or {})}))
    return folder


def test_an_adapter_that_fits_passes(tmp_path: Path, model: Path) -> None:
    check_adapter(_adapter(tmp_path / "a"), model=model, max_rank=4, target_modules=frozenset({"q_proj"}))
    check_adapter(_adapter(tmp_path / "a"), model=model, max_rank=None, target_modules=None)


def test_a_folder_inside_the_archive_is_found(tmp_path: Path) -> None:
    inner = _adapter(tmp_path / "archive" / "inner")
    assert find_folder(str(tmp_path / "archive")) == inner
    assert find_folder(f"file://{inner}") == inner


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"r": 8}}, "rank 8 is greater than the server's max_lora_rank 4"),
        ({"config": {"r": "4"}}, "r must be a whole number of at least 1, got '4'"),
        ({"config": {"use_dora": True}}, "use_dora is not supported"),
        ({"config": {"target_modules": ["gate_proj"]}}, "target_modules gate_proj are not among"),
        (
            {"shapes": {f"base_model.model.{MODULE}.lora_A.weight": (4, 48)}},
            "has input size 48, the base model 32; the adapter is of another model",
        ),
        (
            {"shapes": {f"base_model.model.{MODULE}.lora_B.weight": (48, 4)}},
            "has output size 48, the base model 64; the adapter is of another model",
        ),
        ({"shapes": {f"base_model.model.{MODULE}.lora_A.weight": (16, 32)}}, "has rank 16, greater than"),
        (
            {"shapes": {"base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight": (4, 32)}},
            "the base model has no model.layers.7.self_attn.q_proj",
        ),
        ({"shapes": {"something.weight": (4, 32)}}, "doesn't contain tensors of a LoRA adapter"),
        ({"cut": 5}, "is cut short"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(
    tmp_path: Path, model: Path, change: dict[str, Any], message: str
) -> None:
    adapter = _adapter(tmp_path / "a", **change)
    with pytest.raises(AdapterError, match=message.replace("(", r"\(")):
        check_adapter(adapter, model=model, max_rank=4, target_modules=frozenset({"q_proj"}))


def test_tensors_stored_another_way_are_left_to_sglang(tmp_path: Path, model: Path) -> None:
    fused = {"base_model.model.model.layers.0.mlp.experts.0.up_proj.lora_A.weight": (4, 99)}
    check_adapter(_adapter(tmp_path / "a", shapes=fused), model=model, max_rank=4, target_modules=None)
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    check_adapter(_adapter(tmp_path / "b"), model=empty, max_rank=4, target_modules=None)


@pytest.mark.parametrize("content", [b"", b"not a safetensors file", b"\xff" * 16, (4).to_bytes(8, "little") + b"{no}"])
def test_what_is_no_safetensors_file_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(AdapterError, match=r"x\.safetensors: "):
        tensor_shapes(path)


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "a:b", "a b", "x" * 257])
def test_a_name_that_is_no_url_part_is_refused(name: str) -> None:
    with pytest.raises(AdapterError, match="letters, digits"):
        check_name(name)


def test_a_source_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="is not a folder"):
        find_folder(str(tmp_path / "nowhere"))
    with pytest.raises(AdapterError, match=r"holds no adapter_config\.json"):
        find_folder(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(AdapterError, match=r"no adapter_model\.safetensors"):
        find_folder(str(tmp_path))
