from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cdk_sglang_container.model_files import model_problems

from tests.support.model_folders import BAD, GOOD, POINTER, TOKENIZER, Folder, shard

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "tokenizer.json").write_bytes(TOKENIZER)
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
        "config.json: missing",
        "tokenizer.json: missing, and so is every other vocabulary; copy the tokenizer's files beside the weights",
        f"model.safetensors: is cut short: it has {len(whole) - 1} bytes, its header announces {len(whole)}; copy it again",
        "other.safetensors: is no safetensors file: it has 0 bytes",
    ]


def test_no_cut_of_a_weights_file_goes_unnoticed(model: Path) -> None:
    whole = (model / "model.safetensors").read_bytes()
    for length in range(len(whole)):
        (model / "model.safetensors").write_bytes(whole[:length])
        assert len(problems(model)) == 1, length


@pytest.mark.parametrize(
    "values",
    [{"skip_tokenizer_init": True}, {"tokenizer_path": "Qwen/Qwen3-8B"}],
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


@pytest.mark.parametrize("folder", GOOD, ids=lambda folder: folder.name)
def test_what_sglang_loads_is_whole(tmp_path: Path, folder: Folder) -> None:
    assert problems(folder.write(tmp_path)) == []


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: folder.name)
def test_a_damaged_model_is_refused_in_a_line_that_names_the_file(tmp_path: Path, folder: Folder) -> None:
    lines = problems(folder.write(tmp_path))
    assert len(lines) == len(folder.says)
    assert [text for text in folder.says if not any(text in line for line in lines)] == []


def test_a_tokenizers_own_folder_is_looked_at_too(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (line,) = model_problems({"model_path": model, "tokenizer_path": str(other)})
    assert line == f"tokenizer folder {other}: is not there; the S3 prefix lacks it, or the path is another one"
    other.mkdir()
    (other / "tokenizer.json").write_bytes(POINTER)
    (line,) = model_problems({"model_path": model, "tokenizer_path": str(other)})
    assert line.startswith(f"tokenizer folder {other}: tokenizer.json: is a Git LFS pointer")
    (other / "tokenizer.json").write_bytes(TOKENIZER)
    assert model_problems({"model_path": model, "tokenizer_path": str(other)}) == []


def test_the_format_mistral_reads_its_own_files(model: Path) -> None:
    (model / "consolidated-00001-of-00002.safetensors").write_bytes(shard("a"))
    (model / "model.safetensors").write_bytes(b"of no interest")
    (line,) = problems(model, load_format="mistral")
    assert line.startswith("consolidated-00002-of-00002.safetensors: missing; 1 of 2 shards")
    (model / "consolidated-00002-of-00002.safetensors").write_bytes(shard("b"))
    (model / "config.json").unlink()
    assert problems(model, load_format="mistral") == []


@pytest.mark.parametrize(
    ("name", "load_format"), [("pytorch_model.bin", "auto"), ("model.gguf", "auto"), ("x.bin", "npcache")]
)
def test_weights_in_another_format_are_left_to_sglang(model: Path, name: str, load_format: str) -> None:
    (model / "model.safetensors").rename(model / name)
    assert problems(model, load_format=load_format) == []


def test_a_file_that_cannot_be_read_is_a_line(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, *_: object, **__: object) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    assert problems(model) == ["config.json cannot be read: Permission denied"]
