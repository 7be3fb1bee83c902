"""The boto3 side: what waits, what does not, and how a wait ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError, ReadTimeoutError

from cdk_sglang.client import (
    InferenceClient,
    Progress,
    Reason,
    State,
    Wait,
    WaitCancelledError,
    WaitExceededError,
)
from localcloud.aws import faults
from localcloud.aws.hosting.store import stores
from tests.client.conftest import CloudTime
from tests.localcloud.helpers import SESSION, eventually

HELLO = [{"role": "user", "content": "hello"}]
SLOW = Wait(first_pause_seconds=15, longest_pause_seconds=15)
"""Pauses that a cancelled wait must not sit out."""


@pytest.fixture
def llama(options: dict[str, Any]) -> InferenceClient:
    return InferenceClient("fleet", "llama", **options)


def states(steps: list[Progress]) -> list[State]:
    """The states of a wait, each once."""
    return [step.state for index, step in enumerate(steps) if index == 0 or step.state != steps[index - 1].state]


def test_one_request_wakes_a_component_from_zero_and_gets_its_answer(
    asleep: Any, llama: InferenceClient, steps: list[Progress], time_of: CloudTime, request_count: Callable[[], int]
) -> None:
    answer = llama.chat(HELLO)
    assert answer["choices"][0]["message"]["content"] == "heard: hello"
    assert states(steps) == [State.ASLEEP, State.ANSWERED]
    first, last = steps[0], steps[-1]
    assert first.copies is not None
    assert (first.copies.current, first.copies.desired, first.copies.status) == (0, 0, "InService")
    assert (first.attempt, first.elapsed_seconds, first.remaining_seconds) == (1, 0, 900)
    assert last.elapsed_seconds == pytest.approx(sum(time_of.pauses))
    assert sum(time_of.pauses) < 90
    assert request_count() == 1


def test_a_copy_that_is_starting_is_told(
    asleep: Any, options: dict[str, Any], time_of: CloudTime, steps: list[Progress]
) -> None:
    time_of.copies_come = False  # their process starts in real time, which no pause here takes
    faults.inject("component-health-check", target="llama")
    client = InferenceClient("fleet", "llama", **options, wait=Wait(up_to_seconds=60))
    with pytest.raises(WaitExceededError):
        client.chat(HELLO)
    assert states(steps) == [State.ASLEEP, State.STARTING, State.GAVE_UP]
    starting = next(step for step in steps if step.state is State.STARTING)
    assert starting.copies is not None
    assert (starting.copies.current, starting.copies.desired) == (0, 1)


def test_a_request_that_a_copy_answers_at_once_is_told_nothing(
    serving: Any, llama: InferenceClient, steps: list[Progress], time_of: CloudTime
) -> None:
    llama.chat(HELLO)
    assert (steps, time_of.pauses) == ([], [])


def test_a_stream_is_waited_for_and_then_comes_in_parts(asleep: Any, llama: InferenceClient) -> None:
    arrived = [(time.monotonic(), chunk["choices"][0]["delta"]["content"]) for chunk in llama.stream_chat(HELLO)]
    assert [text for _, text in arrived] == ["part 0 ", "part 1 ", "part 2 "]
    assert arrived[-1][0] - arrived[0][0] > 0.3, "the first part was kept until the last had come"


def test_boto3s_own_parameters_pass_through(serving: Any, llama: InferenceClient) -> None:
    answer = llama.invoke_endpoint(Body=b"{}", ContentType="application/json", CustomAttributes="trace=1")
    assert answer["InvokedProductionVariant"] == "main"
    assert json.loads(answer["Body"].read())["headers"]["X-Amzn-SageMaker-Custom-Attributes"] == "trace=1"


def test_throttling_is_waited_out(
    serving: Any, llama: InferenceClient, steps: list[Progress], time_of: CloudTime, request_count: Callable[[], int]
) -> None:
    faults.inject("throttling", target="InvokeEndpoint", times=3)
    llama.chat(HELLO)
    assert states(steps) == [State.THROTTLED, State.ANSWERED]
    assert len(time_of.pauses) == 3
    assert time_of.pauses[2] > time_of.pauses[0]
    assert request_count() == 1


def test_throttling_that_lasts_ends_with_the_quota_to_look_at(
    serving: Any, options: dict[str, Any], time_of: CloudTime
) -> None:
    faults.inject("throttling", target="InvokeEndpoint")
    client = InferenceClient("fleet", "llama", **options, wait=Wait(up_to_seconds=20))
    with pytest.raises(WaitExceededError, match="Service Quotas") as caught:
        client.chat(HELLO)
    assert caught.value.reason is Reason.THROTTLED
    assert caught.value.waited_seconds == pytest.approx(20)
    assert isinstance(caught.value.__cause__, ClientError)


def test_a_models_error_is_raised_at_once(
    serving: Any, llama: InferenceClient, time_of: CloudTime, request_count: Callable[[], int]
) -> None:
    with pytest.raises(ClientError) as caught:
        llama.chat(HELLO, status=500)
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert (time_of.pauses, request_count()) == ([], 1)


def test_a_read_that_times_out_is_not_sent_again(
    serving: Any, options: dict[str, Any], time_of: CloudTime, request_count: Callable[[], int]
) -> None:
    client = InferenceClient("fleet", "llama", **options, read_timeout_seconds=0.3)
    with pytest.raises(ReadTimeoutError):
        client.chat(HELLO, sleep_s=1)
    eventually(lambda: request_count() >= 1)
    assert (time_of.pauses, request_count()) == ([], 1)


def test_a_stream_that_breaks_is_not_begun_again(
    serving: Any, llama: InferenceClient, time_of: CloudTime, request_count: Callable[[], int]
) -> None:
    got = []
    with pytest.raises(EventStreamError):
        got.extend(llama.stream_chat(HELLO, break_after=1))
    assert (time_of.pauses, request_count()) == ([], 1)


def test_what_is_wrong_with_the_request_is_raised_at_once(
    serving: Any, options: dict[str, Any], time_of: CloudTime
) -> None:
    for endpoint, component, message in (("nowhere", "llama", "not found"), ("fleet", "nobody", "not found")):
        with pytest.raises(ClientError, match=message):
            InferenceClient(endpoint, component, **options).chat(HELLO)
    assert time_of.pauses == []


def test_a_copy_that_never_gets_healthy_ends_the_wait_with_what_to_look_at(
    asleep: Any, options: dict[str, Any], time_of: CloudTime
) -> None:
    time_of.copies_come = False
    faults.inject("component-health-check", target="llama")
    client = InferenceClient("fleet", "llama", **options, wait=Wait(up_to_seconds=120))
    with pytest.raises(WaitExceededError) as caught:
        client.chat(HELLO)
    message = str(caught.value)
    assert message.startswith("llama on fleet: no answer after 120 s and ")
    assert "no copy has seen the request" in message
    assert "0 of 1 copies" in message
    assert "log group /aws/sagemaker/InferenceComponents/llama" in message
    assert sum(time_of.pauses) == pytest.approx(120)


def test_a_component_that_nothing_wakes_ends_the_wait_with_the_alarm_to_look_at(
    serving: Any, client: Any, options: dict[str, Any]
) -> None:
    serving.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 0}
    )
    eventually(lambda: not any(copy for state in stores() for copy in state.components["llama"].copies))
    with pytest.raises(WaitExceededError) as caught:
        InferenceClient("fleet", "llama", **options, wait=Wait(up_to_seconds=30)).chat(HELLO)
    assert "0 of 0 copies: no copy was requested" in str(caught.value)
    assert "alarm on NoCapacityInvocationFailures" in str(caught.value)
    assert "--resource-id inference-component/llama" in str(caught.value)


def test_a_minute_of_waiting_has_the_two_attempts_that_awss_own_alarm_needs(
    serving: Any, options: dict[str, Any], time_of: CloudTime
) -> None:
    faults.inject("throttling", target="InvokeEndpoint")
    with pytest.raises(WaitExceededError):
        InferenceClient("fleet", "llama", **options).chat(HELLO)
    assert max(time_of.pauses) <= 15
    assert sum(time_of.pauses) == pytest.approx(900)


def test_without_the_right_to_describe_the_wait_goes_on(
    asleep: Any, llama: InferenceClient, steps: list[Progress]
) -> None:
    faults.inject("throttling", target="DescribeInferenceComponent")
    assert llama.chat(HELLO)["choices"]
    assert states(steps) == [State.NO_COPY, State.ANSWERED]
    assert {step.copies for step in steps} == {None}


def test_an_event_ends_the_wait_at_once(
    asleep: Any, options: dict[str, Any], steps: list[Progress], request_count: Callable[[], int]
) -> None:
    cancel = threading.Event()
    note = steps.append
    options |= {"clock": None, "on_progress": lambda step: (note(step), cancel.set())}
    began = time.monotonic()
    with pytest.raises(WaitCancelledError, match="no copy has seen it"):
        InferenceClient("fleet", "llama", **options, wait=SLOW, cancel=cancel).chat(HELLO)
    assert time.monotonic() - began < SLOW.first_pause_seconds - 2
    assert states(steps) == [State.ASLEEP, State.CANCELLED]
    with pytest.raises(WaitCancelledError, match="before the request was sent"):
        InferenceClient("fleet", "llama", **options, cancel=cancel).chat(HELLO)


def test_ctrl_c_ends_the_wait_at_once(asleep: Any, options: dict[str, Any], steps: list[Progress]) -> None:
    note = steps.append

    def press(step: Progress) -> None:
        note(step)
        if not step.state.is_final:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    options |= {"clock": None, "on_progress": press}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            InferenceClient("fleet", "llama", **options, wait=SLOW).chat(HELLO)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < SLOW.first_pause_seconds - 2
    assert states(steps) == [State.ASLEEP, State.CANCELLED]


def test_what_the_callback_raises_ends_the_request(asleep: Any, options: dict[str, Any]) -> None:
    def stop(_: Progress) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        InferenceClient("fleet", "llama", **options | {"on_progress": stop}).chat(HELLO)


def test_a_refused_connection_is_tried_again_for_half_a_minute(options: dict[str, Any], time_of: CloudTime) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(WaitExceededError, match="check Region, DNS, proxy") as caught:
            InferenceClient("fleet", "llama", **options | {"endpoint_url": url}).chat(HELLO)
    assert caught.value.reason is Reason.UNREACHABLE
    assert sum(time_of.pauses) == pytest.approx(30)


@pytest.mark.parametrize(
    "destination", [{}, {"endpoint": "fleet"}, {"component": "llama"}, {"endpoint": "", "component": "llama"}]
)
def test_a_client_needs_a_destination(destination: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="give endpoint and component, or a route"):
        InferenceClient(**destination, session=SESSION)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"up_to_seconds": -1}, "up_to_seconds: -1 is not allowed"),
        ({"up_to_seconds": float("inf")}, "up_to_seconds: inf is not allowed"),
        ({"longest_pause_seconds": 60}, "use 0 < first <= longest <= 30"),
        ({"first_pause_seconds": 0}, "use 0 < first <= longest <= 30"),
        ({"first_pause_seconds": 20}, "got 20 and 15"),
    ],
)
def test_a_wait_that_makes_no_sense_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Wait(**options)
