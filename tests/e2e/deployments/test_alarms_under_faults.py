"""Exactly the right alarms, in the time that their definitions say: the synthesised alarms in the embedded AWS, minute by minute."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
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
from tests.support.traffic import ACCOUNT, ENDPOINT, HEALTHY, REGION, TYPE, Copy, Minute, Traffic

PAGE = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
TICKET = f"arn:aws:sns:{REGION}:{ACCOUNT}:tickets"
PAST_HOURS = 6
"""Hours of healthy traffic before anything happens: the windows of all burn rates are full."""
PAGING = {kind.id for kind in KINDS if kind.severity == "page"}
ONE, TWO = Copy(name="c1"), Copy(name="c2")
At = Callable[[int], Minute]


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


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A situation.

    Attributes:
        minutes: How long it lasts.
        at: What happens in a minute of it, counted from 0.
        alarms: Ids of the alarms that fire, each with the earliest and the latest minute of the situation after which it is on.
        clears_within: Minutes of healthy traffic after which every alarm is off again.
    """

    minutes: int
    at: At
    alarms: Mapping[str, tuple[int, int]]
    clears_within: int = 0


def _always(minute: Minute) -> At:
    return lambda _: minute


def _both(**changes: Any) -> Minute:
    return Minute(copies=(replace(ONE, **changes), replace(TWO, **changes)))


def _second(**changes: Any) -> Minute:
    return Minute(copies=(ONE, replace(TWO, **changes)))


def _killed(number: int) -> Minute:
    """One of two engines is killed; the requests that it had are lost, and the other one takes the next."""
    return Minute(copies=(replace(ONE, requests=116, running=8),), failed=4 if number == 0 else 0)


def _killed_without_instances(number: int) -> Minute:
    return replace(_killed(number), refused_launches=1 if number == 3 else 0)


def _restarted(number: int) -> Minute:
    return _killed(number) if number < 3 else _second(started_in_s=97.5)


def _all_killed(number: int) -> Minute:
    return Minute(copies=(), failed=8 if number == 0 else 0, refused=112 if number == 0 else 120)


def _wedged(number: int) -> Minute:
    """One engine hangs with requests that wait: its half of the requests fails, and its watchdog notices after five minutes."""
    hangs = replace(TWO, requests=0, running=8, queued=3, gpus=(100.0,) * 4)
    return Minute(copies=(ONE, hangs), failed=60, logged={"EngineWatchdog": 1} if number == 5 else {})


def _logs(metric: str) -> At:
    return lambda number: replace(HEALTHY, logged={metric: 1} if number == 0 else {})


def _refused_launch(number: int) -> Minute:
    return replace(HEALTHY, refused_launches=1 if number == 0 else 0)


FAULTS: dict[str, Fault] = {
    "an engine is killed and replaced within ten minutes": Fault(minutes=10, at=_killed, alarms={}, clears_within=5),
    "an engine is killed, and AWS has no instance for another": Fault(
        minutes=30,
        at=_killed_without_instances,
        # 15 minutes without a break, after the five in which the last sample of the dead copy counts
        alarms={"copies-missing": (19, 22), "insufficient-capacity": (4, 5)},
        clears_within=7,
    ),
    "an engine is killed and starts anew in its container": Fault(
        minutes=10, at=_restarted, alarms={"engine-restart": (4, 5)}, clears_within=66
    ),
    "every engine is killed": Fault(
        minutes=10, at=_all_killed, alarms={"no-capacity": (2, 3), "availability-burn": (1, 2)}, clears_within=31
    ),
    "an engine is wedged": Fault(
        minutes=10,
        at=_wedged,
        alarms={"availability-burn": (2, 3), "queue-stuck": (4, 6), "engine-watchdog": (6, 7)},
        clears_within=31,
    ),
    "a queue is stuck": Fault(
        minutes=8, at=_always(_both(requests=0, queued=3, running=0)), alarms={"queue-stuck": (4, 6)}, clears_within=7
    ),
    "a queue waits for long answers that are being made": Fault(
        minutes=12, at=_always(_both(requests=0, queued=3, decoding=True)), alarms={}, clears_within=5
    ),
    "a queue grows beyond what the copies serve": Fault(
        minutes=15,
        at=_always(_both(queued=10, running=16, ttft_s=3.0)),
        alarms={"queue-growth": (9, 11)},
        clears_within=6,
    ),
    "a queue of a minute": Fault(minutes=1, at=_always(_both(queued=40, ttft_s=2.0)), alarms={}, clears_within=11),
    "the KV cache is full": Fault(
        minutes=25,
        at=_always(_both(kv=0.99, queued=2, retracted=2, running=16)),
        alarms={"kv-pressure": (19, 21), "retractions": (4, 6)},
        clears_within=18,
    ),
    "a fleet is idle": Fault(
        minutes=65,
        at=_always(_both(requests=0, running=0, kv=0.0, gpus=(0.0,) * 4, accepted=0.0)),
        alarms={"idle": (59, 61)},
        clears_within=1,
    ),
    "a model is slower than its plan": Fault(
        minutes=80, at=_always(_both(tpot_s=0.06)), alarms={"plan-band": (60, 70)}, clears_within=20
    ),
    "a model is slower than promised": Fault(
        minutes=10, at=_always(_both(tpot_s=0.2)), alarms={"latency-burn": (8, 10)}, clears_within=11
    ),
    "first tokens are later than promised": Fault(
        minutes=10, at=_always(_both(ttft_s=9.0)), alarms={"latency-burn": (8, 10)}, clears_within=11
    ),
    "one request in ten fails": Fault(
        minutes=15, at=_always(replace(HEALTHY, failed=13)), alarms={"availability-burn": (7, 10)}, clears_within=6
    ),
    "one request fails": Fault(minutes=1, at=_always(replace(HEALTHY, failed=1)), alarms={}, clears_within=5),
    "drafts are refused": Fault(
        minutes=65, at=_always(_both(accepted=1.8)), alarms={"accept-length": (58, 61)}, clears_within=7
    ),
    "a GPU is hot": Fault(
        minutes=15,
        at=_always(_second(celsius=(60, 60, 91, 60))),
        alarms={"gpu-temperature": (9, 11)},
        clears_within=6,
    ),
    "a GPU stays behind its siblings": Fault(
        minutes=20,
        at=_always(_second(gpus=(98, 98, 98, 10))),
        alarms={"gpu-slow-sibling": (7, 15)},
        clears_within=20,
    ),
    "GPU memory is nearly full": Fault(
        minutes=20, at=_always(replace(HEALTHY, gpu_memory=99.5)), alarms={"gpu-memory": (10, 15)}, clears_within=6
    ),
    "AWS has no instance once": Fault(
        minutes=5, at=_refused_launch, alarms={"insufficient-capacity": (1, 2)}, clears_within=20
    ),
    "a third instance runs for long": Fault(
        minutes=40,
        at=_always(Minute(copies=(ONE, TWO, Copy(name="c3")))),
        alarms={"cost-over-budget": (30, 32)},
        clears_within=12,
    ),
    "the driver reports a GPU fault": Fault(minutes=3, at=_logs("GpuXid"), alarms={"gpu-xid": (1, 1)}, clears_within=4),
    "a CUDA call fails": Fault(minutes=3, at=_logs("CudaFailure"), alarms={"cuda-failure": (1, 1)}, clears_within=4),
    "NCCL fails": Fault(minutes=3, at=_logs("EngineNcclFailure"), alarms={"nccl-failure": (1, 1)}, clears_within=4),
    "memory runs out": Fault(
        minutes=3, at=_logs("EngineOutOfMemory"), alarms={"out-of-memory": (1, 1)}, clears_within=4
    ),
}


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
    told = []
    for number in range(6):
        watched.publish(_all_killed(number))
        told += [number + 1 for _ in watched.pages()]
    assert told in ([3], [4]), "the first alarm is on after a minute"


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
    minute = _all_killed(number) if number < fails else HEALTHY
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
    told = []
    for number in range(60):
        watched.publish(_deployment(number, fails=25))
        told += [(number, state) for state in watched.pages()]
    (paged, first), (_, second) = told
    assert (first, second) == ("ALARM", "OK")
    assert 15 <= paged <= 18, "five minutes after the last sign of the deployment, that of minute 10"
