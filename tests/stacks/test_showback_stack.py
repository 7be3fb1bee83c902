"""Showback in an environment: off by default, a stack of its own when it is on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import cdk_json_context
from cdk_sglang.environments.settings import Environment
from stacks.checks import add_checks
from stacks.fleet import add_fleet
from tools.check.metric_names import findings
from tools.check.metric_uses import ClassicUse, own_metrics, uses

NAME = "cdk-sglang-test-showback"
Synthesise = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def synthesise(root: Path, tmp_path: Path) -> Synthesise:
    def run(content: dict[str, Any], *, folder: str = "cdk.out", checks: bool = False) -> dict[str, dict[str, Any]]:
        app = cdk.App(context=cdk_json_context(root / "cdk.json"), outdir=str(tmp_path / folder))
        settings = Environment.model_validate(content)
        env = cdk.Environment(account=settings.account, region=settings.region)
        add_fleet(app, name="test", settings=settings, source="test.yaml", env=env)
        if checks:
            add_checks(app)
        stacks = app.synth().stacks
        return {stack.stack_name: json.loads(Path(stack.template_full_path).read_text()) for stack in stacks}

    return run


@pytest.fixture
def on(fine: dict[str, Any]) -> dict[str, Any]:
    adapters = {"triage": {"key": "adapters/triage.tar.gz", "team": "support"}}
    llama = fine["endpoints"]["chat"]["components"]["llama"]
    server = {"lora": {"max_rank": 16, "target_modules": ["q_proj"]}}
    llama |= {"team": "search", "adapters": adapters, "server": server}
    return fine | {
        "observability": {"showback": {"enabled": True}},
        "image": {"build": {"unpinned": "a test"}},
        "tags": {"cost-centre": "ml"},
    }


def test_it_is_off_by_default(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    assert NAME not in synthesise(fine)


def test_its_stack_is_as_it_was_reviewed(
    synthesise: Synthesise, on: dict[str, Any], snapshot: SnapshotAssertion
) -> None:
    template = synthesise(on)[NAME]
    template["Parameters"].pop("BootstrapVersion")
    template.pop("Rules")
    scrubbed = json.loads(re.sub(r"\b[0-9a-f]{64}\b", "<hash>", json.dumps(template)))
    assert scrubbed == snapshot(extension_class=JSONSnapshotExtension)


def test_two_synths_give_the_same_bytes(synthesise: Synthesise, on: dict[str, Any], tmp_path: Path) -> None:
    assert synthesise(on, folder="one")[NAME] == synthesise(on, folder="two")[NAME]
    (settings,) = [
        path for path in (tmp_path / "one").glob("asset.*.json") if "invocations" in path.read_text().lower()
    ]
    assert settings.read_bytes() == (tmp_path / "two" / settings.name).read_bytes()
    assert '"team": "support"' in settings.read_text()


def test_a_team_is_a_tag_of_what_it_answers_for(synthesise: Synthesise, on: dict[str, Any]) -> None:
    resources = synthesise(on)["cdk-sglang-test-chat"]["Resources"].values()
    teams: dict[str, set[str]] = {}
    for one in resources:
        tags = one.get("Properties", {}).get("Tags", [])
        for tag in tags if isinstance(tags, list) else []:
            if tag["Key"] == "cdk-sglang:team":
                teams.setdefault(one["Type"], set()).add(tag["Value"])
    assert teams == {
        "AWS::SageMaker::InferenceComponent": {"search", "support"},
        "AWS::SageMaker::Model": {"search"},
        "AWS::Logs::LogGroup": {"search"},
    }


def test_no_endpoint_may_have_the_name_of_its_stack(synthesise: Synthesise, fine: dict[str, Any]) -> None:
    fine["endpoints"]["showback"] = fine["endpoints"].pop("chat")
    with pytest.raises(ConfigurationError) as error:
        synthesise(fine)
    assert error.value.problems == (
        "test.yaml: endpoints.showback: 'showback' names the stack of what the endpoints cost; choose another name",
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sample_minutes": 0}, "sample_minutes: 0 is not allowed; use a value >= 1"),
        ({"sample_minutes": 16}, "sample_minutes: 16 is not allowed; use a value <= 15"),
        ({"sample_minutes": 2.5}, "sample_minutes: "),
        ({"keep_days": 34}, "keep_days: 34 is not allowed; use a value >= 35"),
        ({"enabled": "yes"}, "enabled: takes true or false, got 'yes'; write true or false without quotes"),
        ({"every": 5}, "every: unknown key; "),
    ],
)
def test_wrong_settings_are_refused_with_their_path(
    fine: dict[str, Any], settings: dict[str, Any], problem: str
) -> None:
    from cdk_sglang.environments.reading import check

    with pytest.raises(ConfigurationError) as error:
        check(fine | {"observability": {"showback": settings}}, source="e.yaml")
    (line,) = error.value.problems
    assert line.startswith(f"e.yaml: observability.showback.{problem}")


def test_a_team_is_a_name(fine: dict[str, Any]) -> None:
    from cdk_sglang.environments.reading import check

    fine["endpoints"]["chat"]["components"]["llama"]["team"] = "Search & Ads"
    with pytest.raises(
        ConfigurationError, match=r"components\.llama\.team: 'Search & Ads' is not allowed; use lower-case"
    ):
        check(fine, source="e.yaml")


def test_its_template_passes_every_check(
    synthesise: Synthesise, on: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDK_VALIDATION")
    assert NAME in synthesise(
        on | {"observability": {"showback": {"enabled": True}, "enrichment": "enabled"}}, checks=True
    )


def test_what_it_publishes_is_drawn_and_every_metric_that_its_fleet_names_is_one_that_somebody_publishes(
    synthesise: Synthesise, on: dict[str, Any]
) -> None:
    templates = synthesise(on)
    named = {
        (use.namespace, use.name) for one in templates.values() for use in uses(one) if isinstance(use, ClassicUse)
    }
    assert {
        ("cdk-sglang/test", "UnreadEndpoints"),
        ("cdk-sglang/test", "UsdPerHour"),
        ("cdk-sglang/test", "CostUsd"),
        ("cdk-sglang/Scaling", "CopiesWanted"),
        ("cdk-sglang/Scaling", "CopiesRunning"),
        ("cdk-sglang/Scaling", "ScalingDecisions"),
    } <= named
    published = frozenset[tuple[str, str]]().union(*map(own_metrics, templates.values()))
    assert [found for one in templates.values() for found in findings(one, published=published)] == []
