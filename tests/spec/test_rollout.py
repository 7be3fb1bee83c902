"""Rollouts and their alarms: what SageMaker does not take is refused where it is written, in the same words for YAML and Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cdk_sglang import BatchSize, ComponentRollout, ConfigurationError, EndpointRollout, RollbackAlarms
from cdk_sglang.errors import Problem
from cdk_sglang.validation import Spec

HALF = BatchSize.percent(50)
TOKEN = -1.8881545897087626e289
"""How CDK encodes a number that is known only at deployment."""


def problems(make: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        make()
    return list(error.value.problems)


@pytest.mark.parametrize(
    ("make", "lines"),
    [
        (BatchSize, ["BatchSize: give exactly one of percent and copies; got none of them"]),
        (
            lambda: BatchSize(percent=50, copies=1),
            ["BatchSize: give exactly one of percent and copies; got percent and copies"],
        ),
        (lambda: BatchSize.percent(101), ["BatchSize.percent: 101 is not allowed; use a value <= 100"]),
        (lambda: BatchSize.copies(0), ["BatchSize.copies: 0 is not allowed; use a value >= 1"]),
        (
            lambda: ComponentRollout.rolling(max_batch=BatchSize.percent(51)),
            ["rollout.max_batch: 51% is not allowed; use 5 to 50"],
        ),
        (
            lambda: ComponentRollout(max_batch=BatchSize.percent(4)),
            ["rollout.max_batch: 4% is not allowed; use 5 to 50"],
        ),
        (
            lambda: ComponentRollout.rolling(max_batch=HALF, wait_seconds=3601, timeout_seconds=599),
            [
                "rollout.wait_seconds: 3601 is not allowed; use a value <= 3600",
                "rollout.timeout_seconds: 599 is not allowed; use a value >= 600",
            ],
        ),
        (
            lambda: EndpointRollout.canary(percent=51),
            ["rollout.percent: 51 is not allowed; use a value <= 50"],
        ),
        (lambda: EndpointRollout.linear(percent=9), ["rollout.percent: 9% is not allowed; use 10 to 50"]),
        (lambda: EndpointRollout.rolling(percent=4), ["rollout.percent: 4% is not allowed; use 5 to 50"]),
        (
            lambda: EndpointRollout.rolling(percent=50, rollback_percent=4),
            ["rollout.rollback_percent: 4 is not allowed; use a value >= 5"],
        ),
        (
            lambda: EndpointRollout.linear(
                percent=10, wait_seconds=600, termination_wait_seconds=60, timeout_seconds=6000
            ),
            [
                "rollout.timeout_seconds: 6000 is not above the 6060 s that its steps wait; raise it, shorten the waits, or use larger steps"
            ],
        ),
        (
            lambda: EndpointRollout.canary(percent=10, wait_seconds=600, timeout_seconds=600),
            [
                "rollout.timeout_seconds: 600 is not above the 600 s that its steps wait; raise it, shorten the waits, or use larger steps"
            ],
        ),
        (
            lambda: EndpointRollout(strategy="all_at_once", percent=5, rollback_percent=50),
            [
                "rollout.percent: all_at_once has no steps; remove it",
                "rollout.rollback_percent: goes with rolling, got all_at_once; remove it",
            ],
        ),
        (lambda: EndpointRollout(strategy="canary"), ["rollout.percent: missing; canary needs it"]),
        (
            lambda: EndpointRollout(strategy="rolling", percent=50, termination_wait_seconds=60),
            ["rollout.termination_wait_seconds: rolling has no second fleet; remove it"],
        ),
        (
            lambda: RollbackAlarms(server_errors=0, p99_latency_ms=-1, minutes=0),
            [
                "rollout.alarms.server_errors: 0 is not allowed; use a value >= 1",
                "rollout.alarms.p99_latency_ms: -1 is not allowed; use a value > 0",
                "rollout.alarms.minutes: 0 is not allowed; use a value >= 1",
            ],
        ),
        (
            lambda: RollbackAlarms(server_errors=None, model_errors=None, no_capacity=None),
            [
                (
                    "rollout.alarms: alarms missing for rollback; without one SageMaker finishes every update, however bad: "
                    "give server_errors, model_errors or p99_latency_ms"
                )
            ],
        ),
    ],
)
def test_what_sagemaker_does_not_take_is_refused(make: Callable[[], object], lines: list[str]) -> None:
    assert problems(make) == lines


@pytest.mark.parametrize(
    ("rollout", "fields"),
    [
        (EndpointRollout.blue_green_all_at_once(), {"strategy": "all_at_once", "percent": None}),
        (EndpointRollout.canary(percent=1), {"strategy": "canary", "percent": 1}),
        (EndpointRollout.linear(percent=10), {"strategy": "linear", "percent": 10}),
        (
            EndpointRollout.rolling(percent=5, rollback_percent=100),
            {"strategy": "rolling", "percent": 5, "rollback_percent": 100, "termination_wait_seconds": None},
        ),
    ],
)
def test_a_class_method_names_a_strategy_of_the_file(rollout: EndpointRollout, fields: dict[str, Any]) -> None:
    assert {name: getattr(rollout, name) for name in fields} == fields
    assert rollout.wait_seconds == 300
    assert rollout.alarms == RollbackAlarms()


def test_the_file_and_python_spell_the_same_values() -> None:
    read = ComponentRollout.model_validate(
        {"max_batch": {"copies": 1}, "rollback_batch": {"percent": 100}, "alarms": {"no_capacity": None}}
    )
    written = ComponentRollout.rolling(
        max_batch=BatchSize.copies(1),
        rollback_batch=BatchSize.percent(100),
        alarms=RollbackAlarms(no_capacity=None),
    )
    assert read == written
    assert BatchSize(copies_value=1) == BatchSize(copies=1) == BatchSize.copies(1)
    assert EndpointRollout.model_validate({"strategy": "canary", "percent": 20}) == EndpointRollout(
        strategy="canary", percent=20
    )


def test_a_rollout_can_be_copied_with_another_value() -> None:
    rollout = ComponentRollout.rolling(max_batch=HALF, wait_seconds=60)
    assert rollout.replace(max_batch=BatchSize.copies(2)).max_batch == BatchSize(copies=2)
    assert rollout.replace(wait_seconds=0).max_batch == HALF
    assert HALF.replace(percent_value=20) == BatchSize.percent(20)


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda: BatchSize.percent(TOKEN), "BatchSize.percent"),
        (lambda: RollbackAlarms(p99_latency_ms=TOKEN), "rollout.alarms.p99_latency_ms"),
        (lambda: EndpointRollout(strategy="canary", percent=TOKEN), "rollout.percent"),
    ],
)
def test_what_the_synth_computes_with_must_be_known(make: Callable[[], object], place: str) -> None:
    assert problems(make) == [f"{place}: must be known at synth, got a token; give the number itself"]


def test_what_goes_to_cloudformation_untouched_may_be_known_at_deployment_alone() -> None:
    rollout = EndpointRollout.linear(
        percent=10,
        wait_seconds=TOKEN,
        timeout_seconds=TOKEN,
        alarms=RollbackAlarms(server_errors=TOKEN, minutes=TOKEN),
    )
    assert (rollout.wait_seconds, rollout.timeout_seconds, rollout.alarms.minutes) == (TOKEN, TOKEN, TOKEN)
    ComponentRollout.rolling(max_batch=HALF, wait_seconds=TOKEN, timeout_seconds=600)
    ComponentRollout.rolling(max_batch=HALF, wait_seconds=600, timeout_seconds=TOKEN)


def test_a_request_that_wakes_a_copy_is_no_reason_for_a_rollback() -> None:
    alarms = RollbackAlarms()
    assert "no_capacity" in alarms.thresholds(may_be_zero=False)
    assert "no_capacity" not in alarms.thresholds(may_be_zero=True)
    (problem,) = RollbackAlarms(server_errors=None, model_errors=None).problems(may_be_zero=True)
    assert problem.startswith("alarms missing for rollback")


def test_the_place_of_a_problem_begins_at_the_rollout() -> None:
    only_capacity = RollbackAlarms(server_errors=None, model_errors=None)
    component = ComponentRollout.rolling(max_batch=BatchSize.copies(3), alarms=only_capacity)
    assert [problem.path for problem in component.problems(bounds=[(0, 4)])] == ["alarms", "max_batch"]
    endpoint = EndpointRollout.rolling(percent=50, alarms=only_capacity)
    found = endpoint.problems(min_instances=0)
    assert [problem.path for problem in found] == ["alarms", "percent"]
    assert all(isinstance(problem, Problem) for problem in found)


@pytest.mark.parametrize(
    ("size", "copies", "steps", "started"),
    [
        (BatchSize.percent(50), 4, 2, 2),
        (BatchSize.percent(30), 4, 4, 2),
        (BatchSize.copies(3), 7, 3, 3),
        (BatchSize.copies(3), 3, 1, 3),
    ],
)
def test_a_batch_says_how_many_steps_there_are_and_what_one_starts(
    size: BatchSize, copies: int, steps: int, started: int
) -> None:
    assert size.steps(copies) == steps
    assert size.in_one_step(copies) == started


@pytest.mark.parametrize("kind", [BatchSize, RollbackAlarms, ComponentRollout, EndpointRollout])
def test_every_field_has_a_meaning_in_the_schema(kind: type[Spec]) -> None:
    for name, field in kind.model_json_schema()["properties"].items():
        assert field.get("description"), name
