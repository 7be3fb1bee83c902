"""Availability over synthetic days: the alarms' own metric math, evaluated minute by minute by the embedded AWS's evaluator."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import pytest

from cdk_sglang.observability.alarms.definition import AlarmDefinition, WindowsAlarm
from cdk_sglang.observability.alarms.metric_alarms import availability_alarms
from cdk_sglang.spec.alarm_rules import AlarmRules, BurnRate
from localcloud.aws.metrics import metricmath
from tests.observability.alarms.fleets import observed

DAY = 24 * 60
BEGIN = 12 * 60
PER_MINUTE = 1000
BUDGET = 0.001  # of 99.9 %
Minutes = dict[str, list[float | None]]


@cache
def _alarm(**slo: Any) -> WindowsAlarm:
    slo = {"availability_percent": 99.9, **slo}
    (alarm,) = availability_alarms(observed({"llama": {"slo": slo}}), AlarmRules())
    return alarm


def _day(failing: Callable[[int], float | None], *, per_minute: int = PER_MINUTE) -> Minutes:
    """Return a day of metrics: the share of requests that fail in each minute, or None for a minute without requests."""
    shares = [failing(minute) for minute in range(DAY)]
    return {
        "Invocations": [None if share is None else float(per_minute) for share in shares],
        "Invocation5XXErrors": [None if share is None else share * per_minute for share in shares],
        "MidStreamErrors": [None] * DAY,
        "NoCapacityInvocationFailures": [None] * DAY,
    }


def _breaches(definition: AlarmDefinition, day: Mapping[str, Sequence[float | None]]) -> list[bool]:
    """Return whether the sliding window that ends with each minute is bad, as the embedded AWS evaluates metric math."""
    properties = definition.properties
    assert properties["ComparisonOperator"] == "GreaterThanThreshold"
    assert properties["TreatMissingData"] == "notBreaching"
    stats = {query["Id"]: query["MetricStat"] for query in properties["Metrics"] if "MetricStat" in query}
    (period,) = {stat["Period"] for stat in stats.values()}
    assert period * properties["EvaluationPeriods"] <= 86_400
    # The evaluator has no memory from one point to the next, so that all minutes of the day are one series to it.
    series: dict[str, metricmath.Series] = {
        name: _sliding(day[stat["Metric"]["MetricName"]], period // 60) for name, stat in stats.items()
    }
    expressions = {query["Id"]: query["Expression"] for query in properties["Metrics"] if "Expression" in query}
    while ready := [name for name, text in expressions.items() if metricmath.references(text) <= series.keys()]:
        for name in ready:
            series[name] = metricmath.evaluate(expressions.pop(name), series, period_s=period, metrics=list(stats))
    return [value is not None and value > properties["Threshold"] for value in series["share"]]


def _sliding(data: Sequence[float | None], length: int) -> list[float | None]:
    sums: list[float | None] = []
    total, known = 0.0, 0
    for minute, value in enumerate(data):
        total, known = total + (value or 0), known + (value is not None)
        if minute >= length:
            old = data[minute - length]
            total, known = total - (old or 0), known - (old is not None)
        sums.append(round(total, 6) if known else None)
    return sums


def _on(day: Minutes, alarm: WindowsAlarm | None = None) -> list[int]:
    """Return the minutes in which the alarm is on."""
    alarm = alarm or _alarm()
    on: set[int] = set()
    for pair in alarm.pairs:
        windows = zip(_breaches(pair.long, day), _breaches(pair.short, day), strict=True)
        on |= {minute for minute, (long, short) in enumerate(windows) if long and short}
    return sorted(on)


def _from(begin: int, share: float, *, minutes: int = DAY) -> Callable[[int], float]:
    return lambda minute: share if begin <= minute < begin + minutes else 0.0


def _flapping(minute: int) -> float:
    return 0.5 if minute >= BEGIN and minute % 60 == 0 else 0.0


def _asleep(minute: int) -> float | None:
    return None if BEGIN <= minute < BEGIN + 300 else 0.0


def _half_seen(minute: int) -> float | None:
    return None if minute % 2 else (30 * BUDGET if minute >= BEGIN else 0.0)


# The workbook's own reading: a rate r of bad requests is seen by a window w at the threshold f x budget after w x f x budget / r.
FIRES = {
    # a day: failing share by minute, first minute on after the beginning (at least, at most), minutes on after the end
    "everything fails": (_from(BEGIN, 1.0, minutes=30), (0, 2), 30),
    "14.4 times and a little more, for an hour": (_from(BEGIN, 15 * BUDGET, minutes=120), (55, 60), 30),
    "seven times": (_from(BEGIN, 7 * BUDGET, minutes=480), (300, 330), 30),
    "ten per cent fail": (_from(BEGIN, 0.1, minutes=60), (6, 10), 30),
    "every other minute without data": (_half_seen, (25, 35), None),
}
SILENT = {
    "nothing fails": _from(BEGIN, 0.0),
    "once the budget, all day": _from(0, BUDGET),
    "five times, for an hour": _from(BEGIN, 5 * BUDGET, minutes=60),
    "14.4 times, for ten minutes": _from(BEGIN, 14.4 * BUDGET, minutes=10),
    "a minute in which one in two fails": _from(BEGIN, 0.5, minutes=1),
    "asleep in the afternoon": _asleep,
}


@pytest.mark.parametrize("name", FIRES)
def test_a_budget_that_burns_pages_in_time_and_ends_with_the_failures(name: str) -> None:
    failing, (least, most), after = FIRES[name]
    day = _day(failing)
    minutes = _on(day)
    assert minutes, "it never fired"
    assert least <= minutes[0] - BEGIN <= most
    if after is not None:
        end = max(minute for minute, bad in enumerate(day["Invocation5XXErrors"]) if bad)
        assert minutes[-1] - end <= after


@pytest.mark.parametrize("name", SILENT)
def test_a_budget_that_lasts_pages_nobody(name: str) -> None:
    assert _on(_day(SILENT[name])) == []


def test_flapping_pages_while_it_flaps_and_not_for_the_first_flap() -> None:
    minutes = _on(_day(_flapping))  # 0.5 in one minute of 60 is 8.3 times the budget
    assert BEGIN + 60 < minutes[0] <= BEGIN + 360
    assert all(minute % 60 < 30 for minute in minutes), "the short window has forgotten a flap after half an hour"


def test_a_component_that_went_to_sleep_after_failures_stops_paging() -> None:
    def failing(minute: int) -> float | None:
        return None if minute >= BEGIN + 30 else _from(BEGIN, 1.0)(minute)

    minutes = _on(_day(failing))
    assert minutes[0] <= BEGIN + 2
    assert minutes[-1] <= BEGIN + 60, "the short windows end although the long ones remember"


def test_a_day_without_any_data_pages_nobody() -> None:
    assert _on(_day(lambda _: None)) == []


@pytest.mark.parametrize(("failures", "pages"), [(2, False), (3, True)])
def test_a_few_failures_of_a_quiet_night_wake_nobody(failures: int, pages: bool) -> None:
    day = _day(lambda minute: 0.0 if minute % 30 == 0 else None, per_minute=1)
    for minute in range(BEGIN, BEGIN + failures):
        day["Invocations"][minute] = day["Invocation5XXErrors"][minute] = 1.0
    assert bool(_on(day)) is pages


def test_broken_streams_and_refused_requests_count_as_failures() -> None:
    for metric in ("MidStreamErrors", "NoCapacityInvocationFailures"):
        day = _day(lambda _: 0.0)
        day[metric][BEGIN : BEGIN + 60] = [100.0] * 60
        assert _on(day)[0] - BEGIN <= 10, metric


def test_requests_that_wake_a_component_at_zero_are_no_failures() -> None:
    scaling = {"min_copies": 0, "max_copies": 1, "concurrency": 4}
    endpoint = observed(
        {"llama": {"slo": {"availability_percent": 99.9}, "scaling": scaling}},
        capacity={"type": "ml.g6e.12xlarge", "min_instances": 0, "max_instances": 1},
    )
    (alarm,) = availability_alarms(endpoint, AlarmRules())
    assert "NoCapacityInvocationFailures" not in str(alarm.pairs[0].long.properties)


def test_noise_at_half_the_budget_pages_nobody() -> None:
    rng = random.Random(7)  # traffic, not a secret
    noise = [rng.random() * BUDGET for _ in range(DAY)]
    assert _on(_day(noise.__getitem__)) == []


def test_thresholds_are_those_of_the_workbook() -> None:
    def thresholds(alarm: WindowsAlarm) -> list[float]:
        return [pair.long.properties["Threshold"] for pair in alarm.pairs]

    assert thresholds(_alarm()) == [0.0144, 0.006]
    assert thresholds(_alarm(window_days=28)) == [0.01344, 0.0056], "the same share of a smaller budget"


def test_a_rate_that_not_even_failure_of_everything_reaches_is_left_out() -> None:
    (alarm,) = availability_alarms(observed({"llama": {"slo": {"availability_percent": 93}}}), AlarmRules())
    assert [pair.long.properties["Threshold"] for pair in alarm.pairs] == [0.42], "14.4 x 7 % is more than everything"


def test_a_rule_for_tickets_is_an_alarm_of_its_own_with_the_windows_of_the_workbook() -> None:
    slow = BurnRate(budget_percent=10, long_minutes=3 * DAY, short_minutes=360, severity="ticket")
    assert slow.factor(30) == pytest.approx(1)
    endpoint = observed({"llama": {"slo": {"availability_percent": 99.9}}})
    page, ticket = availability_alarms(endpoint, AlarmRules(burn_rates=(*AlarmRules().burn_rates, slow)))
    assert (page.severity, ticket.severity, len(ticket.pairs)) == ("page", "ticket", 1)
    (period,) = {
        query["MetricStat"]["Period"] for query in ticket.pairs[0].long.properties["Metrics"] if "MetricStat" in query
    }
    assert period == 3 * 86_400 <= 7 * 86_400, "CloudWatch's longest evaluation range"
