"""The alarms of an endpoint as resources."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import AlarmRules, Alarms, BurnRate, EndpointAlarms, NoAlarms
from cdk_sglang.observability.alarms.catalogue import KINDS
from tests.observability.alarms.fleets import observed
from tests.support.fleets import Built, problems

PAGES, TICKETS = (f"arn:aws:sns:us-east-1:111122223333:{name}" for name in ("pages", "tickets"))
SLO = {"availability_percent": 99.9, "ttft_ms": 1000, "tpot_ms": 40}


class Watched:
    """An endpoint with alarms, and its template."""

    def __init__(self, components: dict[str, Any] | None = None, **options: Any) -> None:
        self.stack = cdk.Stack(cdk.App(), "Watch", env=cdk.Environment(account="111122223333", region="us-east-1"))
        self._topics = 0
        if "alarms" not in options:
            options["alarms"] = Alarms(topic=self.topic(TICKETS), page_topic=self.topic(PAGES))
        self.alarms = EndpointAlarms(
            self.stack, "Alarms", endpoint=observed(components or {"llama": {"slo": SLO}}), **options
        )
        self.template = Template.from_stack(self.stack)

    def topic(self, arn: str) -> sns.ITopic:
        self._topics += 1
        return sns.Topic.from_topic_arn(self.stack, f"Topic{self._topics}", arn)

    def all(self, kind: str = "Alarm") -> dict[str, dict[str, Any]]:
        found = self.template.find_resources(f"AWS::CloudWatch::{kind}")
        return {name: resource["Properties"] for name, resource in found.items()}

    def page(self) -> dict[str, Any]:
        (page,) = [one for name, one in self.all("CompositeAlarm").items() if name.startswith("AlarmsPage")]
        return page


def _names_in(rule: Any) -> set[str]:
    if isinstance(rule, str):
        return set()
    return {part["Ref"] for part in rule["Fn::Join"][1] if isinstance(part, dict)}


def test_one_alarm_pages_and_those_it_reads_tell_nobody() -> None:
    watched = Watched(enrichment=True)
    page, alarms = watched.page(), {**watched.all(), **watched.all("CompositeAlarm")}
    assert page["AlarmActions"] == page["OKActions"] == [PAGES]
    children = _names_in(page["AlarmRule"])
    assert {name[6:-8] for name in children} == {
        "NoCapacityllama",
        "EngineWatchdog",
        "QueueStuck",
        "Availability1",
        "TimeToFirstToken1h5m",
        "TimeToFirstToken6h30m",
        "TimePerToken1h5m",
        "TimePerToken6h30m",
    }
    assert all("AlarmActions" not in alarms[name] for name in children)


def test_everything_else_makes_a_ticket() -> None:
    watched = Watched(enrichment=True)
    read = {name for one in watched.all("CompositeAlarm").values() for name in _names_in(one["AlarmRule"])}
    rest = {name: one for name, one in watched.all().items() if name not in read}
    assert len(rest) == 12
    assert all(one["AlarmActions"] == one["OKActions"] == [TICKETS] for one in rest.values())


def test_availability_needs_both_windows_of_a_rate() -> None:
    watched = Watched({"llama": {"slo": {"availability_percent": 99.9}}})
    rule = next(one for name, one in watched.all("CompositeAlarm").items() if "Availability" in name)["AlarmRule"]
    text = "".join(part if isinstance(part, str) else part["Ref"][6:-8] for part in rule["Fn::Join"][1])
    assert text == (
        '(ALARM("Availabilityllama1h5mlong") AND ALARM("Availabilityllama1h5mshort")) OR '
        '(ALARM("Availabilityllama6h30mlong") AND ALARM("Availabilityllama6h30mshort"))'
    )


def test_without_enrichment_no_alarm_reads_promql_and_a_note_names_what_nobody_watches() -> None:
    watched = Watched()
    assert not [one for one in watched.all().values() if "EvaluationCriteria" in one]
    Annotations.from_stack(watched.stack).has_info(
        "/Watch/Alarms", Match.string_like_regexp("nobody watches the latency that prod-chat promises .llama.")
    )
    Annotations.from_stack(Watched(enrichment=True).stack).has_no_info("*", Match.any_value())
    Annotations.from_stack(Watched({"llama": {}}).stack).has_no_info("*", Match.any_value())


def test_an_accept_length_that_nobody_can_watch_is_said() -> None:
    draft = {"server": {"speculative": {"algorithm": "NGRAM", "num_draft_tokens": 8}}, "slo": {"accept_length": 2.5}}
    text = "nobody watches the accept length that prod-chat promises .llama."
    unwatched = Watched({"llama": draft})
    Annotations.from_stack(unwatched.stack).has_info("/Watch/Alarms", Match.string_like_regexp(text))
    Annotations.from_stack(Watched({"llama": draft}, enrichment=True).stack).has_no_info(
        "/Watch/Alarms", Match.string_like_regexp(text)
    )


def test_every_alarm_says_what_to_do_and_links_its_runbook() -> None:
    watched = Watched(enrichment=True, rules=AlarmRules(plan_band=True), budget_usd_per_hour=30)
    for alarm in watched.all().values():
        assert "Runbook: docs/runbooks/" in alarm["AlarmDescription"]
        assert "To do: " in alarm["AlarmDescription"]
        assert len(alarm["AlarmDescription"]) <= 1024
    own = Watched(runbooks_url="https://docs.example.com/runbooks/").all()
    assert any("https://docs.example.com/runbooks/no-capacity.html" in one["AlarmDescription"] for one in own.values())


def test_missing_data_alarms_nobody() -> None:
    for alarm in Watched(enrichment=True).all().values():
        assert alarm.get("TreatMissingData") == (None if "EvaluationCriteria" in alarm else "notBreaching")


def test_nobody_is_paged_while_a_deployment_runs() -> None:
    watched = Watched(deployment_stacks=["cdk-sglang-prod-chat"])
    page = watched.page()
    suppressor = watched.all()[page["ActionsSuppressor"]["Ref"]]
    assert suppressor["MetricName"] == "DeploymentRunning"
    assert suppressor["TreatMissingData"] == "notBreaching", "without the function's data nothing is held back"
    assert (page["ActionsSuppressorWaitPeriod"], page["ActionsSuppressorExtensionPeriod"]) == (120, 300)
    watched.template.has_resource_properties("AWS::Scheduler::Schedule", {"ScheduleExpression": "rate(1 minute)"})
    assert "ActionsSuppressor" not in Watched().page()


def test_a_reason_silences_every_alarm_and_watches_no_deployment() -> None:
    watched = Watched(alarms=NoAlarms(reason="a test"), deployment_stacks=["x"], enrichment=True)
    assert watched.all()
    assert not [one for one in (*watched.all().values(), watched.page()) if "AlarmActions" in one]
    assert watched.template.find_resources("AWS::Lambda::Function") == {}


def test_without_a_choice_a_warning_says_that_nobody_is_told() -> None:
    stack = Watched(alarms=None).stack
    Annotations.from_stack(stack).has_warning("/Watch/Alarms", Match.string_like_regexp("nobody is told"))


def test_a_topic_alone_is_that_of_pages_too() -> None:
    stack = cdk.Stack(cdk.App(), "Watch")
    topic = sns.Topic.from_topic_arn(stack, "Topic", TICKETS)
    EndpointAlarms(stack, "Alarms", endpoint=observed({"llama": {}}), alarms=topic)
    Template.from_stack(stack).has_resource_properties("AWS::CloudWatch::CompositeAlarm", {"AlarmActions": [TICKETS]})


def test_an_endpoint_that_is_a_construct_is_watched_as_it_is() -> None:
    built = Built()
    built.add(slo=None)
    EndpointAlarms(built.stack, "Alarms", endpoint=built.endpoint, alarms=NoAlarms(reason="a test"))
    built.template().has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "MetricName": "NoCapacityInvocationFailures",
            "Dimensions": [{"Name": "InferenceComponentName", "Value": "chat-llama"}],
            "AlarmDescription": Match.string_like_regexp("chat-llama: requests find no copy"),
        },
    )
    empty = Built()
    assert problems(lambda: EndpointAlarms(empty.stack, "Alarms", endpoint=empty.endpoint)) == [
        "Chat: has no components yet; add them first"
    ]


def test_a_component_that_may_sleep_has_no_alarm_on_missing_copies() -> None:
    scaling = {"min_copies": 0, "max_copies": 4, "concurrency": 4}
    capacity = {"type": "ml.g6e.12xlarge", "min_instances": 0, "max_instances": 4}
    stack = cdk.Stack(cdk.App(), "Watch")
    endpoint = observed({"llama": {"scaling": scaling}}, capacity=capacity)
    EndpointAlarms(stack, "Alarms", endpoint=endpoint, alarms=NoAlarms(reason="a test"), enrichment=True)
    names = {name[6:-8] for name in Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm")}
    assert not {name for name in names if name.startswith(("NoCapacity", "CopiesMissing"))}


@pytest.mark.parametrize("enrichment", [False, True])
def test_a_hundred_components_with_promises_stay_within_a_stack_and_a_rule(enrichment: bool) -> None:
    watched = Watched({f"m{number}": {"slo": SLO} for number in range(100)}, enrichment=enrichment)
    assert len(watched.template.to_json()["Resources"]) <= 500
    composites = watched.all("CompositeAlarm")
    assert set(map(len, map(_names_in, (one["AlarmRule"] for one in composites.values())))) <= set(range(1, 101))
    for one in composites.values():
        text = "".join(part if isinstance(part, str) else "x" * 255 for part in one["AlarmRule"]["Fn::Join"][1])
        assert len(text) <= 10_240
    (page,) = [one for one in composites.values() if "AlarmActions" in one]
    reached, todo = set(), {name for name, one in composites.items() if one is page}
    while todo:
        name = todo.pop()
        reached.add(name)
        if name in composites:
            todo |= _names_in(composites[name]["AlarmRule"]) - reached
    windows = {name for name in watched.all() if name.startswith("AlarmsAvailability")}
    assert len(windows) == 400
    assert windows <= reached, "the one alarm that pages reads all of them, through others"


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "an objective below the engine's smallest bucket": (
        {"slo": {"ttft_ms": 5}},
        {"enrichment": True},
        [
            (
                "Alarms.components.llama.slo.ttft_ms: SGLang's histogram of time_to_first_token cannot tell answers within 0.005 s from slower "
                "ones; use at least 0.1 s, the bound of its smallest bucket"
            )
        ],
    ),
    "a rate that nothing reaches": (
        {"slo": {"availability_percent": 90}},
        {"rules": AlarmRules(burn_rates=(BurnRate(budget_percent=2, long_minutes=60, short_minutes=5),))},
        [
            (
                "Alarms.components.llama.slo.availability_percent: 90 cannot be watched: even if every request fails, its budget is not spent 14.4 "
                "times as fast as evenly; promise more than 93.06, or watch a lower rate (rules.burn_rates)"
            )
        ],
    ),
    "windows that PromQL cannot read": (
        {"slo": {"ttft_ms": 1000}},
        {
            "enrichment": True,
            "rules": AlarmRules(burn_rates=(BurnRate(budget_percent=10, long_minutes=4320, short_minutes=360),)),
        },
        [
            (
                "Alarms.components.llama.slo.ttft_ms: cannot be watched: PromQL reads back 24 hours; give rules.burn_rates one with long_minutes "
                "of 1440 or less"
            )
        ],
    ),
    "a budget without what counts instances": (
        {},
        {"budget_usd_per_hour": 30},
        [
            (
                "Alarms.budget_usd_per_hour: cannot be watched without enrichment, since instances are counted by their GPUs' metrics; set "
                "enrichment=True, or leave it out"
            )
        ],
    ),
    "no budget": (
        {},
        {"budget_usd_per_hour": 0, "enrichment": True},
        ["Alarms.budget_usd_per_hour: 0 is not allowed; use a value > 0, or leave it out"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_watched_is_refused(name: str) -> None:
    component, options, expected = WRONG[name]
    assert problems(lambda: Watched({"llama": component}, alarms=NoAlarms(reason="a test"), **options)) == expected


def test_a_topic_of_another_region_is_refused() -> None:
    stack = cdk.Stack(cdk.App(), "Watch", env=cdk.Environment(account="111122223333", region="us-east-1"))
    here, there = (
        sns.Topic.from_topic_arn(stack, region, f"arn:aws:sns:{region}:111122223333:pages")
        for region in ("us-east-1", "eu-west-1")
    )
    choice = Alarms(topic=here, page_topic=there)
    assert problems(lambda: EndpointAlarms(stack, "Alarms", endpoint=observed({"llama": {}}), alarms=choice)) == [
        "Alarms.alarms.page_topic: arn:aws:sns:eu-west-1:111122223333:pages is in eu-west-1, the alarms in us-east-1; use a topic of us-east-1"
    ]


def test_every_kind_is_made_by_something() -> None:
    watched = Watched(
        {
            "llama": {
                "slo": {**SLO, "accept_length": 2.5},
                "copies": 2,
                "model": {"id": "Qwen/Qwen3-8B", "prefix": "x/"},
            }
        },
        enrichment=True,
        rules=AlarmRules(plan_band=True),
        budget_usd_per_hour=30,
    )
    texts = [one["AlarmDescription"] for one in (*watched.all().values(), *watched.all("CompositeAlarm").values())]
    assert [kind.id for kind in KINDS if not any(f"/{kind.id}.md" in text for text in texts)] == []
