"""The container's preflight of drafts: files only, no engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cdk_sglang_container.draft_files import draft_problems

from tests.support.drafts import BAD_DRAFTS, CLAMPED_DRAFTS, EAGLE, EAGLE3, GOOD_DRAFTS, Draft, write_base

if TYPE_CHECKING:
    from pathlib import Path


def problems(folder: Path, draft: Draft, **values: Any) -> list[str]:
    base = write_base(folder / "base")
    path = draft.write(folder / "draft")
    found = draft_problems(
        {
            "model_path": str(base),
            "speculative_algorithm": draft.algorithm,
            "speculative_draft_model_path": str(path),
            **values,
        }
    )
    assert all(line.startswith(f"draft folder {path}: ") for line in found)
    return [line.removeprefix(f"draft folder {path}: ") for line in found]


@pytest.mark.parametrize("draft", GOOD_DRAFTS, ids=lambda draft: draft.name)
def test_a_draft_that_sglang_uses_as_trained_has_no_problem(tmp_path: Path, draft: Draft) -> None:
    assert problems(tmp_path, draft) == []


@pytest.mark.parametrize("draft", [*BAD_DRAFTS, *CLAMPED_DRAFTS], ids=lambda draft: draft.name)
def test_a_bad_draft_is_refused_in_one_line_with_file_value_and_what_is_allowed(tmp_path: Path, draft: Draft) -> None:
    (line,) = problems(tmp_path, draft)
    assert [part for part in draft.says if part not in line] == []
    assert "; " in line, "the next step follows the problem"


def test_no_cut_of_a_drafts_weights_goes_unnoticed(tmp_path: Path) -> None:
    whole = len(EAGLE.files()["model.safetensors"])
    (tmp_path / "draft").mkdir()
    for cut in (1, 100, whole - 8, whole - 1):
        draft = Draft(name="", algorithm="EAGLE", config=EAGLE.config, tensors=EAGLE.tensors, cut=cut)
        (line,) = problems(tmp_path, draft)
        assert "cut short" in line or "is no safetensors file" in line


def test_a_shard_that_the_index_names_has_to_be_there(tmp_path: Path) -> None:
    draft = next(draft for draft in GOOD_DRAFTS if draft.shards == 2)
    assert problems(tmp_path, draft) == []
    (tmp_path / "draft" / "model-00002-of-00002.safetensors").unlink()
    (line,) = draft_problems(
        {
            "model_path": str(tmp_path / "base"),
            "speculative_algorithm": "EAGLE",
            "speculative_draft_model_path": str(tmp_path / "draft"),
        }
    )
    assert (
        "model-00002-of-00002.safetensors: missing; 1 of 2 shards that model.safetensors.index.json names are there"
        in line
    )


def test_weights_that_the_index_does_not_name_are_neither_read_nor_missed(tmp_path: Path) -> None:
    draft = next(draft for draft in GOOD_DRAFTS if draft.shards == 2)
    problems(tmp_path, draft)
    (tmp_path / "draft" / "consolidated.safetensors").write_bytes(b"cut")
    assert problems(tmp_path, draft) == []


def test_weights_that_cannot_be_read_are_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, *_: object, **__: object) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    write_base(tmp_path / "base")
    EAGLE.write(tmp_path / "draft")
    monkeypatch.setattr("pathlib.Path.open", refuse)
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: json.dumps(EAGLE.config))
    (line,) = draft_problems(
        {
            "model_path": str(tmp_path / "base"),
            "speculative_algorithm": "EAGLE",
            "speculative_draft_model_path": str(tmp_path / "draft"),
        }
    )
    assert line.endswith("model.safetensors cannot be read (Permission denied); copy it again")


def test_a_small_model_drafts_for_a_base_of_its_vocabulary_alone(tmp_path: Path) -> None:
    other = Draft(name="", algorithm="STANDALONE", config={**EAGLE.config, "vocab_size": 512}, tensors=EAGLE.tensors)
    assert problems(tmp_path, other) == [
        (
            "config.json: vocab_size is 512, the base model's is 261; STANDALONE needs a model with the base's vocabulary, "
            "such as a smaller one of its family"
        )
    ]


def test_a_longer_context_is_refused_unless_sglang_is_told_to_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (draft,) = CLAMPED_DRAFTS
    assert problems(tmp_path, draft, context_length=512) == []
    monkeypatch.setenv("SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN", "1")
    assert problems(tmp_path, draft) == []


def test_a_base_too_short_for_sglangs_choice_of_layers_needs_them_named(tmp_path: Path) -> None:
    problems(tmp_path, EAGLE3)
    path = tmp_path / "base" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_hidden_layers": 4}))
    (line,) = draft_problems(
        {
            "model_path": str(tmp_path / "base"),
            "speculative_algorithm": "EAGLE3",
            "speculative_draft_model_path": str(tmp_path / "draft"),
        }
    )
    assert "a base of 4 has 2, fc reads 3; name 3 from -1 to 2" in line


def test_what_is_no_eagle_draft_in_this_container_is_left_to_sglang(tmp_path: Path) -> None:
    assert problems(tmp_path, EAGLE, speculative_algorithm=None) == []
    assert problems(tmp_path, EAGLE, speculative_algorithm="STANDALONE") == []
    assert problems(tmp_path, EAGLE, speculative_draft_model_path="owner/draft") == []
    missing = problems(tmp_path, EAGLE, speculative_algorithm="STANDALONE")
    assert missing == []
    (line,) = draft_problems(
        {
            "model_path": "/opt/ml/model",
            "speculative_algorithm": "STANDALONE",
            "speculative_draft_model_path": str(tmp_path / "nowhere"),
        }
    )
    assert "is not there; the version's S3 prefix has no draft/" in line


def test_a_models_own_layers_are_no_draft(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    values = {"model_path": str(base), "speculative_algorithm": "NEXTN", "speculative_draft_model_path": str(base)}
    assert draft_problems(values) == []
