"""Scheduled actions of Application Auto Scaling: they keep at every minute the bounds of that minute's window."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from cdk_sglang import Window
from cdk_sglang.serving.scaling.actions import Action, actions
from cdk_sglang.spec.schedule_checks import window_problems
from cdk_sglang.spec.schedules import DAYS, Day

WEEKDAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
MINUTES_OF_A_WEEK = 7 * 24 * 60


def when(action: Action) -> list[int]:
    """Minutes of the week at which a weekly action runs."""
    minute, hour, days = re.fullmatch(r"cron\((\d+) (\d+) \? \* ([A-Z,]+) \*\)", action.schedule).groups()
    return [DAYS.index(day.lower()) * 1440 + int(hour) * 60 + int(minute) for day in days.split(",")]


def test_business_hours_are_two_actions() -> None:
    found = actions([Window.weekly(days=WEEKDAYS, begins="08:00", ends="18:30", min_copies=2)], (0, 4))
    assert [(action.schedule, action.bounds) for action in found] == [
        ("cron(0 8 ? * MON,TUE,WED,THU,FRI *)", (2, 4)),
        ("cron(30 18 ? * MON,TUE,WED,THU,FRI *)", (0, 4)),
    ]


def test_where_one_window_ends_and_another_begins_only_the_second_is_set() -> None:
    day = Window.weekly(begins="08:00", ends="20:00", min_copies=2)
    night = Window.off(begins="20:00", ends="08:00")
    assert [(action.schedule, action.bounds) for action in actions([day, night], (1, 4))] == [
        ("cron(0 8 ? * MON,TUE,WED,THU,FRI,SAT,SUN *)", (2, 4)),
        ("cron(0 20 ? * MON,TUE,WED,THU,FRI,SAT,SUN *)", (0, 0)),
    ]


def test_a_launch_sets_its_bounds_once_and_gives_back_those_of_the_hour() -> None:
    weekly = Window.weekly(days=WEEKDAYS, begins="20:00", ends="23:00", min_copies=3)
    launch = Window.once(begins="2027-03-01T06:00", ends="2027-03-01T20:00", min_copies=4)
    found = [action for action in actions([weekly, launch], (1, 4)) if action.schedule.startswith("at")]
    assert [(action.schedule, action.bounds) for action in found] == [
        ("at(2027-03-01T06:00:00)", (4, 4)),
        ("at(2027-03-01T20:00:00)", (3, 4)),
    ]


@given(
    st.lists(st.tuples(st.sampled_from(DAYS), st.integers(0, 23), st.integers(1, 23), st.integers(0, 3)), max_size=4),
    st.integers(0, 3),
)
def test_at_every_minute_of_the_week_the_last_action_set_what_the_window_of_that_minute_asks(
    drawn: list[tuple[Day, int, int, int]], own: int
) -> None:
    windows = {
        f"w{index}": Window.weekly(
            days=[day], begins=f"{hour:02d}:00", ends=f"{(hour + hours) % 24:02d}:00", min_copies=low
        )
        for index, (day, hour, hours, low) in enumerate(drawn)
    }
    if window_problems(windows, (own, 4)):
        return
    found = actions(windows.values(), (own, 4))
    assert len({action.name for action in found}) == len(found)
    changes = sorted((minute, action.bounds) for action in found for minute in when(action))
    assert len({minute for minute, _ in changes}) == len(changes)  # never two at one minute
    for minute in range(0, MINUTES_OF_A_WEEK, 30):
        expected = next(
            (
                window.bounds((own, 4))
                for window in windows.values()
                for start, end in window.minutes()
                if start <= minute < end or start <= minute + MINUTES_OF_A_WEEK < end
            ),
            (own, 4),
        )
        before = [bounds for at, bounds in changes if at <= minute] or [bounds for _, bounds in changes]
        assert (before[-1] if before else (own, 4)) == expected


def test_whole_days_end_where_the_next_day_begins() -> None:
    weekend = Window.off(days=("sat", "sun"), begins="00:00", ends="00:00")
    assert [(action.schedule, action.bounds) for action in actions([weekend], (1, 4))] == [
        ("cron(0 0 ? * SAT,SUN *)", (0, 0)),
        ("cron(0 0 ? * MON *)", (1, 4)),
    ]
