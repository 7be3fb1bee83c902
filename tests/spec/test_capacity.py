"""Which instances an endpoint may have, and how many."""

from __future__ import annotations

import aws_cdk as cdk
import pytest

from cdk_sglang import Capacity, ConfigurationError, GpuInstance


@pytest.fixture
def stack() -> cdk.Stack:
    return cdk.Stack(cdk.App(), "Fleet")


def test_rejects_an_unknown_instance_type_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError) as error:
        Capacity.on_demand("ml.g6e.12xlage", max_instances=1)
    assert error.value.problems == (
        "capacity.type: unknown GPU instance type 'ml.g6e.12xlage'; did you mean 'ml.g6e.12xlarge'",
    )


def test_rejects_bounds_that_contradict_each_other() -> None:
    with pytest.raises(ConfigurationError) as error:
        Capacity.on_demand("ml.g6e.12xlarge", min_instances=3, max_instances=2)
    assert error.value.problems == ("capacity.max_instances: 2 is below min_instances 3; raise it to 3 or more",)


def test_rejects_an_endpoint_without_instances() -> None:
    with pytest.raises(ConfigurationError) as error:
        Capacity.on_demand("ml.g6e.12xlarge", min_instances=0, max_instances=0)
    assert error.value.problems == ("capacity.max_instances: 0 is not allowed; use a value >= 1",)


def test_rejects_a_pool_that_names_a_type_twice() -> None:
    with pytest.raises(ConfigurationError) as error:
        Capacity.pool(["ml.g6e.12xlarge", "ml.g6e.12xlarge"], max_instances=1)
    assert error.value.problems == ("capacity.pool: ml.g6e.12xlarge is listed more than once; name each once",)


def test_rejects_a_pool_of_six_and_one_of_none() -> None:
    six = [
        "ml.g6e.12xlarge",
        "ml.g6e.24xlarge",
        "ml.g6e.48xlarge",
        "ml.g6.12xlarge",
        "ml.g6.24xlarge",
        "ml.g5.12xlarge",
    ]
    with pytest.raises(
        ConfigurationError, match=r"^capacity\.pool: takes 2 to 5 instance types, got 6; change the list$"
    ):
        Capacity.pool(six, max_instances=1)
    with pytest.raises(
        ConfigurationError, match=r"^capacity\.pool: takes 2 to 5 instance types, got 0; change the list$"
    ):
        Capacity.pool([], max_instances=1)


def test_reports_every_problem_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        Capacity.pool(["ml.a", "ml.b"], min_instances=-1, max_instances=1)
    assert [line.split(";")[0] for line in error.value.problems] == [
        "capacity.pool.0: unknown GPU instance type 'ml.a'",
        "capacity.pool.1: unknown GPU instance type 'ml.b'",
        "capacity.min_instances: -1 is not allowed",
    ]


def test_bounds_must_be_known_at_synth(stack: cdk.Stack) -> None:
    count = cdk.CfnParameter(stack, "Count", type="Number").value_as_number
    with pytest.raises(ConfigurationError) as error:
        Capacity.on_demand("ml.g6e.12xlarge", min_instances=count, max_instances=count)
    assert error.value.problems == (
        "capacity.min_instances: must be known at synth, got a token; give the number itself",
        "capacity.max_instances: must be known at synth, got a token; give the number itself",
    )


def test_an_instance_type_must_be_known_at_synth(stack: cdk.Stack) -> None:
    kind = cdk.CfnParameter(stack, "Type").value_as_string
    with pytest.raises(ConfigurationError) as error:
        Capacity.on_demand(kind, max_instances=1)
    assert error.value.problems == (
        "capacity.type: must be known at synth, got a token; give the instance type itself",
    )


def test_types_are_taken_by_name_or_as_values() -> None:
    capacity = Capacity.pool([GpuInstance.G6E_48XLARGE, "ml.g6e.12xlarge"], max_instances=3)
    assert capacity.instances == (GpuInstance.G6E_48XLARGE, GpuInstance.G6E_12XLARGE)
    assert (capacity.min_instances, capacity.max_instances, capacity.is_pool) == (None, 3, True)


def test_a_copy_counts_on_the_smallest_type_of_a_pool() -> None:
    assert Capacity.pool(["ml.g6e.48xlarge", "ml.g6e.12xlarge"], max_instances=1).gpus_per_instance == 4


def test_one_type_is_no_pool() -> None:
    assert not Capacity.on_demand("ml.g6e.12xlarge", max_instances=1).is_pool
