"""Room for updates: a batch of copies beside those that serve, a second fleet beside the first."""

from __future__ import annotations

from typing import Any

import pytest

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentRequest, EndpointRequest, FleetPlan, FleetRequest, plan_fleet
from cdk_sglang.planning.page import plan_html
from cdk_sglang.spec.rollout import BatchSize

HALF = BatchSize(percent=50)
LLAMA = catalogue("meta-llama/Llama-3.2-3B-Instruct")


def component(name: str = "a", **changes: Any) -> ComponentRequest:
    """A small model that takes so many GPUs a copy, two to four copies."""
    options = {"tp_size": 1, "context_length": 8192, "min_copies": 2, "max_copies": 4} | changes
    return ComponentRequest(name=name, facts=LLAMA, **options)


def planned(*components: ComponentRequest, **changes: Any) -> FleetPlan:
    options: dict[str, Any] = {"instances": (GpuInstance.G6E_12XLARGE,), "max_instances": 1} | changes
    endpoint = EndpointRequest(name="chat", components=components, **options)
    return plan_fleet(FleetRequest(environment="test", region="us-east-1", endpoints=(endpoint,)))


def updates(plan: FleetPlan) -> list[str]:
    return [line for line in plan.warnings if "rollout" in line]


def test_a_batch_that_has_room_beside_all_copies_is_nothing_to_speak_of() -> None:
    plan = planned(component(max_copies=2, rolling=HALF))
    assert (plan.problems, updates(plan)) == ((), [])


def test_a_batch_without_room_at_the_fewest_copies_is_refused_with_the_instances_that_are_missing() -> None:
    plan = planned(component(min_copies=4, rolling=HALF))
    assert plan.problems == (
        (
            "endpoints.chat.components.a.rollout.max_batch: a rolling update starts 2 more copies beside the 4 of a that serve at least, "
            "which takes 2 instances of ml.g6e.12xlarge, max_instances 1 allowed, so no update could ever start; raise max_instances by 1 "
            "or use a smaller batch"
        ),
    )
    assert updates(plan) == []


def test_a_batch_of_one_copy_has_no_smaller_one() -> None:
    (problem,) = planned(component(min_copies=4, rolling=BatchSize(copies=1))).problems
    assert problem.endswith("raise max_instances by 1")


def test_a_batch_without_room_at_the_most_copies_alone_is_a_warning() -> None:
    plan = planned(component(rolling=HALF))
    assert plan.problems == ()
    assert updates(plan) == [
        (
            "endpoints.chat.components.a.rollout.max_batch: with all components at their most copies, a rolling update that starts 2 more "
            "copies of a takes 2 instances of ml.g6e.12xlarge, max_instances 1 allowed: it waits until there are fewer copies, and fails "
            "when it waits too long; raise max_instances by 1, use a smaller batch, or update at a quiet hour"
        )
    ]


def test_the_other_components_of_the_endpoint_take_room_too() -> None:
    rolls = component(rolling=HALF, max_copies=2)
    assert planned(rolls, component("b", min_copies=1, max_copies=1)).problems == ()
    (problem,) = planned(rolls, component("b", min_copies=2, max_copies=2)).problems
    assert "starts 1 more copy beside the 2 of a" in problem


def test_an_instance_with_free_gpus_has_no_room_for_a_copy_that_needs_more() -> None:
    big = component(tp_size=4, max_copies=2, rolling=HALF)
    (problem,) = planned(big, component("b", min_copies=1, max_copies=1), max_instances=3).problems
    assert "takes 4 instances of ml.g6e.12xlarge, max_instances 3 allowed" in problem


def test_a_component_that_may_be_at_zero_is_judged_with_its_one_copy() -> None:
    asleep = component(min_copies=0, max_copies=2, tp_size=4, rolling=BatchSize(percent=50))
    (problem,) = planned(asleep, max_instances=2).problems + tuple(updates(planned(asleep, max_instances=2)))
    assert "with all components at their most copies" in problem


def test_a_pool_is_judged_as_if_all_instances_were_of_its_least_roomy_type() -> None:
    pool = (GpuInstance.G6E_48XLARGE, GpuInstance.G6E_12XLARGE)
    (problem,) = planned(component(min_copies=4, rolling=HALF), instances=pool).problems
    assert "takes 2 instances of ml.g6e.12xlarge" in problem


def test_too_few_instances_for_the_copies_themselves_is_said_alone() -> None:
    (problem,) = planned(component(min_copies=5, max_copies=5, rolling=HALF)).problems
    assert problem.startswith("endpoints.chat.capacity.max_instances: 2 instances are needed for all copies")


def test_without_a_bound_there_is_always_room() -> None:
    assert planned(component(min_copies=4, rolling=HALF), max_instances=None).problems == ()


def test_blue_green_says_what_the_second_fleet_costs() -> None:
    plan = planned(component(), component("b"), max_instances=2, update="blue_green")
    (note,) = plan.endpoints[0].notes
    assert note == (
        "endpoints.chat: an update of the endpoint is blue/green: it needs 1 to 2 more ml.g6e.12xlarge until the old fleet ends, "
        "13.12 to 26.24 USD per hour more, and the quota for twice as many"
    )
    endpoint = EndpointRequest(
        name="chat", instances=(GpuInstance.G6E_12XLARGE,), components=(component(), component("b"))
    )
    assert note in plan_html(plan, FleetRequest(environment="t", region="us-east-1", endpoints=(endpoint,)))


@pytest.mark.parametrize("update", ["rolling", None])
def test_no_second_fleet_is_announced_where_none_was_chosen(update: Any) -> None:
    assert planned(component(), update=update).endpoints[0].notes == ()


def reserved(count: int, update: str | None, *, most: int, least: int = 1) -> FleetPlan:
    return planned(
        component(tp_size=8, min_copies=least, max_copies=most),
        instances=(GpuInstance.P5_48XLARGE,),
        min_instances=least,
        max_instances=most,
        reserved=True,
        reserved_count=count,
        update=update,
    )


def test_blue_green_is_refused_where_a_reservation_can_never_hold_both_fleets() -> None:
    assert reserved(4, "blue_green", least=3, most=4).problems == (
        (
            "endpoints.chat.rollout: blue/green starts a second fleet beside the first, 3 + 3 instances at least, and 4 are reserved; use "
            "strategy: rolling with min_instances 2 or more, or reserve more"
        ),
    )


def test_blue_green_that_a_reservation_holds_at_quiet_hours_alone_is_a_warning() -> None:
    plan = reserved(4, "blue_green", most=4)
    assert plan.problems == ()
    assert updates(plan) == [
        (
            "endpoints.chat.rollout: blue/green starts a second fleet beside the first, up to 4 + 4 instances, and 4 are reserved: it fails "
            "where the plan has no room; use strategy: rolling, or keep max_instances at half of the plan"
        )
    ]


def test_a_reservation_without_rollout_is_warned_of_what_sagemaker_then_does() -> None:
    (warning,) = updates(reserved(1, None, most=1))
    assert "an update without rollout, which is blue/green, starts a second fleet" in warning


@pytest.mark.parametrize(("count", "update", "most"), [(8, "blue_green", 4), (8, None, 4), (4, "rolling", 4)])
def test_a_reservation_with_room_or_a_rolling_update_is_fine(count: int, update: str | None, most: int) -> None:
    plan = reserved(count, update, most=most)
    assert (plan.problems, updates(plan)) == ((), [])
    assert not any("USD" in note for note in plan.endpoints[0].notes)  # paid for already
