"""One poll for all tabs, as rare as it may be, and refusals that leave the other parts alone; no time passes but the test's own."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, UnauthorizedSSOTokenError
from botocore.parsers import ResponseParserError

from cdk_sglang.cli.console.account import Account, Clients
from cdk_sglang.cli.console.poller import WATCHED_S, Poller, Source
from cdk_sglang.errors import ConfigurationError, Problem


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Aws:
    """What a source reads: a value or an exception, after a number of calls."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.answer: Any = "fine"
        self.calls = 1
        self.reads = 0

    def read(self, clients: Clients) -> Any:
        self.reads += 1
        for _ in range(self.calls):
            clients._count()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class World:
    def __init__(self) -> None:
        self.time = Time()
        self.account = Account(region="us-east-1", clock=self.time)
        self.aws = {name: Aws(self.account) for name in ("alarms", "events")}
        sources = [
            Source(name=name, part=name, period_s=30, calls=f"service:Read{name}", read=aws.read)
            for name, aws in self.aws.items()
        ]
        self.poller = Poller(sources, self.account, clock=self.time)

    def pass_(self, seconds: int, *, watched: bool = True) -> None:
        for _ in range(seconds):
            if watched:
                self.poller.look()
            for name in self.poller.due():
                self.poller.read(name)
            self.time.now += 1


@pytest.fixture
def world() -> World:
    return World()


def error(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def test_nothing_is_read_before_and_after_somebody_looks(world: World) -> None:
    world.pass_(100, watched=False)
    assert world.aws["alarms"].reads == 0
    world.pass_(1)
    world.pass_(600, watched=False)
    assert world.aws["alarms"].reads == 1
    assert WATCHED_S < 30


def test_many_tabs_are_one_poll(world: World) -> None:
    for _ in range(59):
        for _tab in range(8):
            world.pass_(0)
            world.poller.look()
        world.pass_(1)
    assert world.aws["alarms"].reads == 2
    assert world.account.calls_last_minute == 4


def test_a_source_of_many_calls_is_read_less_often(world: World) -> None:
    world.aws["alarms"].calls = 90
    world.pass_(180)
    assert world.aws["alarms"].reads == 2
    assert world.aws["events"].reads == 6
    assert world.account.calls_last_minute <= 92


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (error("AccessDeniedException", "User x is not authorized"), "service:Readalarms: not allowed (User x is not authorized); ask whoever grants"),
        (error("ThrottlingException", "Rate exceeded"), "service:Readalarms: AWS throttles the request (Rate exceeded)"),
        (error("InternalFailure"), "service:Readalarms: InternalFailure"),
        (EndpointConnectionError(endpoint_url="https://x"), "service:Readalarms: AWS was not reached"),
        (ResponseParserError("invalid XML received"), "service:Readalarms: AWS was not reached: invalid XML received"),
        (ConfigurationError([Problem("aws", "is missing")]), "aws: is missing"),
        (RuntimeError("a mistake of ours"), "service:Readalarms: failed within (RuntimeError: a mistake of ours)"),
    ],
    ids=str,
)  # fmt: skip
def test_a_part_that_cannot_be_read_says_so_keeps_what_it_had_and_the_rest_lives(
    world: World, failure: Exception, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    world.pass_(30)
    world.aws["alarms"].answer = failure
    world.pass_(31)
    assert world.poller.value("alarms") == "fine"
    ((part, (problem,)),) = world.poller.problems.items()
    assert part == "alarms"
    assert problem.startswith(message)
    assert re.search(r"; the values shown were read at \d\d:\d\d:\d\d; next attempt in 60 s$", problem)
    world.aws["alarms"].answer = "new"
    world.pass_(60)
    assert (world.poller.value("alarms"), world.poller.problems) == ("new", {})
    assert world.aws["events"].reads == 5


def test_what_was_never_read_has_no_value(world: World) -> None:
    world.aws["alarms"].answer = error("AccessDenied")
    world.pass_(1)
    assert world.poller.value("alarms") is None
    assert "shown is" not in world.poller.problems["alarms"][0]


def test_whoever_refuses_is_asked_ever_less_but_once_in_five_minutes(world: World) -> None:
    world.aws["alarms"].answer = error("AccessDenied")
    world.pass_(60 + 120 + 240 + 3 * 300)
    assert world.aws["alarms"].reads == 6


@pytest.mark.parametrize(
    "failure",
    [error("ExpiredTokenException"), error("ExpiredToken"), NoCredentialsError(), UnauthorizedSSOTokenError()],
    ids=str,
)
def test_credentials_that_end_are_said_once_and_looked_up_again(world: World, failure: Exception) -> None:
    first = world.account.session
    for aws in world.aws.values():
        aws.answer = failure
    world.pass_(31)
    assert world.poller.problems == {}, "the page says it once"
    assert "sign in with `aws login`" in world.poller.signed_out
    for aws in world.aws.values():
        aws.answer = "signed in again"
    world.pass_(16)
    assert world.poller.signed_out == ""
    assert world.poller.value("events") == "signed in again"
    turn, session = world.account.session
    assert turn > first[0]
    assert session is not first[1]


def test_two_sources_with_the_same_old_credentials_are_one_sign_in(world: World) -> None:
    turn, _ = world.account.session
    world.account.sign_in_again(turn)
    world.account.sign_in_again(turn)
    assert world.account.session[0] == turn + 1


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


def test_the_clients_refuse_whatever_does_more_than_read_before_it_is_sent(signed: None, world: World) -> None:
    clients = Clients(world.account)
    changes: list[tuple[str, Callable[[Any], Any]]] = [
        ("sagemaker", lambda client: client.delete_endpoint(EndpointName="prod-chat")),
        ("sagemaker", lambda client: client.update_inference_component_runtime_config(InferenceComponentName="a", DesiredRuntimeConfig={"CopyCount": 0})),
        ("application-autoscaling", lambda client: client.deregister_scalable_target(ServiceNamespace="sagemaker", ResourceId="a", ScalableDimension="b")),
        ("cloudwatch", lambda client: client.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="b")),
        ("cloudformation", lambda client: client.delete_stack(StackName="a")),
    ]  # fmt: skip
    for service, change in changes:
        with pytest.raises(ConfigurationError, match="changes an account, and this program only reads"):
            change(clients[service])
    assert clients.calls == 0
