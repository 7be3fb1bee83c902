"""How long SageMaker waits for a copy."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_sglang import ConfigurationError, GpuInstance, StartupTimeouts
from cdk_sglang.serving.component.startup import timeouts_for_weights

GB = 1e9
ONE = (GpuInstance.G6_2XLARGE,)


def test_rejects_time_outs_beyond_the_apis_bounds() -> None:
    with pytest.raises(ConfigurationError) as error:
        StartupTimeouts(download_seconds=59, health_check_seconds=3601)
    assert error.value.problems == (
        "startup.download_seconds: 59 is not allowed; use a value >= 60",
        "startup.health_check_seconds: 3601 is not allowed; use a value <= 3600",
    )


def test_unknown_weights_get_the_longest() -> None:
    assert timeouts_for_weights(None, ONE) == StartupTimeouts(download_seconds=3600, health_check_seconds=3600)


def test_tiny_weights_get_the_floor() -> None:
    assert timeouts_for_weights(0, ONE) == StartupTimeouts(download_seconds=600, health_check_seconds=600)


def test_eight_billion_parameters_get_more_than_was_ever_measured() -> None:
    derived = timeouts_for_weights(16.4 * GB, ONE)
    assert derived.download_seconds > 168  # the slowest download seen of these weights
    assert derived == StartupTimeouts(download_seconds=600, health_check_seconds=600)
    assert timeouts_for_weights(61 * GB, ONE) == StartupTimeouts(download_seconds=1260, health_check_seconds=600)


@given(st.floats(min_value=0, max_value=5e12), st.floats(min_value=0, max_value=5e12))
def test_heavier_weights_never_get_less_time(one: float, other: float) -> None:
    light, heavy = (timeouts_for_weights(size, ONE) for size in sorted((one, other)))
    assert light.download_seconds <= heavy.download_seconds <= 3600
    assert light.health_check_seconds <= heavy.health_check_seconds <= 3600


def test_a_token_is_not_measured(stack: cdk.Stack) -> None:
    seconds = cdk.CfnParameter(stack, "Seconds", type="Number").value_as_number
    assert StartupTimeouts(download_seconds=seconds, health_check_seconds=seconds).download_seconds == seconds
