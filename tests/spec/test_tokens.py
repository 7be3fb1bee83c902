"""Numbers that are known only at deployment: what CloudFormation gets untouched passes, what synth needs does not."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import pytest

from cdk_sglang import (
    Capacity,
    ConfigurationError,
    HostResources,
    IdleAlarm,
    Placement,
    Routing,
    ScaleIn,
    StartupTimeouts,
)


@pytest.fixture(scope="module")
def number() -> float:
    return cdk.CfnParameter(cdk.Stack(cdk.App(), "Fleet"), "Number", type="Number").value_as_number


@pytest.mark.parametrize(
    "make",
    [
        lambda number: Routing.prefix_aware(prefix_length=number, concurrency_threshold=number),
        lambda number: Placement(max_zone_imbalance=number),
        lambda number: StartupTimeouts(download_seconds=number, health_check_seconds=number),
        lambda number: HostResources(cpu_cores=number, memory_mib=number),
    ],
)
def test_a_number_that_goes_to_cloudformation_may_be_a_token(make: Callable[[float], object], number: float) -> None:
    assert make(number)


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda number: Capacity.on_demand("ml.g6e.xlarge", max_instances=number), "capacity.max_instances"),
        (lambda number: ScaleIn.idle_release(max_step=number), "scale_in.max_step"),
        (lambda number: IdleAlarm(for_hours=number), "idle_alarm.for_hours"),
    ],
)
def test_a_number_that_synth_needs_may_not(make: Callable[[float], object], path: str, number: float) -> None:
    with pytest.raises(ConfigurationError) as error:
        make(number)
    assert error.value.problems == (f"{path}: must be known at synth, got a token; give the number itself",)
