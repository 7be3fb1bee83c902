"""Reservations, scale-in policies and zero instances as values of the library: what cannot be is said before anything exists."""

from __future__ import annotations

import datetime as dt
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from cdk_sglang import (
    Capacity,
    ComponentScaling,
    Concurrency,
    ConfigurationError,
    InferenceEndpoint,
    ModelSource,
    OnDemandMove,
    ScaleIn,
    ServingImage,
)

PLAN = "arn:aws:sagemaker:us-east-1:111122223333:training-plan/peak"
UNTIL = dt.date(2027, 3, 1)


def reserved(plan: str = PLAN, kind: str = "ml.p5en.48xlarge", count: int = 2, **options: Any) -> Capacity:
    return Capacity.reserved(plan, kind, count, **({"until": UNTIL} | options))


def problems(**options: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as error:
        reserved(**options)
    return error.value.problems


def endpoint(
    capacity: Capacity, *, region: str | None = "us-east-1", account: str | None = "111122223333"
) -> cdk.Stack:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account=account, region=region))
    InferenceEndpoint(stack, "Chat", capacity=capacity, image=ServingImage.from_dlc(), endpoint_name="chat")
    return stack


def variant(capacity: Capacity) -> dict[str, Any]:
    (config,) = Template.from_stack(endpoint(capacity)).find_resources("AWS::SageMaker::EndpointConfig").values()
    (found,) = config["Properties"]["ProductionVariants"]
    return dict(found)


def test_a_reservation_takes_all_of_the_plan_by_default() -> None:
    capacity = reserved()
    assert (capacity.min_instances, capacity.max_instances, capacity.is_pool) == (1, 2, False)


def test_a_reserved_endpoint_uses_its_plan_and_nothing_else() -> None:
    found = variant(reserved())
    assert found["CapacityReservationConfig"] == {
        "CapacityReservationPreference": "capacity-reservations-only",
        "MlReservationArn": PLAN,
    }
    assert found["InstanceType"] == "ml.p5en.48xlarge"
    assert found["ManagedInstanceScaling"]["MaxInstanceCount"] == 2


@pytest.mark.parametrize(
    "arn",
    [
        "peak",
        "arn:aws:sagemaker:us-east-1:1234:training-plan/peak",
        "arn:aws:sagemaker:us-east-1:111122223333:reserved-capacity/peak",
        f"{PLAN}/x",
    ],
)
def test_rejects_what_is_no_arn_of_a_plan(arn: str) -> None:
    assert problems(plan=arn) == (
        (
            f"capacity.reserved.training_plan: {arn!r} is not the ARN of a training plan; use arn:aws:sagemaker:<region>:<account>:training-plan/<name>, "
            "as `cdk-sglang capacity status` prints it"
        ),
    )


def test_rejects_a_type_that_no_plan_reserves() -> None:
    assert problems(kind="ml.g6e.12xlarge") == (
        (
            "capacity.reserved.type: ml.g6e.12xlarge cannot be reserved for endpoints; use one of ml.p4d.24xlarge, ml.p4de.24xlarge, ml.p5.4xlarge, "
            "ml.p5.48xlarge, ml.p5e.48xlarge, ml.p5en.48xlarge, ml.p6-b200.48xlarge, ml.p6-b300.48xlarge"
        ),
    )


def test_rejects_a_count_no_plan_has() -> None:
    assert problems(count=3) == (
        "capacity.reserved.count: 3 is not allowed; a plan holds 1, 2, 4, 8, 16, 32, 64 instances",
    )


def test_rejects_more_instances_than_are_reserved() -> None:
    assert problems(max_instances=4) == (
        (
            "capacity.max_instances: 4 is above the 2 reserved, and SageMaker refuses to scale beyond a reservation; "
            "lower it to 2, or reserve more"
        ),
    )


def test_rejects_zero_instances_of_what_is_paid_for() -> None:
    assert problems(min_instances=0) == (
        "capacity.min_instances: 0 saves nothing, reserved instances are paid for already; use 1 or more",
    )


@pytest.mark.parametrize("until", ["next spring", "2027-02-30", dt.datetime(2027, 3, 1), None])  # noqa: DTZ001  a date is tried that is none
def test_rejects_an_end_that_is_no_date(until: object) -> None:
    shown = "nothing" if until is None else repr(until)
    assert problems(until=until) == (f"capacity.reserved.until: {shown} is not a date; write it as 2027-03-01",)


def test_an_end_as_text_is_the_day_it_names() -> None:
    plan = reserved(until="2027-03-01").reservation
    assert plan is not None
    assert plan.until == UNTIL


def test_the_end_must_be_given() -> None:
    with pytest.raises(TypeError, match="until"):
        Capacity.reserved(PLAN, "ml.p5en.48xlarge", 2)


def test_reports_every_problem_of_a_move_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        OnDemandMove(max_instances=0, hours_before=1)
    assert error.value.problems == (
        "on_expiry.max_instances: 0 is not allowed; use a value >= 1",
        "on_expiry.hours_before: 1 is not allowed; use a value >= 2",
    )


def test_rejects_a_move_to_fewer_instances_than_always_run() -> None:
    assert problems(min_instances=2, on_expiry=OnDemandMove(max_instances=1)) == (
        "capacity.reserved.on_demand_max_instances: 1 is below min_instances 2; raise it to 2 or more",
    )


def test_values_must_be_known_at_synth() -> None:
    stack = cdk.Stack(cdk.App(), "S")
    text = cdk.CfnParameter(stack, "Text").value_as_string
    number = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    assert problems(plan=text, count=number, max_instances=1) == (
        "capacity.reserved.training_plan: must be known at synth, got a token; give the ARN itself",
        "capacity.reserved.count: must be known at synth, got a token; give the number itself",
    )
    with pytest.raises(ConfigurationError) as error:
        OnDemandMove(max_instances=number)
    assert error.value.problems == (
        "on_expiry.max_instances: must be known at synth, got a token; give the number itself",
    )


def test_rejects_a_plan_of_another_region_and_account() -> None:
    plan = "arn:aws:sagemaker:eu-west-1:999988887777:training-plan/peak"
    with pytest.raises(ConfigurationError) as error:
        endpoint(reserved(plan))
    assert error.value.problems == (
        (
            f"Chat.capacity.reserved.training_plan: {plan} is of region eu-west-1 and account 999988887777, the stack of us-east-1 and "
            "111122223333; a plan cannot be used elsewhere, so name one of us-east-1 and 111122223333: cdk-sglang capacity status"
        ),
    )


def test_a_plan_is_not_held_against_a_stack_of_unknown_place() -> None:
    plan = "arn:aws:sagemaker:eu-west-1:999988887777:training-plan/peak"
    assert endpoint(reserved(plan), region=None, account=None)


def test_zero_instances_start_with_one() -> None:
    found = variant(Capacity.on_demand("ml.g6e.12xlarge", min_instances=0, max_instances=2))
    assert found["InitialInstanceCount"] == 1
    assert found["ManagedInstanceScaling"] == {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}


def test_rejects_zero_instances_where_the_region_refuses_them() -> None:
    with pytest.raises(ConfigurationError) as error:
        endpoint(Capacity.on_demand("ml.g6e.12xlarge", min_instances=0, max_instances=2), region="eu-west-3")
    (problem,) = [line for line in error.value.problems if "min_instances" in line]
    assert problem == (
        "Chat.capacity.min_instances: 0 is refused for ml.g6e.12xlarge in eu-west-3: MinInstanceCount 0 was rejected in eu-west-3 and "
        "accepted in us-east-1 (field report stdapi.ai#43, read 2026-11-21); use 1 or more, or another Region"
    )


@pytest.mark.parametrize("least", [None, 1])
def test_a_component_goes_to_zero_where_instances_cannot_only_if_one_is_kept_knowingly(least: int | None) -> None:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account="111122223333", region="eu-west-3"))
    capacity = Capacity.on_demand("ml.g6e.12xlarge", min_instances=least, max_instances=2)
    chat = InferenceEndpoint(stack, "Chat", capacity=capacity, image=ServingImage.from_dlc(), endpoint_name="chat")
    options: dict[str, Any] = {
        "model": ModelSource.from_s3("s3://models/llama/", check=False),
        "scaling": ComponentScaling(min_copies=0, max_copies=2, target=Concurrency(requests_per_copy=8)),
    }
    if least is not None:
        assert chat.add_component("llama", **options)
        return
    with pytest.raises(ConfigurationError) as error:
        chat.add_component("llama", **options)
    (problem,) = error.value.problems
    assert problem.startswith(
        "llama.scaling.min_copies: 0 copies would leave no instance, and 0 is refused for ml.g6e.12xlarge in eu-west-3: "
    )
    assert problem.endswith("use 1 or more, or another Region (min_instances: 1 keeps one, which is paid for)")


def test_rejects_a_pool_in_a_region_without_pools() -> None:
    with pytest.raises(ConfigurationError) as error:
        endpoint(Capacity.pool(["ml.g6e.12xlarge", "ml.g6e.24xlarge"], max_instances=2), region="eu-west-3")
    (problem,) = [line for line in error.value.problems if ".pool" in line]
    assert problem.startswith(
        "Chat.capacity.pool: eu-west-3 is not documented to have instance pools; use one instance type, or a Region that has them: "
        "ap-northeast-1, ap-northeast-2,"
    )


@pytest.mark.parametrize(
    ("policy", "rendered"),
    [
        (ScaleIn.idle_release(), {"Strategy": "IDLE_RELEASE", "CooldownInMinutes": 20, "MaximumStepSize": 1}),
        (
            ScaleIn.consolidation(cooldown_minutes=5, max_step=3),
            {"Strategy": "CONSOLIDATION", "CooldownInMinutes": 5, "MaximumStepSize": 3},
        ),
    ],
)
def test_a_scale_in_policy_says_how_instances_leave(policy: ScaleIn, rendered: dict[str, Any]) -> None:
    found = variant(Capacity.on_demand("ml.g6e.12xlarge", max_instances=2, scale_in=policy))
    assert found["ManagedInstanceScaling"]["ScaleInPolicy"] == rendered


def test_rejects_a_scale_in_policy_out_of_bounds() -> None:
    with pytest.raises(ConfigurationError) as error:
        ScaleIn.idle_release(cooldown_minutes=4, max_step=101)
    assert error.value.problems == (
        "scale_in.cooldown_minutes: 4 is not allowed; use a value >= 5",
        "scale_in.max_step: 101 is not allowed; use a value <= 100",
    )
