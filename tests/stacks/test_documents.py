"""The settings that README and docs show are settings the app takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
import yaml

from stacks.environments import cdk_json_context, check
from stacks.fleet import add_fleet

DOCUMENTS = (
    "README.md",
    "docs/scaling.md",
    "docs/updates.md",
    "docs/capacity.md",
    "docs/host-memory.md",
    "docs/planner.md",
)


def _blocks(root: Path) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name in DOCUMENTS:
        text = (root / name).read_text(encoding="utf-8")
        for index, block in enumerate(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)):
            for part, lines in enumerate(re.split(r"\n(?=capacity:)", block)):  # docs/capacity.md shows choices
                found.append((f"{name} block {index}.{part}", yaml.safe_load(lines)))
    return found


def _whole(shown: dict[str, Any]) -> dict[str, Any]:
    """Put what a document leaves out around what it shows."""
    content = {"network": {"vpc": "none"}, "account": "111122223333", "region": "us-east-1", **shown}
    if "capacity" in content:
        content["endpoints"] = {"chat": {"capacity": content.pop("capacity")}}
    for endpoint in content["endpoints"].values():
        endpoint.setdefault("capacity", {"type": "ml.g6e.12xlarge", "max_instances": 8})
        for component in endpoint.setdefault("components", {"llama": {}}).values():
            component.setdefault("model", {"id": "meta-llama/Llama-3.2-3B-Instruct", "prefix": "weights/llama/"})
    return content


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("place", "shown"), [pytest.param(*block, id=block[0]) for block in _blocks(ROOT)])
def test_what_a_document_shows_is_taken(place: str, shown: dict[str, Any]) -> None:
    check(_whole(shown), source=place)


@pytest.mark.parametrize(
    ("place", "shown"), [pytest.param(*block, id=block[0]) for block in _blocks(ROOT) if block[0].startswith("README")]
)
def test_the_environments_of_the_readme_synthesise(place: str, shown: dict[str, Any]) -> None:
    app = cdk.App(context=cdk_json_context())
    add_fleet(app, name="shown", settings=check(_whole(shown), source=place), source=place, env=cdk.Environment())
    app.synth()


def test_every_document_shows_settings() -> None:
    assert {place.split()[0] for place, _ in _blocks(ROOT)} == set(DOCUMENTS)
