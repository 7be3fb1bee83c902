"""What `make local` reads of its environment: names may be changed, and what cannot work is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localcloud.background import LocalError
from localcloud.served import FILE, served, stacks

MODEL = "model: {prefix: weights/tiny-llama/, weights_gib: 0.01}"


def write(folder: Path, text: str) -> Path:
    path = folder / "local.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_environment_of_this_repository_serves_its_small_model() -> None:
    found = served(FILE)
    assert (found.endpoint_name, found.component_name) == ("local-chat", "local-chat-tiny")
    assert found.prefixes == ("weights/HuggingFaceTB/SmolLM2-135M-Instruct/",)


def test_a_renamed_component_and_endpoint_are_followed(tmp_path: Path) -> None:
    text = f"endpoints:\n  talk:\n    components:\n      llama:\n        {MODEL}\n      other:\n        model: {{prefix: weights/other}}\n"
    found = served(write(tmp_path, text))
    assert (found.endpoint_name, found.component_name) == ("local-talk", "local-talk-llama")
    assert found.prefixes == ("weights/tiny-llama/", "weights/other/")


def test_a_component_whose_model_is_elsewhere_is_passed_over(tmp_path: Path) -> None:
    text = f"endpoints:\n  a:\n    components:\n      far: {{model: {{s3: s3://b/c/}}}}\n  b:\n    components:\n      near: {{{MODEL}}}\n"
    assert served(write(tmp_path, text)).component_name == "local-b-near"


@pytest.mark.parametrize(
    "text",
    [
        "endpoints:",
        "endpoints: {chat: }",
        "endpoints: {chat: {components: }}",
        "endpoints: {chat: {components: {a: {model: 7}}}}",
    ],
)
def test_an_environment_without_such_a_component_is_a_line_with_the_next_step(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        LocalError, match=r"^local\.yaml: no component has a model below a prefix, such as model: \{prefix: "
    ):
        served(write(tmp_path, text))


def test_a_file_that_extends_another_serves_what_both_say(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("endpoints: {chat: {components: {near: {model: {prefix: weights/near/}}}}}")
    assert served(write(tmp_path, "extends: base.yaml\nregion: eu-central-1\n")).component_name == "local-chat-near"


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\t- x", "", "[]", "extends: nowhere.yaml"])
def test_a_file_that_is_no_yaml_is_a_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(LocalError, match=r"^local\.yaml cannot be read: ") as caught:
        served(write(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(LocalError, match="cannot be read"):
        served(tmp_path / "nowhere.yaml")


def test_the_stacks_are_those_of_the_templates(tmp_path: Path) -> None:
    artifacts = {
        "Foundation": {"type": "aws:cloudformation:stack", "displayName": "Foundation"},
        "Servingtalk": {"type": "aws:cloudformation:stack", "displayName": "Serving-talk"},
        "Alarms-talk": {"type": "aws:cloudformation:stack"},
        "Foundation.assets": {"type": "cdk:asset-manifest"},
        "Tree": {"type": "cdk:tree"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    assert stacks(tmp_path, without=("Foundation",)) == ("Serving-talk", "Alarms-talk")
