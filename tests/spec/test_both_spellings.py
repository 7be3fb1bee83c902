"""A specification is the same value, and the same line for a mistake, whether an environment file or Python code makes it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pydantic import ValidationError

from cdk_sglang import (
    Capacity,
    ConfigurationError,
    Gpu,
    GpuInstance,
    HostResources,
    IdleAlarm,
    NoAlarms,
    OnDemandMove,
    Placement,
    Routing,
    ScaleIn,
    StartupTimeouts,
)
from cdk_sglang.spec.routing import PrefixAwareRouting
from cdk_sglang.validation import Spec
from cdk_sglang.validation_errors import problems_of

PLAN = "arn:aws:sagemaker:us-east-1:111122223333:training-plan/peak"
RESERVED = {"training_plan": PLAN, "type": "ml.p5en.48xlarge", "count": 2, "until": dt.date(2027, 3, 1)}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (
            {"type": "ml.g6e.12xlarge", "max_instances": 2, "scale_in": {"strategy": "idle_release", "max_step": 3}},
            Capacity.on_demand(GpuInstance.G6E_12XLARGE, max_instances=2, scale_in=ScaleIn.idle_release(max_step=3)),
        ),
        (
            {"pool": ["ml.g6e.24xlarge", "ml.g6e.12xlarge"], "min_instances": 0, "max_instances": 2},
            Capacity.pool(["ml.g6e.24xlarge", "ml.g6e.12xlarge"], min_instances=0, max_instances=2),
        ),
        (
            {"reserved": RESERVED, "min_instances": 1},
            Capacity.reserved(PLAN, "ml.p5en.48xlarge", 2, until=dt.date(2027, 3, 1)),
        ),
        (
            {
                "reserved": RESERVED
                | {"on_expiry": "on_demand", "on_demand_max_instances": 3, "on_demand_hours_before": 9},
                "min_instances": 1,
            },
            Capacity.reserved(
                PLAN,
                "ml.p5en.48xlarge",
                2,
                until=dt.date(2027, 3, 1),
                on_expiry=OnDemandMove(max_instances=3, hours_before=9),
            ),
        ),
        ({"prefix_aware": {"prefix_length": 2048}}, Routing.prefix_aware(prefix_length=2048)),
        ({"gpu_below_percent": 5}, IdleAlarm(gpu_below_percent=5)),
        ({"strategy": "binpack", "cache": False}, Placement(strategy="binpack", cache=False)),
        ({"cpu_cores": 4, "memory_mib": 1024}, HostResources(cpu_cores=4, memory_mib=1024)),
    ],
)
def test_a_file_and_python_make_equal_values(content: dict[str, Any], value: Spec) -> None:
    assert type(value).model_validate(content) == value


@pytest.mark.parametrize(
    ("model", "content"),
    [
        (Capacity, {"type": "ml.g6e.12xlage", "max_instances": 0}),
        (Capacity, {"type": "ml.g6e.xlarge", "min_instances": 3, "max_instances": 2}),
        (Capacity, {"reserved": RESERVED | {"count": 3}}),
        (Capacity, {"reserved": RESERVED, "max_instances": 3, "min_instances": 0}),
        (Capacity, {"reserved": RESERVED | {"on_demand_hours_before": 6}}),
        (ScaleIn, {"strategy": "consolidaton", "max_step": 0}),
        (PrefixAwareRouting, {"prefix_aware": {"prefix_length": 1, "concurency_threshold": 2}}),
        (IdleAlarm, {"gpu_below_percent": 0, "for_hours": 25}),
        (Placement, {"strategy": "spraed", "max_zone_imbalance": 101, "cache": 1}),
        (StartupTimeouts, {"download_seconds": 59}),
        (HostResources, {"cpu_cores": "4", "memory_mib": 64}),
        (NoAlarms, {"reason": " "}),
    ],
)
def test_a_mistake_is_the_same_line_in_python_after_the_noun(model: type[Spec], content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as of_file:
        model.model_validate(content)
    with pytest.raises(ConfigurationError) as of_python:
        model(**content)
    expected = [problem.under(model._noun) for problem in problems_of(of_file.value, model)]
    assert list(of_python.value.problems) == expected
    assert all(problem.path.startswith(model._noun) for problem in expected)


def test_a_near_miss_of_a_key_is_found_below_a_key_that_python_names_otherwise() -> None:
    plan = {("trainig_plan" if key == "training_plan" else key): value for key, value in RESERVED.items()}
    with pytest.raises(ConfigurationError) as error:
        Capacity(reserved=plan)
    assert "capacity.reserved.trainig_plan: unknown key; did you mean 'training_plan'" in error.value.problems


@pytest.mark.parametrize("name", ["lower_bound", "upper_bound", "pool_types", "reservation"])
def test_a_file_cannot_use_the_names_of_python(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"capacity\.{name}: unknown key"):
        Capacity(**{"type": GpuInstance.G6E_XLARGE, "max_instances": 1, name: None})


def test_a_copy_with_other_bounds_is_validated_like_a_new_value() -> None:
    capacity = Capacity.on_demand("ml.g6e.12xlarge", min_instances=1, max_instances=2)
    assert capacity.replace(max_instances=4) == Capacity.on_demand("ml.g6e.12xlarge", min_instances=1, max_instances=4)
    with pytest.raises(ConfigurationError, match=r"^capacity\.max_instances: 2 is below min_instances 3"):
        capacity.replace(min_instances=3)


def test_a_type_that_this_version_does_not_know_can_be_described_in_python() -> None:
    described = GpuInstance.of("ml.p7.48xlarge", gpu=Gpu.of("H200-SXM-141GB"), gpu_count=8, vcpus=192, memory_gib=2048)
    assert Capacity.on_demand(described, max_instances=1).instances == (described,)


def test_instance_types_are_written_by_name() -> None:
    capacity = Capacity.pool(["ml.g6e.24xlarge", "ml.g6e.12xlarge"], max_instances=2)
    assert capacity.model_dump(mode="json", exclude_none=True) == {
        "pool": ["ml.g6e.24xlarge", "ml.g6e.12xlarge"],
        "max_instances": 2,
    }


def test_reserved_instances_are_kept_whatever_a_file_leaves_out() -> None:
    assert Capacity.model_validate({"reserved": RESERVED}).min_instances == 1


def test_a_move_keeps_the_most_instances_by_default() -> None:
    moving = Capacity.model_validate({"reserved": RESERVED | {"on_expiry": "on_demand"}, "max_instances": 1})
    assert moving.on_demand_move == OnDemandMove(max_instances=1, hours_before=6)
    assert Capacity.model_validate({"reserved": RESERVED}).on_demand_move is None
    assert Capacity.on_demand("ml.g6e.12xlarge", max_instances=1).on_demand_move is None


def test_a_written_reason_is_kept_without_the_spaces_around_it() -> None:
    assert NoAlarms(reason=" a test ").reason == "a test"
    with pytest.raises(ConfigurationError) as error:
        NoAlarms(reason="x" * 501)
    assert error.value.problems == ("alarms.reason: has 501 characters; use 500 or fewer",)
