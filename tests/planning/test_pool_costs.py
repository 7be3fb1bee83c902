"""Pools: what they cost whatever types come, and the budget."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdk_sglang.cli.plan_tables import print_plan
from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.models import catalogue
from cdk_sglang.planning import ComponentRequest, EndpointRequest, FleetRequest, plan_fleet
from cdk_sglang.planning.export import plan_json
from cdk_sglang.planning.page import plan_html

SMALL, LARGE = GpuInstance.G6E_12XLARGE, GpuInstance.P5_48XLARGE


def usd(instance: GpuInstance) -> float:
    price = price_usd_per_hour(instance, "us-west-2")
    assert price is not None
    return price.usd_per_hour


def request(*instances: GpuInstance, budget: float | None = None, **changes: Any) -> FleetRequest:
    """One to six copies of two GPUs each."""
    component = ComponentRequest(
        name="qwen", facts=catalogue("Qwen/Qwen3-14B"), tp_size=2, context_length=32768, min_copies=1, max_copies=6
    )
    options: dict[str, Any] = {"name": "pool", "components": (component,), "max_instances": 3} | changes
    endpoint = EndpointRequest(instances=instances, **options)
    return FleetRequest(environment="test", region="us-west-2", endpoints=(endpoint,), budget_usd_per_hour=budget)


def test_the_most_expensive_type_of_a_pool_decides_what_it_may_cost() -> None:
    (endpoint,) = plan_fleet(request(SMALL, LARGE)).endpoints
    assert endpoint.usd_per_hour is not None
    # Six copies of two GPUs: three instances of four GPUs, two of eight. Typical are (1 + 6) / 2, rounded up: four copies.
    small, large = endpoint.types
    assert (small.instances.low, small.instances.typical, small.instances.high) == (1, 2, 3)
    assert (large.instances.low, large.instances.typical, large.instances.high) == (1, 1, 2)
    # The least: one of the cheap type. Typical: two of the first. The most: three instances, and each may be a dear one.
    assert endpoint.usd_per_hour.low == pytest.approx(usd(SMALL))
    assert endpoint.usd_per_hour.typical == pytest.approx(2 * usd(SMALL))
    assert endpoint.usd_per_hour.high == pytest.approx(3 * usd(LARGE))
    assert usd(LARGE) > 4 * usd(SMALL)


def test_the_order_of_a_pool_changes_what_is_typical_and_nothing_else() -> None:
    first, second = (plan_fleet(request(*types)).usd_per_hour for types in ((SMALL, LARGE), (LARGE, SMALL)))
    assert first is not None
    assert second is not None
    assert (first.low, first.high) == pytest.approx((second.low, second.high))
    assert second.typical == pytest.approx(usd(LARGE))


def test_no_mix_of_types_costs_more_than_the_plan_says() -> None:
    plan = plan_fleet(request(SMALL, LARGE))
    assert plan.usd_per_hour is not None
    mixes = [small * usd(SMALL) + large * usd(LARGE) for small in range(4) for large in range(4 - small)]
    assert max(mixes) <= plan.usd_per_hour.high + 1e-9


def test_a_budget_that_the_first_type_keeps_and_another_breaks_is_refused() -> None:
    (problem,) = plan_fleet(request(SMALL, LARGE, budget=40)).problems
    assert problem == (
        f"budget_usd_per_hour: the fleet costs up to {3 * usd(LARGE):.2f} USD per hour (pool {3 * usd(LARGE):.2f} as 3 x ml.p5.48xlarge), "
        "40.00 allowed; raise the budget, or lower max_copies or max_instances, or take the most expensive type out of a pool"
    )
    assert plan_fleet(request(SMALL, budget=40)).problems == ()


def test_a_pool_with_a_type_of_unknown_price_cannot_be_held_to_a_budget() -> None:
    unpriced = GpuInstance.G6E_16XLARGE
    one_gpu = {"components": (ComponentRequest(name="c", facts=catalogue("Qwen/Qwen3-8B"), tp_size=1),)}
    plan = plan_fleet(request(SMALL, unpriced, budget=500, **one_gpu))
    assert plan.problems == (
        (
            "budget_usd_per_hour: nothing holds the fleet to 500.00 USD per hour, since no price of ml.g6e.16xlarge is known; give one with: "
            "cdk-sglang prices update --region us-west-2, use other types, or take the budget out"
        ),
    )
    assert plan.usd_per_hour is None
    assert any("no price of ml.g6e.16xlarge is known" in line for line in plan.warnings)


def test_a_second_fleet_of_a_pool_costs_what_its_types_cost() -> None:
    (endpoint,) = plan_fleet(request(SMALL, LARGE, max_instances=6, update="blue_green")).endpoints
    (note,) = endpoint.notes
    assert note == (
        "endpoints.pool: an update of the endpoint is blue/green: it needs 1 to 3 more ml.g6e.12xlarge or ml.p5.48xlarge until the old fleet "
        f"ends, {usd(SMALL):.2f} to {3 * usd(LARGE):.2f} USD per hour more, and the quota for twice as many"
    )


def test_an_instance_that_waits_to_be_taken_away_may_be_the_most_expensive() -> None:
    (endpoint,) = plan_fleet(request(SMALL, LARGE)).endpoints
    assert endpoint.scale_in_tail_usd == pytest.approx(usd(LARGE) * 25 / 60)


def test_table_page_and_json_show_each_type_and_the_range(capsys: pytest.CaptureFixture[str]) -> None:
    fleet = request(SMALL, LARGE)
    plan = plan_fleet(fleet)
    print_plan(plan)
    table, page = capsys.readouterr().out, plan_html(plan, fleet)
    for shown in (f"{3 * usd(LARGE):.2f}", f"{2 * usd(LARGE):.2f}", f"{3 * usd(SMALL):.2f}"):
        assert shown in table
        assert shown in page
    assert "a pool may come as any mix of its types" in table
    assert "a pool may come as any mix of its types" in page
    assert "on the instance type named" in page
    assert "decoding steps take: ml.g6e.12xlarge" in page
    types = json.loads(plan_json(plan))["endpoints"][0]["types"]
    assert [one["instance"] for one in types] == ["ml.g6e.12xlarge", "ml.p5.48xlarge"]
    assert types[1]["price"]["date"] == "2026-09-01"


def test_every_price_of_a_pool_that_is_an_estimate_is_named() -> None:
    warned = plan_fleet(request(SMALL, LARGE)).warnings
    assert [line.split("price of ")[1].split(" in ")[0] for line in warned if "is an estimate" in line] == [
        SMALL.name,
        LARGE.name,
    ]
