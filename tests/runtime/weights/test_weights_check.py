"""Whether a prefix holds a whole model: the program on moto's S3, with every way of being incomplete."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from tests.support.model_folders import BAD, GOOD, TOKENIZER, Folder
from tests.support.weights import safetensors_bytes

RUNTIME = Path(__file__).parents[3] / "constructs" / "cdk_sglang" / "_runtime"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    monkeypatch.syspath_prepend(str(RUNTIME))
    for name, value in {
        "DEFAULT_REGION": "us-east-1",
        "ACCESS_KEY_ID": "testing",
        "SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    yield lambda name: importlib.import_module(f"weights.{name}")
    for name in [name for name in sys.modules if name == "weights" or name.startswith("weights.")]:
        del sys.modules[name]


def whole_model() -> dict[str, bytes]:
    return {
        "config.json": b'{"model_type": "llama"}',
        "tokenizer.json": TOKENIZER,
        "model.safetensors.index.json": json.dumps({"weight_map": {"a": ONE, "b": TWO}}).encode(),
        ONE: safetensors_bytes({"a": (64, 64)}),
        TWO: safetensors_bytes({"b": (64, 64)}),
    }


def check(program: Callable[[str], Any], files: dict[str, bytes], **options: Any) -> list[str]:
    def read(name: str, start: int, end: int) -> bytes:
        assert end - start < 2**20, "reads headers and vocabularies in parts"
        return files[name][start : end + 1]

    return list(
        program("check").check_files({name: len(body) for name, body in files.items()}, read, **options).problems
    )


def test_a_whole_model_has_no_problem(program: Callable[[str], Any]) -> None:
    assert check(program, whole_model()) == []


@pytest.mark.parametrize("folder", GOOD, ids=lambda folder: folder.name)
def test_what_sglang_loads_is_whole(program: Callable[[str], Any], folder: Folder) -> None:
    assert check(program, dict(folder.files)) == []


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: folder.name)
def test_a_damaged_model_is_refused_in_a_line_that_names_the_file(
    program: Callable[[str], Any], folder: Folder
) -> None:
    lines = check(program, dict(folder.files))
    assert len(lines) == len(folder.says)
    assert [text for text in folder.says if not any(text in line for line in lines)] == []


def test_only_the_files_of_the_index_are_counted(program: Callable[[str], Any]) -> None:
    files = whole_model() | {"consolidated.safetensors": safetensors_bytes({"a": (64, 64), "b": (64, 64)})}
    assert check(program, files, expected_bytes=16_384) == []


@pytest.mark.parametrize("part", [1, 7, 64])
def test_no_cut_of_a_tokenizer_goes_unnoticed_wherever_it_is_read_in_parts(
    program: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    rules = program("text_rules")
    monkeypatch.setattr(rules, "_PART_BYTES", part)
    whole = json.dumps({"version": "1.0", "model": {"vocab": {'a"\\': 1, "[": 2, "\\": 3}, "merges": ["a b"]}}).encode()
    for cut in range(1, len(whole) + 1):
        problems = rules.tokenizer_problems({"tokenizer.json": cut}, lambda _, first, last: whole[first : last + 1])
        assert bool(problems) == (cut < len(whole)), cut


def test_a_vocabulary_of_many_megabytes_is_read_in_parts(program: Callable[[str], Any]) -> None:
    vocabulary = {f"tök{number}": number for number in range(150_000)}
    body = json.dumps({"model": {"vocab": vocabulary}}, ensure_ascii=False).encode()
    assert len(body) > 2 * 2**20
    assert check(program, whole_model() | {"tokenizer.json": body}) == []


def test_the_deployment_and_the_container_have_one_text_of_the_rules() -> None:
    for name in ("text_rules.py", "weight_rules.py"):
        ours, theirs = RUNTIME / "weights" / name, RUNTIME.parents[2] / "container" / "cdk_sglang_container" / name
        assert ours.read_bytes() == theirs.read_bytes(), f"change both: cp {ours} {theirs}"


def test_truncated_safetensors_are_named_with_both_sizes(program: Callable[[str], Any]) -> None:
    files = whole_model()
    size = len(files[TWO])
    files[TWO] = files[TWO][:-1]

    assert check(program, files) == [
        f"{TWO}: is cut short: it has {size - 1} bytes, its header announces {size}; copy it again"
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(min_value=0, max_value=8270))
def test_no_cut_goes_unnoticed(program: Callable[[str], Any], cut: int) -> None:
    files = whole_model()
    files[ONE] = files[ONE][: min(cut, len(files[ONE]) - 1)]

    problems = check(program, files)
    assert problems
    assert all(ONE in problem for problem in problems)


def test_a_missing_tokenizer_is_named(program: Callable[[str], Any]) -> None:
    files = whole_model()
    del files["tokenizer.json"]

    assert check(program, files) == [
        "tokenizer.json: missing, and so is every other vocabulary; copy the tokenizer's files beside the weights"
    ]


def test_missing_shards_are_counted(program: Callable[[str], Any]) -> None:
    files = whole_model()
    del files[TWO]

    assert check(program, files) == [f"{TWO}: missing; 1 of 2 shards that model.safetensors.index.json names are there"]


def test_shards_of_another_model_are_told_apart(program: Callable[[str], Any]) -> None:
    files = whole_model()
    files[TWO] = safetensors_bytes({"c": (64, 64)})

    assert check(program, files) == [
        f"{TWO}: lacks b, which model.safetensors.index.json places there; the files are of two models"
    ]


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("config.json", b"{", "config.json: is not JSON"),
        ("config.json", b"", "config.json: is empty"),
        ("config.json", b"[]", "config.json: is not a JSON object"),
        ("config.json", b"{}", "config.json: names neither model_type nor architectures; is it a model's?"),
        ("model.safetensors.index.json", b"{}", "model.safetensors.index.json: has no weight_map"),
        (ONE, b"<html>", f"{ONE}: is no safetensors file: it has 6 bytes"),
        (ONE, b"<html>not found</html>", f"{ONE}: is no safetensors file: its header would have"),
        (ONE, (5).to_bytes(8, "little") + b"nope!", f"{ONE}: has no readable safetensors header"),
    ],
)
def test_files_that_are_not_what_their_name_says(
    program: Callable[[str], Any], name: str, body: bytes, problem: str
) -> None:
    problems = check(program, whole_model() | {name: body})

    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_nothing_at_all_is_a_problem_of_the_prefix(program: Callable[[str], Any]) -> None:
    assert check(program, {}) == ["holds no file; is the prefix right, and the model there?"]


def test_pickles_are_no_weights(program: Callable[[str], Any]) -> None:
    files = {
        "config.json": b'{"model_type": "opt"}',
        "vocab.json": b'{"a": 0}',
        "merges.txt": b"a b",
        "pytorch_model.bin": b"x",
    }

    assert check(program, files) == [
        "no *.safetensors: holds no weights that SGLang reads without running code from them"
    ]


def test_more_than_the_plan_was_made_with_is_a_problem(program: Callable[[str], Any]) -> None:
    assert check(program, whole_model(), expected_bytes=16_384) == []
    assert check(program, whole_model(), expected_bytes=1_000_000) == []
    (problem,) = check(program, whole_model(), expected_bytes=8_192)
    assert problem.endswith("is it another model, or another quantization?")


def test_a_long_header_is_read_to_its_end(program: Callable[[str], Any]) -> None:
    shapes = {f"layer.{index}.{'w' * 80}": (2, 2) for index in range(3000)}
    body = safetensors_bytes(shapes)
    assert int.from_bytes(body[:8], "little") > 256 * 1024

    single = {"config.json": b'{"model_type": "llama"}', "tokenizer.json": TOKENIZER, "model.safetensors": body}
    assert check(program, single) == []
    assert check(program, single | {"model.safetensors": body[:-1]})


def event(kind: str, **more: Any) -> dict[str, Any]:
    location = {"bucket": "models", "prefix": "llama/"}
    return {"RequestType": kind, "ResourceProperties": {"Models": [json.dumps(location)]}, **more}


@pytest.fixture
def s3(program: Callable[[str], Any]) -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="models")
        yield client


def test_the_function_lets_a_whole_model_pass(program: Callable[[str], Any], s3: Any) -> None:
    for name, body in whole_model().items():
        s3.put_object(Bucket="models", Key=f"llama/{name}", Body=body)

    answer = program("handler").on_event(event("Create"), None)

    assert answer == {"PhysicalResourceId": "weights"}


def test_the_function_fails_the_deployment_with_the_files_name(program: Callable[[str], Any], s3: Any) -> None:
    for name, body in whole_model().items():
        s3.put_object(Bucket="models", Key=f"llama/{name}", Body=body[:-1] if name == ONE else body)

    with pytest.raises(program("problems").WeightsError, match=rf"s3://models/llama/{ONE}: is cut short"):
        program("handler").on_event(event("Update", PhysicalResourceId="llama"), None)


def test_many_pages_of_objects_are_all_seen(program: Callable[[str], Any], s3: Any) -> None:
    files = whole_model() | {f"{number:05d}.txt": b"" for number in range(1100)}
    for name, body in files.items():
        s3.put_object(Bucket="models", Key=f"llama/{name}", Body=body)

    assert program("check").check_prefix(s3, "models", "llama/").files == 1105


def test_deleting_checks_nothing(program: Callable[[str], Any]) -> None:
    assert program("handler").on_event(event("Delete", PhysicalResourceId="llama"), None) == {
        "PhysicalResourceId": "llama"
    }
