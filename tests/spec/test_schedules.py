"""Hours with bounds of their own: which are refused, and how those of a component fit together."""

from __future__ import annotations

from typing import Any

import pytest

from cdk_sglang import ComponentScaling, ConfigurationError, NightlyStop, Window
from cdk_sglang.spec.schedules import Day
from cdk_sglang.spec.time_zones import skipped_hours, time_zones

WEEKDAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")


def problems_of(**options: object) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as error:
        ComponentScaling(**({"min_copies": 1, "max_copies": 4} | options))
    return error.value.problems


def test_windows_that_overlap_are_refused_with_the_minute_they_meet() -> None:
    schedules = {
        "day": Window.weekly(begins="08:00", ends="18:00", min_copies=2),
        "evening": Window.weekly(days=["fri"], begins="17:00", ends="22:00", min_copies=3),
        "launch": Window.once(begins="2027-03-05T09:00", ends="2027-03-05T10:00", min_copies=4),
    }
    assert problems_of(schedules=schedules) == (
        "scaling.schedules.evening: overlaps day (fri 17:00); give one of them other hours",
        "scaling.schedules.launch: overlaps day (fri 09:00); give one of them other hours",
    )


def test_a_night_that_reaches_into_monday_overlaps_mondays_window() -> None:
    schedules = {
        "night": Window.off(days=["sun"], begins="22:00", ends="06:00"),
        "early": Window.weekly(days=["mon"], begins="05:00", ends="07:00", min_copies=2),
    }
    assert problems_of(schedules=schedules) == (
        "scaling.schedules.early: overlaps night (mon 05:00); give one of them other hours",
    )


def test_two_single_stretches_that_overlap_are_refused() -> None:
    schedules = {
        "one": Window.once(begins="2027-03-05T09:00", ends="2027-03-07T10:00", min_copies=4),
        "two": Window.once(begins="2027-03-06T09:00", ends="2027-03-08T10:00", min_copies=3),
    }
    assert problems_of(schedules=schedules)[0].startswith("scaling.schedules.two: overlaps one (2027-03-06T09:00)")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"begins": "8:00", "ends": "18:00"}, "window.begins: '8:00' is not a time; use HH:MM, from 00:00 to 23:59"),
        ({"begins": "08:00", "ends": "24:00"}, "window.ends: '24:00' is not a time; use HH:MM, from 00:00 to 23:59"),
        (
            {"days": ["monday"], "begins": "08:00", "ends": "18:00"},
            "window.days.0: 'monday' is not allowed; did you mean 'mon'",
        ),
        ({"begins": "08:00", "ends": "18:00", "max_copies": 1}, "window.max_copies: 1 is below min_copies 2"),
        (
            {"begins": "08:00", "ends": "18:00", "min_copies": -1},
            "window.min_copies: -1 is not allowed; use a value >= 0",
        ),
        ({"begins": 8, "ends": "18:00"}, "window.begins: 8 is a number here; write it in quotes"),
        (
            {"days": [], "begins": "08:00", "ends": "18:00"},
            "window.days: none given; use some of mon, tue, wed, thu, fri, sat, sun",
        ),
        (
            {"begins": "00:00", "ends": "00:00"},
            "window.ends: 00:00 is when it begins, on every day, so it would never end; use another hour",
        ),
        (
            {"days": ["mon"], "begins": "08:00", "ends": "08:00"},
            "window.ends: 08:00 is when it begins, so it would last 24 hours; use another hour, or 00:00 in both for whole days",
        ),
    ],
)
def test_refuses_a_weekly_window_that_is_none(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Window.weekly(**({"min_copies": 2} | options))
    assert problem in error.value.problems


@pytest.mark.parametrize(
    ("begins", "ends", "problem"),
    [
        ("2025-01-01T08:00", "2025-01-01T09:00", "window.ends: 2025-01-01T09:00 is in the past; remove the schedule"),
        (
            "2026-01-01T08:00",
            "2027-01-01T09:00",
            "window.begins: 2026-01-01T08:00 is in the past, where no bounds can be set; begin later, or remove the schedule",
        ),
        (
            "2027-01-01T09:00",
            "09:30",
            "window.ends: '09:30' is not a time; use YYYY-MM-DDTHH:MM, or give days for hours that come every week",
        ),
        (
            "2027-02-30T08:00",
            "2027-03-01T09:00",
            "window.begins: '2027-02-30T08:00' is not a time; use YYYY-MM-DDTHH:MM",
        ),
        (
            "2027-01-01T09:00",
            "2027-01-01T08:00",
            "window.ends: 2027-01-01T08:00 is not after 2027-01-01T09:00; let it end later, or begin earlier",
        ),
    ],
)
def test_refuses_a_stretch_of_time_that_is_over_or_none(begins: str, ends: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Window.once(begins=begins, ends=ends, min_copies=2)
    assert error.value.problems == (problem,)


def test_refuses_a_window_that_changes_nothing() -> None:
    with pytest.raises(ConfigurationError, match=r"^window: neither min_copies nor max_copies is given"):
        Window.weekly(begins="08:00", ends="18:00")


def test_refuses_a_minimum_above_the_components_own_maximum() -> None:
    schedules = {"day": Window.weekly(begins="08:00", ends="18:00", max_copies=0)}
    assert problems_of(schedules=schedules) == (
        "scaling.schedules.day: min_copies 1 is above the component's max_copies 0; give both here",
    )


def test_refuses_an_unknown_time_zone_and_names_the_nearest() -> None:
    assert problems_of(time_zone="Europe/Berln") == (
        "scaling.time_zone: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin', as in the IANA database",
    )


def test_knows_the_time_zones_without_a_database_of_the_machine() -> None:
    assert {"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"} <= time_zones()


def test_a_nightly_stop_is_one_more_schedule() -> None:
    stop = NightlyStop(begins="20:00", ends="07:00", days=WEEKDAYS, time_zone="Europe/Berlin")
    stopped = ComponentScaling(min_copies=1, max_copies=4).stopped_nightly(stop)
    assert stopped.time_zone == "Europe/Berlin"
    assert stopped.copy_bounds == (0, 4)
    assert not stopped.wakes  # at zero it is off: nothing may start it


def test_a_nightly_stop_in_another_time_zone_than_the_schedules_is_refused() -> None:
    scaling = ComponentScaling(
        min_copies=1, max_copies=4, schedules={"day": Window.weekly(begins="08:00", ends="18:00", min_copies=2)}
    )
    with pytest.raises(ConfigurationError, match="the schedules of a component share one time zone"):
        scaling.stopped_nightly(NightlyStop(begins="20:00", ends="07:00", time_zone="Europe/Berlin"))


def test_a_nightly_stop_reports_everything_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        NightlyStop(begins="20", ends="7", time_zone="Mars")
    assert [problem.split(":")[0] for problem in error.value.problems] == [
        "nightly_stop.begins",
        "nightly_stop.ends",
        "nightly_stop.time_zone",
    ]


@pytest.mark.parametrize(
    ("days", "problem"),
    [
        ([], "nightly_stop.days: none given; use some of mon, tue, wed, thu, fri, sat, sun"),
        (["monday"], "nightly_stop.days.0: 'monday' is not allowed; did you mean 'mon'"),
    ],
)
def test_a_nightly_stop_on_no_day_or_an_unknown_one_is_one_line(days: list[Day], problem: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        NightlyStop(begins="22:00", ends="06:00", days=days)
    assert error.value.problems == (problem,)


def test_a_nightly_stop_that_would_never_end_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        NightlyStop(begins="22:00", ends="22:00")
    assert error.value.problems == (
        "nightly_stop.ends: 22:00 is when it begins, on every day, so it would never end; use another hour",
    )


def test_windows_that_leave_no_hour_to_run_are_refused() -> None:
    schedules = {"day": Window.off(begins="06:00", ends="22:00"), "night": Window.off(begins="22:00", ends="06:00")}
    assert problems_of(schedules=schedules) == (
        "scaling.schedules: day and night leave no hour of the week in which a copy may run; shorten one of them, or remove the component",
    )


def test_a_schedule_and_a_nightly_stop_that_leave_no_hour_to_run_are_refused() -> None:
    scaling = ComponentScaling(min_copies=1, max_copies=4, schedules={"day": Window.off(begins="06:00", ends="22:00")})
    with pytest.raises(ConfigurationError, match="day and nightly-stop leave no hour of the week"):
        scaling.stopped_nightly(NightlyStop(begins="22:00", ends="06:00"))


def test_a_schedule_with_the_name_of_the_nightly_stop_is_not_lost_to_it() -> None:
    own = Window.weekly(begins="08:00", ends="18:00", min_copies=2)
    scaling = ComponentScaling(min_copies=1, max_copies=4, schedules={"nightly-stop": own})
    with pytest.raises(
        ConfigurationError, match="is the name of the endpoint's nightly_stop; give the schedule another"
    ):
        scaling.stopped_nightly(NightlyStop(begins="22:00", ends="06:00"))


@pytest.mark.parametrize(
    ("zone", "window", "where"),
    [
        ("Europe/Berlin", Window.weekly(days=["sun"], begins="00:00", ends="02:30", min_copies=2), "ends: 02:30"),
        ("Europe/Berlin", Window.weekly(days=["sat"], begins="20:00", ends="02:00", min_copies=2), "ends: 02:00"),
        ("America/New_York", Window.weekly(begins="02:59", ends="06:00", min_copies=2), "begins: 02:59"),
        ("Africa/Cairo", Window.weekly(days=["thu"], begins="20:00", ends="00:00", min_copies=2), "ends: 00:00"),
        (
            "Europe/Berlin",
            Window.once(begins="2027-03-27T20:00", ends="2027-03-28T02:30", min_copies=2),
            "ends: 2027-03-28T02:30",
        ),
    ],
)
def test_an_hour_that_clocks_skip_is_refused(zone: str, window: Window, where: str) -> None:
    (problem,) = problems_of(schedules={"w": window}, time_zone=zone)
    assert problem.startswith(f"scaling.schedules.w.{where} does not exist in {zone} when clocks go forward (2027-")
    assert "so the bounds would stay as they are; use an hour before" in problem


@pytest.mark.parametrize(
    ("zone", "window"),
    [
        ("UTC", Window.weekly(begins="02:30", ends="06:00", min_copies=2)),
        ("Europe/Berlin", Window.weekly(begins="03:00", ends="01:59", min_copies=2)),
        ("Europe/Berlin", Window.weekly(days=["mon"], begins="02:30", ends="06:00", min_copies=2)),
        ("Europe/Berlin", Window.once(begins="2027-06-06T02:30", ends="2027-06-06T06:00", min_copies=2)),
    ],
)
def test_an_hour_that_every_such_day_has_is_not(zone: str, window: Window) -> None:
    assert ComponentScaling(min_copies=1, max_copies=4, schedules={"w": window}, time_zone=zone)


def test_a_nightly_stop_that_ends_in_an_hour_that_clocks_skip_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        NightlyStop(begins="22:00", ends="02:30", time_zone="Europe/Berlin")
    assert error.value.problems == (
        (
            "nightly_stop.ends: 02:30 does not exist in Europe/Berlin when clocks go forward (2027-03-28, 02:00 to 03:00), so the bounds would "
            "stay as they are; use an hour before 02:00, or 03:00 or later"
        ),
    )


def test_every_zone_whose_clocks_change_is_a_known_one() -> None:
    changing = [zone for zone in time_zones() if skipped_hours(zone)]
    assert {"Europe/Berlin", "America/New_York", "Australia/Sydney"} <= set(changing)
    assert len(changing) == 173
    assert not skipped_hours("Asia/Kolkata")


@pytest.mark.parametrize(
    ("days", "written", "meant"),
    [
        ("mon-fri", "'mon-fri'", "mon, tue, wed, thu, fri"),
        ("Mon - Fri", "'Mon - Fri'", "mon, tue, wed, thu, fri"),
        ("fri-mon", "'fri-mon'", "fri, sat, sun, mon"),
        (["mon-wed", "sat"], "['mon-wed', 'sat']", "mon, tue, wed, sat"),
        ("sat, sun", "'sat, sun'", "sat, sun"),
        ("Monday", "'Monday'", "mon"),
    ],
)
def test_a_range_of_days_is_told_as_the_list_that_was_meant(days: Any, written: str, meant: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Window(days=days, begins="08:00", ends="18:00")
    assert error.value.problems == (f"window.days: {written} is not a list of days; write [{meant}]",)
    with pytest.raises(ConfigurationError) as error:
        NightlyStop(days=days, begins="22:00", ends="06:00")
    assert error.value.problems == (f"nightly_stop.days: {written} is not a list of days; write [{meant}]",)


def test_cron_is_one_mistake_and_told_once() -> None:
    wrong: dict[str, Any] = {"cron": "0 20 * * *", "max_copies": 1}
    with pytest.raises(ConfigurationError) as error:
        Window(**wrong)
    assert error.value.problems == (
        'window.cron: unknown key; write hours as days: [mon, tue, wed, thu, fri], begins: "08:00", ends: "18:00"',
    )
