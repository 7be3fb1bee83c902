"""The settings that documents show are settings the app takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
import yaml

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.layers import Layer, Layers
from cdk_sglang.environments.location import ENVIRONMENTS
from cdk_sglang.environments.reading import cdk_json_context, check
from stacks.fleet import add_fleet
from tests.docs.blocks import blocks

SYNTHESISED = {"README.md", "docs/first-model.md", "docs/weights.md"}
"""Documents whose settings a reader copies whole: they become templates too."""


def _shown() -> list[Any]:
    """Every YAML block; one that shows choices of a setting below each other is several."""
    return [
        pytest.param(block.document, yaml.safe_load(part), id=f"{block}.{number}")
        for block in blocks("yaml")
        if not block.not_run
        for number, part in enumerate(re.split(r"\n(?=capacity:)", block.text))
    ]


def _whole(shown: dict[str, Any]) -> dict[str, Any]:
    """Put what a document leaves out around what it shows; what it extends is `dev`."""
    if "extends" in shown:
        own = Layer(path=Path("shown"), content={key: value for key, value in shown.items() if key != "extends"})
        dev = ENVIRONMENTS / "dev.yaml"
        shown = Layers(files=(own, Layer(path=dev, content=yaml.safe_load(dev.read_text())))).merged
    content = {"network": {"vpc": "none"}, "account": "111122223333", "region": "us-east-1", **shown}
    if "capacity" in content:
        content["endpoints"] = {"chat": {"capacity": content.pop("capacity")}}
    for endpoint in content.setdefault("endpoints", {"chat": {}}).values():
        endpoint.setdefault("capacity", {"type": "ml.g6e.12xlarge", "max_instances": 8})
        for component in endpoint.setdefault("components", {"llama": {}}).values():
            component.setdefault("model", {"id": "meta-llama/Llama-3.2-3B-Instruct", "prefix": "weights/llama/"})
    return content


@pytest.mark.parametrize(("document", "shown"), _shown())
def test_what_a_document_shows_is_taken(document: str, shown: dict[str, Any]) -> None:
    settings = check(_whole(shown), source=document)
    if document in SYNTHESISED:
        app = cdk.App(context=cdk_json_context())
        add_fleet(app, name="shown", settings=settings, source=document, env=cdk.Environment())
        app.synth()


def test_a_setting_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(ConfigurationError, match="max_instancez"):
        check(_whole({"capacity": {"type": "ml.g6e.12xlarge", "max_instancez": 1}}), source="planted")


def test_there_are_settings_to_try() -> None:
    assert {block.document for block in blocks("yaml")} >= SYNTHESISED | {"docs/scaling.md", "docs/capacity.md"}
