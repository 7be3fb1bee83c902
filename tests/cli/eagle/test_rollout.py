"""A promotion on its way through CloudFormation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cdk_sglang.cli.eagle import update
from tests.localcloud.helpers import SESSION
from tests.support import eagle
from tests.support.eagle import EARLIER, PARAMETER, RUN, STACK, value_of
from tests.support.eagle_world import World


class Stack:
    """A stand-in for CloudFormation: a stack that goes through the states it is given."""

    def __init__(self, *states: tuple[str, str]) -> None:
        self.states, self.updates = list(states), []  # type: tuple[list[tuple[str, str]], list[dict[str, Any]]]
        self.exceptions = SESSION.client("cloudformation").exceptions

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        state, value = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        parameters = [
            {"ParameterKey": PARAMETER, "ParameterValue": value},
            {"ParameterKey": "Other", "ParameterValue": "x"},
        ]
        return {"Stacks": [{"StackName": STACK, "StackStatus": state, "Parameters": parameters}]}

    def update_stack(self, **request: Any) -> None:
        self.updates.append(request)

    def get_paginator(self, _: str) -> Any:
        reason = {
            "ResourceStatus": "UPDATE_FAILED",
            "LogicalResourceId": "Llama",
            "ResourceStatusReason": "alarm went off",
        }
        first = [{**reason, "Timestamp": 2, "ClientRequestToken": "another", "ResourceStatusReason": "older"}]
        second = [
            {**reason, "Timestamp": 1},
            {**reason, "Timestamp": 3, "ResourceStatusReason": "Resource update cancelled"},
        ]
        pages_of_events = [{"StackEvents": first}, {"StackEvents": second}]
        return type("Paginator", (), {"paginate": lambda *_, **__: iter(pages_of_events)})()


def with_stack(world: World, stack: Stack) -> None:
    from cdk_sglang.cli.eagle import pipeline

    client: Callable[..., Any] = pipeline.client
    world.monkeypatch.setattr(
        pipeline, "client", lambda name, **options: stack if name == "cloudformation" else client(name, **options)
    )


def test_a_rollout_that_is_taken_back_is_exit_code_1_with_the_reason(world: World) -> None:
    world.deploy(eagle.definition())
    world.register(RUN)
    base = "base,,,,,,"
    stack = Stack(("UPDATE_COMPLETE", base), ("UPDATE_COMPLETE", base), ("UPDATE_IN_PROGRESS", value_of(RUN)), ("UPDATE_ROLLBACK_IN_PROGRESS", base), ("UPDATE_ROLLBACK_COMPLETE", base))  # fmt: skip
    with_stack(world, stack)
    done = world.run("promote", "--run", RUN, "--yes")
    assert done.exit_code == 1
    assert (
        "the update was rolled back, and the previous version serves: Llama: alarm went off; fix the cause"
        in done.output
    )
    (request,) = stack.updates
    assert request["UsePreviousTemplate"] is True
    assert request["Parameters"] == [{"ParameterKey": PARAMETER, "ParameterValue": value_of(RUN)}, {"ParameterKey": "Other", "UsePreviousValue": True}]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("UPDATE_IN_PROGRESS", "another deployment or promotion; try again when it has ended"),
        ("UPDATE_ROLLBACK_FAILED", "bring it to a stable state first"),
    ],
)
def test_a_stack_that_is_not_at_rest_is_left_alone(world: World, state: str, says: str) -> None:
    world.deploy(eagle.definition())
    world.register(RUN)
    stack = Stack((state, value_of(RUN)))
    with_stack(world, stack)
    for words in (("promote", "--run", EARLIER), ("rollback",)):
        world.register(EARLIER) if words[0] == "promote" else None
        refused = world.run(*words, "--yes")
        assert refused.exit_code == 1
        assert says in refused.output
    assert stack.updates == []


def test_ctrl_c_during_a_rollout_says_what_goes_on_and_how_to_take_it_back(world: World) -> None:
    world.deploy(eagle.definition())
    world.register(RUN)
    with_stack(world, Stack(("UPDATE_COMPLETE", "base,,,,,,"), ("UPDATE_COMPLETE", "base,,,,,,"), ("UPDATE_IN_PROGRESS", value_of(RUN))))  # fmt: skip

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    world.monkeypatch.setattr(update, "_sleep", interrupted)
    done = world.run("promote", "--run", RUN, "--yes")
    assert done.exit_code == 1
    assert f"CloudFormation goes on with {STACK}" in done.output
    assert f"aws cloudformation cancel-update-stack --stack-name {STACK}" in done.output
