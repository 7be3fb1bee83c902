"""What an environment may say about capacity, and every line it answers a mistake with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cdk_sglang import Capacity, ConfigurationError
from cdk_sglang.environments.planning import resolve_fleet
from cdk_sglang.environments.reading import parse

RESERVED = """
training_plan: arn:aws:sagemaker:us-east-1:111122223333:training-plan/peak
type: ml.p5en.48xlarge
count: 2
until: 2027-03-01
"""
SCHEMA = Path(__file__).parents[2] / "environments" / "schema.json"


def content(capacity: dict[str, Any]) -> dict[str, Any]:
    component = {
        "model": {"id": "Qwen/Qwen3-235B-A22B-FP8", "prefix": "weights/qwen/"},
        "server": {"tp_size": 4, "context_length": 8192},
    }
    return {
        "account": "111122223333",
        "region": "us-east-1",
        "network": {"vpc": "none"},
        "endpoints": {"chat": {"capacity": capacity, "components": {"qwen": component}}},
    }


def settings(capacity: dict[str, Any]) -> Any:
    return parse(yaml.safe_dump(content(capacity)), source="prod.yaml")


def lines(capacity: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        settings(capacity)
    prefix = "prod.yaml: endpoints.chat.capacity"
    assert all(problem.startswith(prefix) for problem in error.value.problems)
    return [problem.removeprefix(prefix).lstrip(".: ") for problem in error.value.problems]


def reserved(**changes: Any) -> dict[str, Any]:
    settings = yaml.safe_load(RESERVED) | changes
    return {"reserved": {key: value for key, value in settings.items() if value is not None}}


def test_a_reservation_needs_no_bounds_of_its_own() -> None:
    capacity = settings(reserved()).endpoints["chat"].capacity
    assert (capacity.min_instances, capacity.max_instances) == (1, 2)
    assert capacity.reservation is not None
    assert capacity.on_demand_move is None


def test_a_day_may_stand_in_quotes() -> None:
    plain = settings(reserved()).endpoints["chat"].capacity
    assert settings(reserved(until="2027-03-01")).endpoints["chat"].capacity == plain
    assert "2027-02-30" in lines(reserved(until="2027-02-30"))[0]


def test_a_move_keeps_the_bounds_and_starts_six_hours_before_the_end() -> None:
    move = settings(reserved(on_expiry="on_demand")).endpoints["chat"].capacity.on_demand_move
    assert move is not None
    assert (move.max_instances, move.hours_before) == (2, 6)


def test_a_scale_in_policy_and_zero_instances_reach_the_library() -> None:
    settings = {
        "type": "ml.g6e.48xlarge",
        "min_instances": 0,
        "max_instances": 2,
        "scale_in": {"strategy": "consolidation", "cooldown_minutes": 10, "max_step": 2},
    }
    capacity = Capacity.model_validate(settings)
    assert capacity.min_instances == 0
    assert capacity.scale_in is not None
    assert (capacity.scale_in.strategy, capacity.scale_in.cooldown_minutes, capacity.scale_in.max_step) == (
        "consolidation",
        10,
        2,
    )


def test_the_plan_says_that_a_reservation_is_paid_up_front() -> None:
    plan = resolve_fleet(settings(reserved()), name="prod").plan
    assert plan.problems == ()
    assert (
        "endpoints.chat.capacity.reserved: reserved capacity is paid up front at its offering's price; on-demand prices are shown"
        in plan.warnings
    )


FAULTS: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "not an ARN",
        reserved(training_plan="peak"),
        [
            (
                "reserved.training_plan: 'peak' is not the ARN of a training plan; use "
                "arn:aws:sagemaker:<region>:<account>:training-plan/<name>, as `cdk-sglang capacity status` prints it"
            )
        ],
    ),
    (
        "type that cannot be reserved",
        reserved(type="ml.g5.xlarge"),
        [
            (
                "reserved.type: ml.g5.xlarge cannot be reserved for endpoints; use one of ml.p4d.24xlarge, ml.p4de.24xlarge, "
                "ml.p5.4xlarge, ml.p5.48xlarge, ml.p5e.48xlarge, ml.p5en.48xlarge, ml.p6-b200.48xlarge, ml.p6-b300.48xlarge"
            )
        ],
    ),
    (
        "count",
        reserved(count=3),
        ["reserved.count: 3 is not allowed; a plan holds 1, 2, 4, 8, 16, 32, 64 instances"],
    ),
    ("no end", reserved(until=None), ["reserved.until: missing; it has no default"]),
    (
        "end as text",
        reserved(until="next spring"),
        ["reserved.until: 'next spring' is not a date; write it as 2027-03-01"],
    ),
    (
        "with a pool",
        reserved() | {"pool": ["ml.p5en.48xlarge", "ml.p5e.48xlarge"]},
        ["give exactly one of type, pool and reserved; got pool and reserved"],
    ),
    ("with a type", reserved() | {"type": "ml.p5en.48xlarge"}, ["give exactly one of type, pool and reserved; got type and reserved"]),
    (
        "beyond the plan",
        reserved() | {"max_instances": 3},
        [
            (
                "max_instances: 3 is above the 2 reserved, and SageMaker refuses to scale beyond a reservation; "
                "lower it to 2, or reserve more"
            )
        ],
    ),
    (
        "least above the plan",
        reserved() | {"min_instances": 3},
        ["reserved.count: 2 is below min_instances 3; raise it to 3 or more"],
    ),
    (
        "zero of a plan",
        reserved() | {"min_instances": 0},
        ["min_instances: 0 saves nothing, reserved instances are paid for already; use 1 or more"],
    ),
    (
        "move without being asked",
        reserved(on_demand_max_instances=2),
        ["reserved.on_demand_max_instances: goes with on_expiry: on_demand, got on_expiry: alarm; remove it"],
    ),
    (
        "move to too few",
        reserved(on_expiry="on_demand", on_demand_max_instances=1) | {"min_instances": 2},
        ["reserved.on_demand_max_instances: 1 is below min_instances 2; raise it to 2 or more"],
    ),
    (
        "move too late",
        reserved(on_expiry="on_demand", on_demand_hours_before=1),
        ["reserved.on_demand_hours_before: 1 is not allowed; use a value >= 2"],
    ),
    (
        "no bound",
        {"type": "ml.g6e.12xlarge"},
        ["max_instances: missing; it bounds the bill, so it has no default"],
    ),
    (
        "unknown strategy",
        {"type": "ml.g6e.12xlarge", "max_instances": 1, "scale_in": {"strategy": "IDLE_RELEASE"}},
        ["scale_in.strategy: 'IDLE_RELEASE' is not allowed; known: consolidation, idle_release"],
    ),
    (
        "cooldown",
        {"type": "ml.g6e.12xlarge", "max_instances": 1, "scale_in": {"strategy": "idle_release", "cooldown_minutes": 1}},
        ["scale_in.cooldown_minutes: 1 is not allowed; use a value >= 5"],
    ),
    ("negative", {"type": "ml.g6e.12xlarge", "min_instances": -1, "max_instances": 1}, ["min_instances: -1 is not allowed; use a value >= 0"]),
]  # fmt: skip


@pytest.mark.parametrize(("capacity", "problems"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_mistake_is_a_line_with_a_next_step(capacity: dict[str, Any], problems: list[str]) -> None:
    assert lines(capacity) == problems


@pytest.mark.parametrize(
    ("capacity", "legal"),
    [
        (reserved(), True),
        (reserved(count=3), False),
        (reserved(until=None), False),
        (reserved() | {"type": "ml.p5en.48xlarge", "max_instances": 1}, False),
        ({"type": "ml.g6e.12xlarge"}, False),
        ({"type": "ml.g6e.12xlarge", "min_instances": 0, "max_instances": 1}, True),
    ],
)
def test_an_editor_complains_about_what_the_app_does(capacity: dict[str, Any], legal: bool) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    plain = json.loads(json.dumps(content(capacity), default=str))  # an editor sees a date as text
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(plain) is legal
