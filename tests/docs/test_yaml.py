"""Every environment that a document shows, whole or in part, becomes templates as it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
import yaml

from cdk_sglang import ConfigurationError
from cdk_sglang.benchmarking.history.parquet import write_parquet
from cdk_sglang.environments.layers import Layer, Layers
from cdk_sglang.environments.own import own_facts
from cdk_sglang.environments.reading import cdk_json_context, check
from cdk_sglang.environments.settings import Environment
from cdk_sglang.errors import PlanRefusedError
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.endpoint import Endpoint
from stacks.fleet import add_fleet
from tests.docs.blocks import ROOT, Block, blocks
from tests.support.measurements import measurement

COPIED_WHOLE = {"README.md", "docs/first-model.md", "docs/weights.md"}
"""Documents with which a reader begins."""

MODEL = {"id": "meta-llama/Llama-3.2-3B-Instruct", "prefix": "weights/llama/"}
CAPACITY = {"type": "ml.g6e.12xlarge", "max_instances": 8}


def is_workflow(shown: Mapping[Any, Any]) -> bool:
    """Whether a block is a workflow of GitHub's, which tests/setup/test_plan_action.py reads: YAML takes its key `on` for true."""
    return {True, "jobs"} <= shown.keys()


def _shown() -> list[Any]:
    """Every YAML block but workflows; one that shows choices of a setting below each other is several."""
    parts = [
        (f"{block}.{number}", block, yaml.safe_load(part))
        for block in blocks("yaml")
        for number, part in enumerate(re.split(r"\n(?=capacity:)", block.text))
    ]
    return [pytest.param(block, shown, id=name) for name, block, shown in parts if not is_workflow(shown)]


def _whole(shown: dict[str, Any]) -> dict[str, Any]:
    """Put around what a document shows the least that makes it an environment; what it extends is `dev`."""
    if "extends" in shown:
        own = Layer(path=Path("shown"), content={key: value for key, value in shown.items() if key != "extends"})
        dev = ROOT / "environments/dev.yaml"
        shown = Layers(files=(own, Layer(path=dev, content=yaml.safe_load(dev.read_text())))).merged
    if shown.keys() <= Component.model_fields.keys() - Endpoint.model_fields.keys():
        shown = {"components": {"llama": shown}}
    if shown.keys() <= Endpoint.model_fields.keys() - Environment.model_fields.keys():
        shown = {"endpoints": {"chat": shown}}
    content = {"network": {"vpc": "none"}, "account": "111122223333", "region": "us-east-1", **shown}
    if "endpoints" not in content:
        named = [path.split("/") for route in content.get("routes", {}).values() for path in route] or [
            ["chat", "llama"]
        ]
        content["endpoints"] = {endpoint: {"components": {component: {}}} for endpoint, component in named}
    for endpoint in content["endpoints"].values():
        endpoint.setdefault("capacity", CAPACITY)
        for component in endpoint.setdefault("components", {"llama": {}}).values():
            component.setdefault("model", MODEL)
    return content


def _write_files(document: str, content: dict[str, Any], folder: Path) -> None:
    """Write what an environment names: the files that its document shows under their names, and a measurement."""
    for file in blocks("json"):
        if file.document == document and file.title:
            place = folder / file.title
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(file.text, encoding="utf-8")
    measured = content.get("planning", {}).get("calibration")
    if measured:
        write_parquet(folder / measured / "run.parquet", [measurement()])


def _synthesise(content: dict[str, Any], *, source: str, folder: Path) -> cdk.CloudAssembly:
    """Do what app.py does with a file of this content."""
    settings = check(content, source=source)
    app = cdk.App(context=cdk_json_context(ROOT / "cdk.json"), outdir=str(folder / "cdk.out"))
    env = cdk.Environment(account=settings.account, region=settings.region)
    own = own_facts(settings, name="shown", folder=folder)
    add_fleet(app, name="shown", settings=settings, source=source, env=env, own=own)
    return app.synth()


@pytest.mark.parametrize(("block", "shown"), _shown())
def test_what_a_document_shows_becomes_templates(
    block: Block, shown: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _whole(shown)
    _write_files(block.document, content, tmp_path)
    monkeypatch.chdir(tmp_path)
    assembly = _synthesise(content, source=str(block), folder=tmp_path)
    names = {stack.stack_name for stack in assembly.stacks}
    assert names >= {f"cdk-sglang-shown-{name}" for name in ("foundation", *content["endpoints"])}


def test_a_setting_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(ConfigurationError, match="max_instancez"):
        check(_whole({"capacity": {"type": "ml.g6e.12xlarge", "max_instancez": 1}}), source="planted")


@pytest.mark.parametrize(
    "planted",
    [
        {"endpoints": {"chat": {"capacity": {"type": "ml.g6e.xlarge", "max_instances": 1}}}}
        | {"budget_usd_per_hour": 0.01},
        {"model": {"id": "Qwen/Qwen3-235B-A22B-FP8", "prefix": "weights/qwen/"}},
    ],
)
def test_settings_that_are_right_and_do_not_fit_are_noticed(planted: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PlanRefusedError):
        _synthesise(_whole(planted), source="planted", folder=tmp_path)


def test_there_are_settings_to_try() -> None:
    shown = {param.values[0].document for param in _shown()}
    assert shown >= COPIED_WHOLE | {"docs/scaling.md", "docs/capacity.md", "docs/client.md", "docs/images.md"}


def test_what_is_no_environment_is_a_workflow_by_its_keys() -> None:
    assert [block.document for block in blocks("yaml") if is_workflow(yaml.safe_load(block.text))] == [
        "docs/pipeline.md"
    ]
