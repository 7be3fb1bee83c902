from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cdk_sglang_container.model_files import _TOKENIZERS, model_problems

from cdk_sglang._runtime.weights.check import TOKENIZERS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    header = json.dumps({"a": {"dtype": "BF16", "shape": [8], "data_offsets": [0, 16]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    return tmp_path


def problems(model: Path, **values: Any) -> list[str]:
    return [line.removeprefix(f"model folder {model}: ") for line in model_problems({"model_path": model, **values})]


def test_a_whole_model_has_no_problem(model: Path) -> None:
    assert problems(model) == []


def test_half_a_model_is_said_to_be_one_with_everything_that_is_wrong(model: Path) -> None:
    (model / "config.json").unlink()
    (model / "tokenizer.json").unlink()
    whole = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(whole[:-1])
    (model / "other.safetensors").write_bytes(b"")
    assert problems(model) == [
        "config.json is missing",
        "tokenizer.json is missing, and so is every other vocabulary",
        f"model.safetensors: is cut short: {len(whole) - 1} bytes, {len(whole)} announced",
        "other.safetensors: is not a safetensors file, or is cut short (0 bytes)",
    ]


def test_no_cut_of_a_weights_file_goes_unnoticed(model: Path) -> None:
    whole = (model / "model.safetensors").read_bytes()
    for length in range(len(whole)):
        (model / "model.safetensors").write_bytes(whole[:length])
        assert len(problems(model)) == 1, length


@pytest.mark.parametrize(
    "values",
    [{"skip_tokenizer_init": True}, {"tokenizer_path": "/opt/ml/model/other"}],
)
def test_a_tokenizer_of_somewhere_else_need_not_be_here(model: Path, values: dict[str, Any]) -> None:
    (model / "tokenizer.json").unlink()
    assert problems(model, **values) == []


def test_a_folder_that_is_empty_or_not_there_names_the_prefix(tmp_path: Path) -> None:
    (empty,) = problems(tmp_path)
    (missing,) = model_problems({"model_path": tmp_path / "nowhere"})
    assert "is empty; the model's S3 prefix" in empty
    assert "is not there; the model's S3 prefix" in missing


@pytest.mark.parametrize("path", ["Qwen/Qwen3-8B", "s3://models/llama/"])
def test_what_is_no_folder_is_left_to_sglang(path: str) -> None:
    assert model_problems({"model_path": path}) == []


def test_the_vocabularies_are_those_of_the_deployments_check() -> None:
    assert _TOKENIZERS == TOKENIZERS
