"""The clock: who does the work that is due."""

import time

import pytest

from localcloud.aws import clock as clocks
from tests.localcloud.helpers import eventually


def test_clock_that_was_replaced_does_no_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the clock of a server would do the work of a test's own clock beside it, at moments of its own."""
    monkeypatch.setattr(clocks, "_current", clocks.Clock())
    ticks: list[str] = []
    real = clocks.clock()
    real.every_tick(lambda: ticks.append("tick"))
    real.start()
    try:
        eventually(lambda: ticks)
        driven = clocks.use(clocks.Clock(driven=True))
        ticks.clear()
        time.sleep(0.7)
        assert ticks == []
        driven.advance(2)
        assert ticks == ["tick", "tick"]
    finally:
        real.stop()
