"""Exactly the right alarms, in the time that their definitions say: the synthesised alarms in the embedded AWS, minute by minute."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template
from moto.cloudwatch.models import cloudwatch_backends

from cdk_sglang import AlarmRules, Alarms, EndpointAlarms, IdleAlarm
from cdk_sglang.observability.alarms.catalogue import KINDS
from cdk_sglang.serving.alarms.idle_alarm import make_idle_alarm
from tests.localcloud.helpers import SESSION
from tests.observability.alarms.fleets import observed
from tests.support.faults import FAULTS, all_killed
from tests.support.traffic import ACCOUNT, ENDPOINT, HEALTHY, REGION, TYPE, Copy, Minute, Traffic

PAGE = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
TICKET = f"arn:aws:sns:{REGION}:{ACCOUNT}:tickets"
PAST_HOURS = 6
"""Hours of healthy traffic before anything happens: the windows of all burn rates are full."""
PAGING = {kind.id for kind in KINDS if kind.severity == "page"}


@cache
def _template(*, min_copies: int) -> str:
    """Return the alarms of the endpoint as a template; what looks for deployments is a function, which the test plays itself."""
    component = {
        "model": {"id": "Qwen/Qwen3-8B", "prefix": "weights/llama/"},
        "server": {"context_length": 8192},
        "scaling": {"min_copies": min_copies, "max_copies": 4, "concurrency": 8},
        "slo": {"availability_percent": 99.9, "ttft_ms": 4000, "tpot_ms": 100, "accept_length": 2.5},
    }
    capacity = {"type": TYPE, "min_instances": min_copies, "max_instances": 4}
    stack = cdk.Stack(cdk.App(), "Alarms", env=cdk.Environment(account=ACCOUNT, region=REGION))
    choice = Alarms(
        topic=sns.Topic.from_topic_arn(stack, "Tickets", TICKET),
        page_topic=sns.Topic.from_topic_arn(stack, "Pages", PAGE),
    )
    EndpointAlarms(
        stack,
        "Alarms",
        endpoint=observed({"llama": component}, capacity=capacity),
        alarms=choice,
        enrichment=True,
        rules=AlarmRules(plan_band=True),
        budget_usd_per_hour=30,
        deployment_stacks=("Fleet",),
    )
    make_idle_alarm(stack, IdleAlarm(for_hours=1), choice=choice, endpoint_name=ENDPOINT, variant_name="AllTraffic")
    resources = Template.from_stack(stack).to_json()["Resources"]
    return json.dumps(
        {"Resources": {name: one for name, one in resources.items() if one["Type"].startswith("AWS::CloudWatch::")}}
    )


class Watched:
    """The alarms in the embedded AWS, and the traffic that they watch."""

    def __init__(self, clock: Any, inbox: Any, *, min_copies: int = 2) -> None:
        SESSION.client("sns").create_topic(Name="tickets")
        cloudformation = SESSION.client("cloudformation")
        cloudformation.create_stack(StackName="Alarms", TemplateBody=_template(min_copies=min_copies))
        (stack,) = cloudformation.describe_stacks(StackName="Alarms")["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        _, self._read = inbox
        self.traffic = Traffic(clock)

    def publish(self, minute: Minute) -> None:
        self.traffic.publish(minute)

    def on(self) -> set[str]:
        """Ids in the catalogue of the alarms that are on, and "idle"; a window of a burn rate is no alarm by itself."""
        return {name for name in map(_id_of, self._in_alarm()) if name}

    def pages(self) -> list[str]:
        """States that the paging topic was told of since the last look."""
        return [subject.partition(":")[0] for subject, _ in self._read()]

    def _in_alarm(self) -> Iterator[Any]:
        # As DescribeAlarms says it, which takes most of a minute's time.
        for alarm in cloudwatch_backends[ACCOUNT][REGION].alarms.values():
            if alarm.state_value == "ALARM":
                yield alarm


def _id_of(alarm: Any) -> str | None:
    if "one window of two" in alarm.description:
        return None
    if "paid for and idle" in alarm.description:
        return "idle"
    found = re.search(r"Runbook: docs/runbooks/([\w-]+)\.md$", alarm.description)
    return found and found[1]


@pytest.fixture
def watched(driven: Any, inbox: Any) -> Watched:
    watched = Watched(driven, inbox)
    watched.traffic.publish_past(HEALTHY, hours=PAST_HOURS)
    watched.publish(HEALTHY)
    assert (watched.on(), watched.pages()) == (set(), ["OK"]), "the page has left its first state"
    return watched


@pytest.mark.parametrize("name", FAULTS)
def test_the_right_alarms_fire_in_time_and_clear(watched: Watched, name: str) -> None:
    fault = FAULTS[name]
    minutes = [*map(fault.at, range(fault.minutes)), *[HEALTHY] * fault.clears_within]
    first: dict[str, int] = {}
    for number, minute in enumerate(minutes, start=1):
        watched.publish(minute)
        for alarm in watched.on():
            first.setdefault(alarm, number)
    assert first.keys() == fault.alarms.keys()
    for alarm, (least, most) in fault.alarms.items():
        assert least <= first[alarm] <= most, alarm
    assert watched.on() == set(), "they clear"
    assert watched.pages() == (["ALARM", "OK"] if PAGING & fault.alarms.keys() else []), "one page, one end of it"


def test_every_alarm_of_the_catalogue_has_its_situation() -> None:
    fired = {alarm for fault in FAULTS.values() for alarm in fault.alarms}
    assert fired == {kind.id for kind in KINDS} | {"idle"}


def test_healthy_traffic_fires_nothing(watched: Watched) -> None:
    for _ in range(90):
        watched.publish(HEALTHY)
        assert watched.on() == set()
    assert watched.pages() == []


def test_a_page_waits_two_minutes_for_the_sign_of_a_deployment(watched: Watched) -> None:
    minutes = []
    for number in range(6):
        watched.publish(all_killed(number))
        minutes += [number + 1 for _ in watched.pages()]
    assert minutes in ([3], [4]), "the first alarm is on after a minute"


def test_a_fleet_asleep_pages_nobody_and_neither_does_the_request_that_wakes_it(driven: Any, inbox: Any) -> None:
    watched = Watched(driven, inbox, min_copies=0)
    watched.traffic.publish_past(HEALTHY, hours=PAST_HOURS)
    watched.publish(HEALTHY)
    watched.pages()
    asleep = Minute(copies=(), gpu_memory=None)
    wakes = replace(asleep, refused=3)
    awake = Minute(copies=(Copy(name="c9"),))
    for minute in (*[asleep] * 120, *[wakes] * 6, *[awake] * 30):
        watched.publish(minute)
        assert watched.on() == set()
    assert watched.pages() == []


def _deployment(number: int, *, fails: int) -> Minute:
    """A deployment of ten minutes, whose sign comes a minute late, and under which every request fails for some minutes."""
    minute = all_killed(number) if number < fails else HEALTHY
    return replace(minute, deploying=1 <= number <= 10)


def test_a_deployment_pages_nobody(watched: Watched) -> None:
    on: set[str] = set()
    for number in range(30):
        watched.publish(_deployment(number, fails=2))
        on |= watched.on()
    assert on == {"availability-burn", "no-capacity"}
    assert watched.on() == set()
    assert watched.pages() == []


def test_trouble_that_outlives_a_deployment_pages_once(watched: Watched) -> None:
    pages = []
    for number in range(60):
        watched.publish(_deployment(number, fails=25))
        pages += [(number, state) for state in watched.pages()]
    (paged, first), (_, second) = pages
    assert (first, second) == ("ALARM", "OK")
    assert 15 <= paged <= 18, "five minutes after the last sign of the deployment, that of minute 10"
