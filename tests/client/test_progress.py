"""The line on the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from cdk_sglang.client import Copies, Progress, ProgressLine, State


def step(state: State, elapsed_seconds: float, copies: Copies | None = None) -> Progress:
    return Progress(
        state=state,
        endpoint="prod-chat",
        component="prod-chat-llama",
        attempt=1,
        elapsed_seconds=elapsed_seconds,
        remaining_seconds=900 - elapsed_seconds,
        copies=copies,
    )


STEPS = (
    step(State.ASLEEP, 0, Copies(current=0, desired=0, status="InService")),
    step(State.STARTING, 60, Copies(current=0, desired=1, status="InService")),
    step(State.STARTING, 75, Copies(current=0, desired=1, status="InService")),
    step(State.ANSWERED, 301),
)


def test_where_there_is_no_terminal_each_change_is_a_line() -> None:
    written = io.StringIO()
    show = ProgressLine(Console(file=written, width=200))
    for one in STEPS:
        show(one)
    assert written.getvalue().splitlines() == [
        "prod-chat-llama: at zero copies; the request has asked for one after 0 s, 0 of 0 copies, InService, 900 s left",
        "prod-chat-llama: a copy is starting after 60 s, 0 of 1 copies, InService, 840 s left",
        "prod-chat-llama: answered after 301 s",
    ]


def test_on_a_terminal_the_line_changes_and_ends_with_the_wait() -> None:
    written = io.StringIO()
    show = ProgressLine(Console(file=written, width=200, force_terminal=True, highlight=False))
    for one in STEPS[:-1]:
        show(one)
        assert show._status is not None
    show(STEPS[-1])
    assert show._status is None
    assert written.getvalue().rstrip().endswith("prod-chat-llama: answered after 301 s")
