"""Bounds and targets of a component: one type for environment files and Python."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import aws_cdk as cdk
import pytest

from cdk_sglang import (
    ComponentScaling,
    Concurrency,
    ConfigurationError,
    InvocationsPerMinute,
    Load,
    MetricMath,
    MetricStat,
    Slo,
    Window,
)

BOUNDS: dict[str, Any] = {"min_copies": 1, "max_copies": 2}
WAITING = MetricMath(expression="w", metrics={"w": MetricStat(metric_name="Waiting", statistic="Average")}, target=3)


def problems_of(specification: Any, **values: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as error:
        specification(**values)
    return error.value.problems


def from_yaml(**values: Any) -> ComponentScaling:
    return ComponentScaling.model_validate({**BOUNDS, **values})


@pytest.mark.parametrize(
    ("python", "yaml"),
    [
        ({"target": Concurrency(requests_per_copy=8)}, {"concurrency": 8}),
        ({"target": InvocationsPerMinute(per_copy=90)}, {"invocations_per_minute": 90}),
        (
            {"target": WAITING},
            {"metric": {"expression": "w", "metrics": {"w": {"name": "Waiting", "statistic": "Average"}}, "target": 3}},
        ),
        ({"target": Concurrency()}, {}),
        ({}, {}),
    ],
)
def test_python_and_an_environment_file_give_the_same_target(python: dict[str, Any], yaml: dict[str, Any]) -> None:
    assert ComponentScaling(**BOUNDS, **python).tracked == from_yaml(**yaml).tracked


def test_python_may_write_the_target_as_an_environment_file_does() -> None:
    assert ComponentScaling(**BOUNDS, concurrency=8).tracked == Concurrency(requests_per_copy=8)


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"min_copies": 3, "max_copies": 2}, ("scaling.max_copies: 2 is below min_copies 3; raise it to 3 or more",)),
        (
            {"min_copies": -1, "max_copies": 0},
            (
                "scaling.min_copies: -1 is not allowed; use a value >= 0",
                "scaling.max_copies: 0 is not allowed; use a value >= 1",
            ),
        ),
        ({"max_copies": 1001}, ("scaling.max_copies: 1001 is not allowed; use a value <= 1000",)),
        ({"wake_after_seconds": 20}, ("scaling.wake_after_seconds: 20 is not allowed; use 10, 30 or 60",)),
        (
            {"scale_in_cooldown_seconds": 100_000},
            ("scaling.scale_in_cooldown_seconds: 100000 is not allowed; use a value <= 86400",),
        ),
        (
            {"concurrency": 2, "invocations_per_minute": 9},
            ("scaling: concurrency and invocations_per_minute are two targets; keep one",),
        ),
        (
            {"concurrency": 2, "target": InvocationsPerMinute(per_copy=9)},
            ("scaling: target and concurrency are two targets; keep one",),
        ),
        (
            {"target": 8},
            (
                (
                    "scaling.target: takes Concurrency(...), InvocationsPerMinute(...) or MetricMath(...), got 8; "
                    "in an environment file write concurrency, invocations_per_minute or metric instead"
                ),
            ),
        ),
        (
            {"schedules": {"Day": Window.off(begins="20:00", ends="06:00")}},
            (
                (
                    "scaling.schedules.Day: 'Day' is not allowed; "
                    "use lower-case letters, digits and single hyphens, starting with a letter"
                ),
            ),
        ),
    ],
)
def test_bounds_and_targets_that_make_no_sense_are_refused(values: dict[str, Any], problems: tuple[str, ...]) -> None:
    assert problems_of(ComponentScaling, **(BOUNDS | values)) == problems


@pytest.mark.parametrize(
    ("specification", "values", "problem"),
    [
        (Concurrency, {"requests_per_copy": 0}, "concurrency.requests_per_copy: 0 is not allowed; use a value > 0"),
        (Concurrency, {"input_tokens": 0}, "concurrency.input_tokens: 0 is not allowed; use a value > 0"),
        (
            InvocationsPerMinute,
            {"per_copy": float("nan")},
            "invocations_per_minute.per_copy: nan is not allowed; use a finite number",
        ),
        (
            MetricMath,
            {"expression": "w", "metrics": {}, "target": 3},
            "metric.metrics: {} has 0 entries; list at least 1",
        ),
        (
            MetricStat,
            {"metric_name": 5, "statistic": "Sum"},
            "metric.metric_name: 5 is a number here; write it in quotes",
        ),
        (Load, {"output_tokens": -1}, "load.output_tokens: -1 is not allowed; use a value > 0"),
        (Slo, {"at_concurrency": 5000}, "slo.at_concurrency: 5000 is not allowed; use a value <= 4096"),
        (Slo, {"ttft_ms": True}, "slo.ttft_ms: takes a number, got True; write a number"),
        (Slo, {"ttft_ms": "500"}, "slo.ttft_ms: '500' is text; write 500 without quotes"),
    ],
)
def test_a_part_is_refused_where_it_is_made_with_its_noun_in_front(
    specification: Any, values: dict[str, Any], problem: str
) -> None:
    assert problems_of(specification, **values) == (problem,)


def test_an_environment_file_is_not_read_as_numbers_where_it_holds_text_or_truth() -> None:
    for value in ("8", True):
        with pytest.raises(ValueError, match="validation error"):
            from_yaml(concurrency=value)


def test_copies_must_be_known_at_synth_and_a_target_need_not_be() -> None:
    number = cdk.Token.as_number({"Ref": "Most"})
    assert problems_of(ComponentScaling, min_copies=1, max_copies=number) == (
        "scaling.max_copies: must be known at synth, got a token; give the number itself",
    )
    assert problems_of(Load, input_tokens=number) == (
        "load.input_tokens: must be known at synth, got a token; give the number itself",
    )
    target = Concurrency(requests_per_copy=number)
    assert ComponentScaling(**BOUNDS, target=target).tracked == target
    assert InvocationsPerMinute(per_copy=number).per_copy == number
    assert WAITING.replace(target=number).target == number


def test_any_mapping_of_schedules_is_taken() -> None:
    schedules = MappingProxyType({"off": Window.off(begins="20:00", ends="06:00")})
    assert ComponentScaling(**BOUNDS, schedules=schedules).copy_bounds == (0, 2)


def test_fixed_copies_change_by_the_clock_alone() -> None:
    scaling = ComponentScaling.fixed(2, schedules={"off": Window.off(begins="20:00", ends="06:00")})
    assert scaling.all_bounds == ((2, 2), (0, 0))
    assert not scaling.has_policy


def test_a_copy_of_a_metric_keeps_its_name() -> None:
    metric = MetricStat(metric_name="Waiting", statistic="Sum")
    assert metric.replace(statistic="Maximum") == MetricStat(metric_name="Waiting", statistic="Maximum")
