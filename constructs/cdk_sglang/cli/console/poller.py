"""What is read from AWS, how often, and how refusals are handled: one poll for all tabs, and none while no tab is open."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from cdk_sglang.cli.aws import FailedError, reason_of
from cdk_sglang.cli.console.account import Account, Clients
from cdk_sglang.errors import ConfigurationError

_logger: Final = logging.getLogger(__name__)
WATCHED_S: Final = 15.0
"""Seconds after the last request of a tab during which AWS is still polled."""
CALLS_PER_S: Final = 1.0
"""Calls per second that one source makes at most, on average: one that takes 40 calls is read every 40 seconds at the soonest."""
_PAUSE_MAX_S: Final = 300.0
_SIGNED_OUT_PAUSE_S: Final = 15.0
_TICK_S: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Source:
    """Something that is read from AWS.

    Attributes:
        name: Name, unique among the sources.
        part: Part of the page that says why it could not be read.
        period_s: Seconds between two reads, at least.
        calls: Operations that it calls, for a user who lacks the permission.
        read: Function that reads it.
    """

    name: str
    part: str
    period_s: float
    calls: str
    read: Callable[[Clients], Any]


@dataclass(kw_only=True)
class _State:
    source: Source
    clients: Clients
    value: Any = None
    read_at: float | None = None
    problem: str = ""
    signed_out: bool = False
    due: float = float("-inf")
    failures: int = 0
    running: bool = False
    done: threading.Event = field(default_factory=threading.Event)


class Poller:
    """Reads sources as long as a tab shows them.

    Args:
        sources: The sources.
        account: The account.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self, sources: Sequence[Source], account: Account, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._states = {source.name: _State(source=source, clients=Clients(account)) for source in sources}
        self._account = account
        self._clock = clock
        self._looked = float("-inf")
        self._ended = threading.Event()
        self._woken = threading.Event()

    def start(self) -> None:
        """Begin to read, in threads that end with the program."""
        threading.Thread(target=self._run, name="poller", daemon=True).start()

    def end(self) -> None:
        """Begin no further read."""
        self._ended.set()
        self._woken.set()

    def look(self) -> None:
        """Record that a tab is looking now."""
        self._looked = self._clock()
        self._woken.set()

    def wait(self, seconds: float) -> None:
        """Wait until every source was read once, or refused.

        Args:
            seconds: Longest time to wait.
        """
        until = time.monotonic() + seconds
        for state in self._states.values():
            state.done.wait(max(0.0, until - time.monotonic()))

    def value(self, name: str) -> Any:
        """Return what a source has read last; None if it never succeeded.

        Args:
            name: Name of the source.
        """
        return self._states[name].value

    def problem(self, name: str) -> str:
        """Return why a source could not be read the last time, empty if it could, or if no source can for lack of credentials.

        Args:
            name: Name of the source.
        """
        state = self._states[name]
        return "" if state.signed_out else state.problem

    @property
    def problems(self) -> dict[str, list[str]]:
        """Why sources could not be read, by part of the page."""
        found: dict[str, list[str]] = {}
        for name, state in self._states.items():
            if problem := self.problem(name):
                found.setdefault(state.source.part, []).append(problem)
        return found

    @property
    def signed_out(self) -> str:
        """Why AWS no longer accepts the credentials; empty if it does."""
        return next((state.problem for state in self._states.values() if state.signed_out), "")

    @property
    def idle(self) -> bool:
        """Whether no read is in progress."""
        return not any(state.running for state in self._states.values())

    def due(self) -> list[str]:
        """Return the sources that should be read now: none while no tab is open."""
        now = self._clock()
        if now - self._looked > WATCHED_S:
            return []
        return [name for name, state in self._states.items() if not state.running and state.due <= now]

    def read(self, name: str) -> None:
        """Read a source now, and record the outcome.

        Args:
            name: Name of the source.
        """
        state = self._states[name]
        before = state.clients.calls
        problem, signed_out = "", False
        try:
            state.value, state.read_at = state.source.read(state.clients), time.time()
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            reason = reason_of(state.source.calls, error)
            problem, signed_out = reason.text, reason.signed_out
        except FailedError as error:
            problem = error.text
        except ConfigurationError as error:
            problem = "; ".join(str(one) for one in error.problems)
        except Exception as error:  # one part of the page fails, and the others go on; the log has the traceback
            _logger.exception("%s failed", name)
            problem = f"{state.source.calls}: failed within ({type(error).__name__}: {error})"
        self._note(state, problem, signed_out=signed_out, calls=state.clients.calls - before)

    def _note(self, state: _State, problem: str, *, signed_out: bool, calls: int) -> None:
        pause = max(state.source.period_s, calls / CALLS_PER_S)
        state.failures = state.failures + 1 if problem else 0
        if signed_out:
            self._account.sign_in_again(state.clients.turn)
            pause = _SIGNED_OUT_PAUSE_S
        elif problem:
            pause = min(pause * 2**state.failures, max(pause, _PAUSE_MAX_S))
            shown = "" if state.read_at is None else f"; the values shown were read at {_clock_of(state.read_at)}"
            problem = f"{' '.join(problem.split())}{shown}; next attempt in {pause:.0f} s"
        state.problem, state.signed_out = problem, signed_out
        state.due = self._clock() + pause
        state.running = False
        state.done.set()

    def step(self) -> None:
        """Begin every read that is due, each in a thread of its own: one that AWS keeps waiting holds up no other."""
        for name in self.due():
            self._states[name].running = True
            threading.Thread(target=self.read, args=(name,), name=name, daemon=True).start()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._woken.wait(_TICK_S)
            self._woken.clear()
            self.step()


def _clock_of(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
