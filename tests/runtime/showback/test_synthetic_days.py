"""What a day costs and whose it is: rows add up to the instance-hours paid, whatever happens on the day."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_sglang._runtime.showback.rows import UNALLOCATED, Usage
from cdk_sglang._runtime.showback.samples import EndpointSample, Plan, Sample
from tests.runtime.showback.synthetic import (
    DAY,
    FACTS,
    G6E,
    P5,
    adapter,
    component,
    has,
    moment,
    of,
    on,
    reported,
    sampled,
    total,
)

CENT = Decimal("0.01")
HOURS = {int(moment(hours=hour).timestamp()) // 3600: 1 for hour in range(24)}


def test_a_quiet_day_costs_its_instances_and_splits_them_by_gpus() -> None:
    rows = reported(sampled(lambda _: has(on(G6E, 2), members=[component("llama", 2, 2), component("qwen", 1, 1)])))
    assert total(rows) == Decimal("13.12") * 48
    assert total(rows, "instance_hours") == 48
    assert total(rows, "gpu_hours") == 48 * 4
    assert of(rows, component="llama")["gpu_hours"] == f"{2 * 2 * 24}.000000"
    assert of(rows, component="qwen")["usd"] == f"{13.12 * 48 / 8:.6f}"
    free = of(rows, component=UNALLOCATED)
    assert (free["gpu_hours"], free["idle_share"], free["basis"]) == (f"{3 * 24}.000000", "1.0000", "gpus")
    assert {row["observed_hours"] for row in rows} == {"24.0000"}
    assert {row["interpolated_hours"] for row in rows} == {"0.000000"}


def test_scaling_is_dated_within_half_a_period() -> None:
    change = moment(hours=10 + 2 / 60)  # between the samples of 10:00 and 10:05

    def state(at: dt.datetime) -> EndpointSample:
        return has(on(G6E, 1 if at < change else 3), members=[component("llama", 1 if at < change else 3, 4)])

    exact = Decimal("13.12") * (24 + 2 * (Decimal(14) - Decimal(2) / 60))
    bound = Decimal("13.12") * 2 * Decimal(150) / 3600
    assert abs(total(reported(sampled(state))) - exact) <= bound


def test_two_fleets_of_a_deployment_are_both_paid_for() -> None:
    def state(at: dt.datetime) -> EndpointSample:
        fleets = [*([on(G6E, 2)] if at < moment(hours=13) else []), *([on(P5, 1)] if at >= moment(hours=12) else [])]
        kind = G6E if at < moment(hours=12.5) else P5
        return has(*fleets, members=[component("llama", 2, 4, kind=kind)])

    rows = reported(sampled(state, minutes=1))
    # Samples of whole minutes: a fleet begins and ends half a minute before the first sample that shows it.
    assert total(rows, "instance_hours") == pytest.approx(Decimal(2 * 13 + 12), abs=Decimal("0.03"))
    assert total(rows) == pytest.approx(Decimal("13.12") * 26 + Decimal("63.296") * 12, abs=Decimal("0.8"))
    assert of(rows, component="llama", instance_type=G6E)["gpu_hours"].startswith("99.9")
    assert of(rows, component=UNALLOCATED, instance_type=G6E)["gpu_hours"].startswith("4.0")


def test_adapters_and_teams_share_a_component_by_what_they_served() -> None:
    members = [
        component("llama", 1, 4, team="platform"),
        adapter("llama", "triage", team="support"),
        adapter("llama", "tone", team="marketing"),
    ]
    hours = dict.fromkeys(list(HOURS)[:6], 10)
    usage = Usage(requests={"prod-chat-llama": hours, "prod-chat-llama-triage": {next(iter(HOURS)): 180}})
    rows = reported(sampled(lambda _: has(on(G6E, 1), members=members)), usage)
    base, triage = of(rows, adapter="", team="platform"), of(rows, adapter="triage")
    assert total(rows) == Decimal("13.12") * 24
    assert Decimal(triage["usd"]) / Decimal(base["usd"]) == 3
    assert (triage["team"], triage["requests"], triage["tokens_in"], triage["tokens_out"]) == (
        "support",
        "180",
        "180000",
        "36000",
    )
    assert (base["basis"], base["tokens_basis"], base["idle_share"]) == ("requests", "planned", "0.7500")
    assert not [row for row in rows if row["adapter"] == "tone"]  # served nothing, and costs nothing


def test_measured_tokens_take_the_place_of_planned_ones() -> None:
    members = [component("llama", 1, 4), adapter("llama", "triage")]
    requests = {"prod-chat-llama": {1: 1}, "prod-chat-llama-triage": {1: 3}}
    samples = sampled(lambda _: has(on(G6E, 1), members=members))
    apart = reported(
        samples, Usage(requests=requests, tokens={"prod-chat-llama": (700, 200), "prod-chat-llama-triage": (60, 40)})
    )
    assert {row["basis"] for row in apart if row["component"] == "llama"} == {"tokens"}
    assert Decimal(of(apart, adapter="", component="llama")["usd"]) == 9 * Decimal(of(apart, adapter="triage")["usd"])
    together = reported(samples, Usage(requests=requests, tokens={"prod-chat-llama": (1000, 101)}))
    assert {row["basis"] for row in together if row["component"] == "llama"} == {"requests"}
    assert (total(together, "tokens_in"), total(together, "tokens_out")) == (1000, 101)
    assert {row["tokens_basis"] for row in together if row["component"] == "llama"} == {"measured"}


def test_a_renamed_component_has_rows_under_both_names() -> None:
    def state(at: dt.datetime) -> EndpointSample:
        return has(on(G6E, 1), members=[component("llama" if at < moment(hours=6) else "llama-v2", 1, 4)])

    rows = reported(sampled(state))
    assert total(rows) == Decimal("13.12") * 24
    assert abs(Decimal(of(rows, component="llama")["instance_hours"]) - 6) <= Decimal("0.05")


def test_zero_instances_cost_nothing_and_are_not_missing() -> None:
    (row,) = reported(sampled(lambda _: has()))
    assert (row["endpoint"], row["component"], row["usd"], row["observed_hours"]) == (
        "chat",
        UNALLOCATED,
        "0.000000",
        "24.0000",
    )


def test_requests_that_found_no_copy_are_in_the_report() -> None:
    rows = reported(
        sampled(lambda _: has(members=[component("llama", 0)])), Usage(requests={"prod-chat-llama": {1: 7}})
    )
    assert [(row["component"], row["requests"], row["usd"]) for row in rows] == [("llama", "7", "0.000000")]


def test_a_type_without_a_price_has_hours_and_no_dollars() -> None:
    rows = reported(sampled(lambda _: has(on("ml.new.48xlarge", 1), members=[component("llama", 1, 8)])))
    row = of(rows, component="llama")
    assert (row["instance_hours"], row["usd"], row["price_source"]) == ("24.000000", "", "no price is known")


def test_a_reservation_is_paid_for_whether_its_instances_run_or_not() -> None:
    plan = Plan(
        arn="arn:aws:sagemaker:us-east-1:111122223333:training-plan/peak", count=2, type=P5, usd_per_hour="30.5"
    )
    samples = sampled(lambda _: has(on(P5, 1, plan.arn), members=[component("llama", 1, 8)]), plans=[plan])
    rows = reported(samples)
    assert total(rows) == Decimal("30.5") * 2 * 24
    assert {row["purchase"] for row in rows} == {"reserved"}
    assert of(rows, component=UNALLOCATED)["instance_hours"] == "24.000000"
    assert of(rows, component="llama")["price_source"] == "upfront fee of training plan peak"


def test_a_plan_shared_by_two_endpoints_is_paid_for_once() -> None:
    plan = Plan(arn="arn:plan/peak", count=4, type=P5, usd_per_hour="10")
    one = EndpointSample(endpoint="a", instances=(on(P5, 1, plan.arn),))
    other = EndpointSample(endpoint="b", instances=(on(P5, 2, plan.arn),))
    samples = [
        Sample(at=moment(hours=hour / 4), endpoints={"prod-a": one, "prod-b": other}, plans=(plan,))
        for hour in range(-4, 104)
    ]
    rows = reported(samples, facts=type(FACTS)(period=900, gpus=FACTS.gpus, prices=FACTS.prices))
    assert total(rows) == 10 * 4 * 24


def test_a_short_gap_is_filled_and_marked_a_long_one_is_left_out() -> None:
    def short(at: dt.datetime) -> EndpointSample | None:
        return None if moment(hours=3) < at < moment(hours=5) else has(on(G6E, 1))

    (row,) = reported(sampled(short))
    assert (row["observed_hours"], row["instance_hours"]) == ("24.0000", "24.000000")
    assert row["interpolated_hours"] == f"{2 - 2 * 225 / 3600:.6f}"

    def long(at: dt.datetime) -> EndpointSample | None:
        return None if moment(hours=3) < at < moment(hours=12) else has(on(G6E, 1))

    (row,) = reported(sampled(long))
    assert row["observed_hours"] == f"{15 + 300 / 3600:.4f}"
    assert Decimal(row["instance_hours"]) == pytest.approx(Decimal(15) + Decimal(300) / 3600, abs=Decimal("0.000001"))


def test_an_endpoint_that_is_made_at_noon_costs_nothing_before() -> None:
    (row,) = reported(sampled(lambda at: has(on(G6E, 1)) if at >= moment(hours=12) else None))
    assert Decimal(row["observed_hours"]) == Decimal("12.0417")  # half a period before its first sample


@pytest.mark.parametrize(
    "date", [dt.date(2026, 3, 8), dt.date(2026, 3, 29), dt.date(2026, 10, 25), dt.date(2026, 11, 1)]
)
def test_days_on_which_clocks_change_have_24_hours(date: dt.date) -> None:
    samples = [
        Sample(at=moment(date, hours=quarter / 4), endpoints={"prod-chat": has(on(G6E, 1))})
        for quarter in range(-8, 112)
    ]
    facts = type(FACTS)(period=900, gpus=FACTS.gpus, prices=FACTS.prices)
    assert total(reported(samples, date=date, facts=facts), "instance_hours") == 24


def test_copies_that_claim_more_than_there_is_share_what_there_is() -> None:
    rows = reported(sampled(lambda _: has(on(G6E, 1), members=[component("llama", 2, 4), component("qwen", 1, 4)])))
    assert total(rows) == Decimal("13.12") * 24
    assert Decimal(of(rows, component="llama")["instance_hours"]) == 16


def test_a_pool_of_types_is_split_by_where_copies_are() -> None:
    llama = component("llama", 0, 4)
    placed = type(llama)(**{**llama.__dict__, "copies": {G6E: 1, P5: 1}, "gpus": {G6E: 4, P5: 2}})
    rows = reported(sampled(lambda _: has(on(G6E, 1), on(P5, 1), members=[placed])))
    assert of(rows, component="llama", instance_type=P5)["gpu_hours"] == "48.000000"
    assert of(rows, component=UNALLOCATED, instance_type=P5)["gpu_hours"] == "144.000000"


def test_a_month_with_scaling_adapters_and_a_deployment_adds_up_to_the_cent() -> None:
    """30 days: nights at zero, days at two or three instances, two adapters from day 10, a fleet of another type from day 20."""
    days = 30

    def counts(at: dt.datetime) -> tuple[int, int]:
        day, hour = (at - moment()).days, at.hour + at.minute / 60
        old = 0 if hour < 6 else (3 if 9 <= hour < 17 else 2)
        new = 1 if (day, hour) >= (20, 11) else 0
        return (0 if (day, hour) >= (20, 11.5) else old), new

    def state(at: dt.datetime) -> EndpointSample:
        old, new = counts(at)
        adapters = [adapter("llama", "triage", team="support"), adapter("llama", "tone", team="marketing")]
        members = [
            component("llama", old + 2 * new, 3, team="platform"),
            component("qwen", min(old, 1), 1, team="search"),
        ]
        return has(on(G6E, old), on(P5, new), members=[*members, *(adapters if (at - moment()).days >= 10 else [])])

    samples = sampled(state, days=days)
    rows = []
    for number in range(days):
        date = DAY + dt.timedelta(days=number)
        hour = int(moment(date, hours=10).timestamp()) // 3600
        requests = {
            "prod-chat-llama": {hour: 97},
            "prod-chat-llama-triage": {hour: 31},
            "prod-chat-llama-tone": {hour: 3},
        }
        near = [one for one in samples if abs((one.at.date() - date).days) <= 1]
        rows += reported(near, Usage(requests=requests), date=date)

    # Second by second, without the function's code: a sample stands for two and a half minutes on either side.
    paid = Decimal(0)
    for step in range(days * 24 * 12 + 1):
        seconds = 150 if step in {0, days * 24 * 12} else 300
        old, new = counts(moment(hours=step / 12))
        paid += (old * Decimal("13.12") + new * Decimal("63.296")) * seconds / 3600
    assert total(rows).quantize(CENT) == paid.quantize(CENT)
    for row in rows:
        assert row["usd"]
    by_team = {
        team: total([row for row in rows if row["team"] == team])
        for team in ("", "platform", "search", "support", "marketing")
    }
    assert sum(by_team.values()) == total(rows)
    assert by_team["platform"] > by_team["support"] > by_team["marketing"] > 0
    gpu_hours = sum(Decimal(row["instance_hours"]) * (4 if row["instance_type"] == G6E else 8) for row in rows)
    assert total(rows, "gpu_hours") == pytest.approx(gpu_hours, abs=CENT)


_members = st.builds(
    lambda name, copies, gpus, kind: component(name, copies, gpus, kind=kind),
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 5),
    st.sampled_from([0, 1, 2, 4, 8]),
    st.sampled_from(["", G6E, P5]),
)
_states = st.builds(
    lambda old, new, members: has(on(G6E, old), on(P5, new), members=list({one.name: one for one in members}.values())),
    st.integers(0, 4),
    st.integers(0, 3),
    st.lists(_members, max_size=4),
)


@given(
    st.lists(st.tuples(st.integers(1, 7000), _states | st.none()), min_size=1, max_size=40),
    st.dictionaries(
        st.sampled_from(["prod-chat-a", "prod-chat-b"]), st.dictionaries(st.integers(0, 9), st.integers(0, 99))
    ),
)
def test_whatever_happens_rows_add_up_to_what_was_paid(
    course: list[tuple[int, EndpointSample | None]], requests: dict[str, dict[int, int]]
) -> None:
    at, samples = moment(hours=-2), []
    for seconds, state in course:
        at += dt.timedelta(seconds=seconds)
        if state is not None:
            samples.append(Sample(at=at, endpoints={"prod-chat": state}))
    rows = reported(samples, Usage(requests=requests))
    for kind, price, gpus in ((G6E, Decimal("13.12"), 4), (P5, Decimal("63.296"), 8)):
        mine = [row for row in rows if row["instance_type"] == kind]
        hours = total(mine, "instance_hours")
        assert abs(total(mine) - hours * price) <= Decimal("0.0001")  # hours themselves are rounded to millionths
        assert abs(total(mine, "gpu_hours") - hours * gpus) <= Decimal("0.00001")
        assert all(
            Decimal(row["usd"]) >= 0 and Decimal(row["interpolated_hours"]) <= Decimal(row["instance_hours"]) + CENT
            for row in mine
        )
    assert len({row["observed_hours"] for row in rows}) <= 1
    assert reported(list(reversed(samples)), Usage(requests=requests)) == rows
