"""Reserved and burst behind one name: where requests go."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cdk_sglang.client import (
    Destination,
    InferenceClient,
    Progress,
    Route,
    RouteError,
    State,
    Wait,
    WaitExceededError,
    openai_client,
)
from cdk_sglang.client.route import Router
from localcloud.aws import faults
from tests.client.conftest import CloudTime, to_zero, wakes
from tests.client.test_boto import states
from tests.localcloud.helpers import SESSION, any_component, any_endpoint, eventually, in_service

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
RESERVED = Destination(endpoint="reserved", component="reserved-qwen")
BURST = Destination(endpoint="burst", component="burst-qwen")
ROUTE = Route(destinations=(RESERVED, BURST))


@pytest.fixture
def both(client: Callable[[str], Any]) -> Any:
    """Two endpoints with one component each, in service."""
    sagemaker = client("sagemaker")
    for at in (RESERVED, BURST):
        any_endpoint(sagemaker, at.endpoint)
        eventually(lambda at=at: sagemaker.describe_endpoint(EndpointName=at.endpoint)["EndpointStatus"] == "InService")
        any_component(sagemaker, at.component, endpoint=at.endpoint)
        in_service(sagemaker, at.component)
    return sagemaker


@pytest.fixture
def routed(options: dict[str, Any]) -> InferenceClient:
    return InferenceClient(route=ROUTE, **options)


def test_the_first_destination_answers_while_it_can(
    both: Any, routed: InferenceClient, request_count: Callable[[str], int], steps: list[Progress]
) -> None:
    routed.chat(HELLO)
    routed.chat(HELLO)
    assert (request_count("reserved-qwen"), request_count("burst-qwen"), steps) == (2, 0, [])


def test_without_capacity_the_next_one_answers_at_once(
    both: Any, routed: InferenceClient, request_count: Callable[[str], int], steps: list[Progress], time_of: CloudTime
) -> None:
    to_zero(both, "reserved-qwen")
    assert routed.chat(HELLO)["choices"]
    assert (request_count("reserved-qwen"), request_count("burst-qwen"), time_of.pauses) == (0, 1, [])
    assert [(step.state, step.endpoint) for step in steps] == [
        (State.MOVED_ON, "reserved"),
        (State.ANSWERED, "burst"),
    ]


def test_a_destination_that_refused_rests_and_is_tried_again_later(
    both: Any, routed: InferenceClient, request_count: Callable[[str], int], time_of: CloudTime, steps: list[Progress]
) -> None:
    faults.inject("throttling", target="InvokeEndpoint", times=1)
    routed.chat(HELLO)
    steps.clear()
    routed.chat(HELLO)
    assert steps == [], "the resting destination was tried"
    assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (0, 2)
    time_of.skip(31)
    routed.chat(HELLO)
    assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (1, 2)


def test_a_destination_that_is_not_deployed_yet_is_passed_over(
    both: Any, options: dict[str, Any], request_count: Callable[[str], int]
) -> None:
    nowhere = Destination(endpoint="not-yet", component="not-yet-qwen")
    InferenceClient(route=Route(destinations=(nowhere, BURST)), **options).chat(HELLO)
    assert request_count("burst-qwen") == 1
    with pytest.raises(ClientError, match="not found"):
        InferenceClient(route=Route(destinations=(nowhere,)), **options).chat(HELLO)


def test_a_models_error_is_not_sent_to_the_next_destination(
    both: Any, routed: InferenceClient, request_count: Callable[[str], int]
) -> None:
    with pytest.raises(ClientError, match="Received server error"):
        routed.chat(HELLO, status=500)
    assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (1, 0)


def test_the_last_destination_waits_and_is_woken(
    both: Any, client: Any, routed: InferenceClient, steps: list[Progress], request_count: Callable[[str], int]
) -> None:
    for at in (RESERVED, BURST):
        to_zero(both, at.component)
    wakes(client, BURST.component)
    assert routed.chat(HELLO)["choices"]
    assert states(steps) == [State.MOVED_ON, State.ASLEEP, State.ANSWERED]
    assert {step.component for step in steps if step.state is State.ASLEEP} == {"burst-qwen"}
    assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (0, 1)


def test_while_the_last_one_waits_the_first_is_tried_again(
    both: Any, client: Any, options: dict[str, Any], request_count: Callable[[str], int], time_of: CloudTime
) -> None:
    for at in (RESERVED, BURST):
        to_zero(both, at.component)  # and only the first comes back
    wakes(client, RESERVED.component)
    assert InferenceClient(route=ROUTE, **options).chat(HELLO)["choices"]
    assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (1, 0)
    assert sum(time_of.pauses) < 120


def test_when_all_are_out_of_time_the_error_names_the_last(both: Any, options: dict[str, Any]) -> None:
    for at in (RESERVED, BURST):
        to_zero(both, at.component)
    with pytest.raises(WaitExceededError, match=r"^burst-qwen on burst: "):
        InferenceClient(route=ROUTE, **options, wait=Wait(up_to_seconds=10)).chat(HELLO)


def test_more_requests_at_once_than_the_first_may_take_go_to_the_next(
    both: Any, options: dict[str, Any], request_count: Callable[[str], int]
) -> None:
    client = InferenceClient(route=Route(destinations=ROUTE.destinations, max_in_flight=1), **options)
    slow = threading.Thread(target=client.chat, args=(HELLO,), kwargs={"sleep_s": 1})
    slow.start()
    eventually(lambda: request_count("reserved-qwen") == 1)
    client.chat(HELLO)
    assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (1, 1)
    slow.join()
    client.chat(HELLO)
    assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (2, 1)


@pytest.mark.parametrize("end", ["read", "closed", "dropped"])
def test_a_stream_keeps_its_place_until_it_ends(
    both: Any, options: dict[str, Any], request_count: Callable[[str], int], end: str
) -> None:
    client = InferenceClient(route=Route(destinations=ROUTE.destinations, max_in_flight=1), **options)
    stream = client.stream_chat(HELLO)
    next(stream)
    client.chat(HELLO)
    assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (1, 1)
    if end == "read":
        assert len(list(stream)) == 2
    elif end == "closed":
        stream.close()
    else:
        del stream
    client.chat(HELLO)
    assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (2, 1)


def test_the_openai_client_follows_a_route_and_keeps_places(
    both: Any, options: dict[str, Any], request_count: Callable[[str], int]
) -> None:
    route = Route(destinations=ROUTE.destinations, max_in_flight=1)
    with openai_client(route=route, **options) as client:
        stream = client.chat.completions.create(model="qwen", messages=HELLO, stream=True)
        assert client.chat.completions.create(model="qwen", messages=HELLO).choices
        assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (1, 1)
        assert len(list(stream)) == 3
        assert client.chat.completions.create(model="qwen", messages=HELLO).choices
        assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (2, 1)
        to_zero(both, "reserved-qwen")
        assert client.chat.completions.create(model="qwen", messages=HELLO).choices
        assert (request_count("reserved-qwen"), request_count("burst-qwen")) == (2, 2)


def test_places_are_given_back_once() -> None:
    class Still:
        def now(self) -> float:
            return 0.0

    router = Router(Route(destinations=(RESERVED, BURST), max_in_flight=1), Still())
    first, second = router.lease(), router.lease()
    assert (first.destination, second.destination, second.is_last) == (RESERVED, BURST, True)
    first.release()
    first.release()
    assert router.lease().destination == RESERVED
    assert router._in_flight == [0, 1], "a dropped place is given back as well"


def put(client: Any, value: str) -> None:
    client("ssm").put_parameter(Name="/cdk-sglang/prod/routes/reasoning", Value=value, Type="String", Overwrite=True)


def load(cloud: Any) -> Route:
    return Route.load("prod", "reasoning", session=SESSION, endpoint_url=cloud.url, max_in_flight=32)


def test_a_route_is_loaded_by_environment_and_name(client: Any, cloud: Any) -> None:
    put(client, json.dumps({"version": 1, "destinations": [vars(RESERVED), vars(BURST)]}))
    assert load(cloud) == Route(destinations=(RESERVED, BURST), max_in_flight=32)


def test_a_route_that_is_not_there_says_where_to_write_it(cloud: Any) -> None:
    with pytest.raises(
        RouteError, match=r"/cdk-sglang/prod/routes/reasoning: no such parameter in us-east-1; write .*prod\.yaml"
    ):
        load(cloud)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("burst", "not a route"),
        ("[]", "not a route"),
        ('{"version": 1}', "not a route"),
        ('{"version": 1, "destinations": [{"endpoint": "burst"}]}', "not a route"),
        ('{"version": 1, "destinations": []}', "has no destinations"),
        ('{"version": 2, "destinations": []}', "version 2; this client reads 1"),
    ],
)
def test_a_parameter_that_is_no_route_is_refused(client: Any, cloud: Any, value: str, message: str) -> None:
    put(client, value)
    with pytest.raises(RouteError, match=message):
        load(cloud)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"destinations": ()}, "none given"),
        ({"destinations": (BURST,), "max_in_flight": 0}, "max_in_flight: 0 is not allowed"),
        ({"destinations": (BURST,), "rest_seconds": -1}, "rest_seconds: -1 is not allowed"),
    ],
)
def test_a_route_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Route(**options)
