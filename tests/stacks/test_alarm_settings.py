"""Alarms in an environment file: who is told, when they fire, and the stack that has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from cdk_sglang.environments.reading import cdk_json_context, check
from cdk_sglang.environments.settings import Environment
from stacks.fleet import Fleet, add_fleet
from tests.support.fleets import problems

PAGES = "arn:aws:sns:us-east-1:111122223333:pages"


def _fleet(content: dict[str, Any], **changes: Any) -> Fleet:
    settings = check({**content, **changes}, source="test.yaml")
    env = cdk.Environment(account=settings.account, region=settings.region)
    app = cdk.App(context=cdk_json_context(Path(__file__).parents[2] / "cdk.json"))
    return add_fleet(app, name="test", settings=settings, source="test.yaml", env=env)


def _page(fleet: Fleet) -> dict[str, Any]:
    template = Template.from_stack(fleet.alarms[0])
    (page,) = template.find_resources("AWS::CloudWatch::CompositeAlarm").values()
    return dict(page["Properties"])


def test_every_endpoint_has_a_stack_of_alarms(fine: dict[str, Any]) -> None:
    fleet = _fleet(fine)
    assert [stack.stack_name for stack in fleet.alarms] == ["cdk-sglang-test-chat-alarms"]
    page = _page(fleet)
    assert "alarmtopicarn" in page["AlarmActions"][0]["Ref"], "the topic that the environment creates"
    assert page["ActionsSuppressor"]


def test_alarms_that_wake_somebody_have_a_topic_of_their_own(fine: dict[str, Any]) -> None:
    fleet = _fleet(fine, alarms={"topic": "create", "page": PAGES})
    assert _page(fleet)["AlarmActions"] == [PAGES]
    alarms = Template.from_stack(fleet.alarms[0]).find_resources("AWS::CloudWatch::Alarm").values()
    assert PAGES not in str([alarm["Properties"].get("AlarmActions") for alarm in alarms])


def test_rules_and_the_address_of_runbooks_reach_the_alarms(fine: dict[str, Any]) -> None:
    fleet = _fleet(
        fine,
        alarms={"topic": "create", "rules": {"gpu_memory_percent": 91}},
        observability={"runbooks_url": "https://docs.example.com/runbooks"},
    )
    template = Template.from_stack(fleet.alarms[0])
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm", {"MetricName": "GPUMemoryUtilizationNormalized", "Threshold": 91}
    )
    assert "https://docs.example.com/runbooks/gpu-memory.html" in str(template.to_json())


def test_enrichment_adds_the_alarms_that_read_promql(fine: dict[str, Any]) -> None:
    def queries(enrichment: str) -> int:
        fleet = _fleet(fine, observability={"enrichment": enrichment})
        return str(Template.from_stack(fleet.alarms[0]).to_json()).count("PromQLCriteria")

    assert [queries(enrichment) > 0 for enrichment in ("none", "enabled", "enable")] == [False, True, True]


def _budget(content: dict[str, Any], **changes: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the alarms of the stack that watches a fleet's budget, and what synth says of it."""
    settings = Environment.model_validate({**content, "budget_usd_per_hour": 30, **changes})
    app = cdk.App(context=cdk_json_context(Path(__file__).parents[2] / "cdk.json"))
    env = cdk.Environment(account=settings.account, region=settings.region)
    add_fleet(app, name="test", settings=settings, source="test.yaml", env=env)
    (stack,) = (one for one in app.node.children if getattr(one, "stack_name", "").endswith("-observability"))
    assert isinstance(stack, cdk.Stack)
    notes = [str(entry.data) for child in stack.node.find_all() for entry in child.node.metadata]
    return dict(Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm")), notes


def test_the_fleets_budget_is_watched_where_its_instances_can_be_counted(fine: dict[str, Any]) -> None:
    alarms, _ = _budget(fine, observability={"enrichment": "enabled"})
    (alarm,) = (one["Properties"] for one in alarms.values())
    assert alarm["AlarmDescription"].startswith("fleet test (budget 30 USD per hour): the running instances cost more")
    assert alarm["AlarmDescription"].endswith("docs/runbooks/cost-over-budget.md")
    assert alarm["EvaluationCriteria"]["PromQLCriteria"]["Query"].endswith(") > 30")
    assert "alarmtopicarn" in alarm["AlarmActions"][0]["Ref"]


def test_a_budget_that_nobody_can_watch_or_hear_of_is_said(fine: dict[str, Any]) -> None:
    alarms, notes = _budget(fine)
    assert not alarms
    assert [text for text in notes if "nobody watches whether test stays within its budget of 30" in text]
    silent, _ = _budget(fine, observability={"enrichment": "enabled"}, alarms={"none": "a test"})
    (alarm,) = silent.values()
    assert "AlarmActions" not in alarm["Properties"]


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "topics of another Region": (
        {
            "alarms": {
                "topic": "arn:aws:sns:eu-west-1:111122223333:tickets",
                "page": "arn:aws:sns:eu-west-2:111122223333:pages",
            }
        },
        [
            "test.yaml: alarms.topic: arn:aws:sns:eu-west-1:111122223333:tickets is in eu-west-1, the environment in us-east-1; name one of us-east-1",
            "test.yaml: alarms.page: arn:aws:sns:eu-west-2:111122223333:pages is in eu-west-2, the environment in us-east-1; name one of us-east-1",
        ],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_notify_is_refused(fine: dict[str, Any], name: str) -> None:
    changes, expected = WRONG[name]
    assert problems(lambda: _fleet(fine, **changes)) == expected


def test_a_promise_that_cannot_be_watched_is_refused_with_its_place_in_the_file(fine: dict[str, Any]) -> None:
    rules = {"burn_rates": [{"budget_percent": 2, "long_minutes": 60, "short_minutes": 5}]}
    fine["endpoints"]["chat"]["components"]["llama"]["slo"] = {"availability_percent": 90}
    assert problems(lambda: _fleet(fine, alarms={"topic": "create", "rules": rules})) == [
        (
            "test.yaml: endpoints.chat.components.llama.slo.availability_percent: 90 cannot be watched: even if every request fails, its budget is "
            "not spent 14.4 times as fast as evenly; promise more than 93.06, or watch a lower rate (rules.burn_rates)"
        )
    ]


def test_the_name_of_a_stack_of_alarms_is_taken(fine: dict[str, Any]) -> None:
    fine["endpoints"]["chat-alarms"] = fine["endpoints"]["chat"]
    assert (
        "test.yaml: endpoints.chat-alarms: 'chat-alarms' names the stack of the alarms of chat; choose another name"
        in problems(lambda: _fleet(fine))
    )


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "page without topic": (
        {"none": "a test", "page": PAGES},
        "alarms.page: goes with topic, got none; remove it",
    ),
    "page to something else": (
        {"topic": "create", "page": "create"},
        "alarms.page: 'create' is not allowed; use the ARN of an SNS topic (not a FIFO one)",
    ),
    "windows in the wrong order": (
        {
            "topic": "create",
            "rules": {"burn_rates": [{"budget_percent": 2, "long_minutes": 5, "short_minutes": 60}]},
        },
        "alarms.rules.burn_rates.0.short_minutes: 60 is not shorter than long_minutes 5; swap them, or shorten it",
    ),
    "a threshold out of range": (
        {"topic": "create", "rules": {"kv_percent": 101}},
        "alarms.rules.kv_percent: 101 is not allowed; use a value <= 100",
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_contradict_each_other_are_refused(fine: dict[str, Any], name: str) -> None:
    alarms, expected = SETTINGS[name]
    assert problems(lambda: Environment(**{**fine, "alarms": alarms})) == [f"Environment.{expected}"]
