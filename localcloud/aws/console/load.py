"""Load on a component: requests of one shape at a fixed rate for a limited time, sent like those of any other caller.

Requests are sent at their times, whether or not earlier ones have been answered, as independent users do; otherwise no queue would grow.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from localcloud.aws.console import invoking

RATE_MAX: Final = 20.0
"""Maximum requests per second: more than two cores can answer, so that a queue grows."""
SECONDS_MAX: Final = 900
IN_FLIGHT_MAX: Final = 20
"""Maximum requests in flight, each of which takes a thread; further ones are counted and not sent."""
_KEPT: Final = 200


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Shape of the requests of a load.

    Attributes:
        title: Its name on the page.
        prompt: Prompt of each request; its number is put in front, unless the prefix is shared.
        max_tokens: Maximum length of an answer, in tokens.
        shares_prefix: Whether all prompts have the same prefix, so that the engine's prefix cache serves them.
    """

    title: str
    prompt: str
    max_tokens: int
    shares_prefix: bool = False

    def body(self, number: int) -> dict[str, Any]:
        """Body of a request.

        Args:
            number: Number of the request within its load.
        """
        prompt = self.prompt if self.shares_prefix else f"{number}. {self.prompt}"
        return {"messages": [{"role": "user", "content": prompt}], "max_tokens": self.max_tokens}


_PASSAGE: Final = "The fleet serves several models on shared machines, and copies of them come and go with the load. "
_DOCUMENT: Final = _PASSAGE * 34
"""3,400 characters: with an answer, it fits into 4,096 tokens even if each character is a token, as in the random model."""
SHAPES: Final = {
    "chat": Shape(title="short questions, 32 tokens back", prompt="Name a city in Europe.", max_tokens=32),
    "story": Shape(title="short questions, 200 tokens back", prompt="Tell a story.", max_tokens=200),
    "document": Shape(
        title="new documents of 600 words, 16 tokens",
        prompt=_DOCUMENT + "Summarize this.",
        max_tokens=16,
    ),
    "same-document": Shape(
        title="one document of 600 words, 16 tokens",
        prompt=_DOCUMENT + "Summarize this.",
        max_tokens=16,
        shares_prefix=True,
    ),
}


@dataclass(kw_only=True, eq=False)
class Load:
    """A load in progress.

    Attributes:
        endpoint: Name of the endpoint.
        component: Name of the inference component.
        shape: Key of `SHAPES`.
        per_s: Requests per second.
        seconds: Seconds after which it ends.
        sent: Requests sent; `answered` of them were, `failed` got an error, and `held_back` were not sent.
        problem: The last error.
    """

    endpoint: str
    component: str
    shape: str
    per_s: float
    seconds: float
    sent: int = 0
    answered: int = 0
    failed: int = 0
    held_back: int = 0
    in_flight: int = 0
    problem: str = ""
    _client: Any = None
    _began: float = field(default_factory=time.monotonic)
    _latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Check the arguments; raises ValueError."""
        if self.shape not in SHAPES:
            raise ValueError(f"shape: {self.shape!r} is unknown; use one of {', '.join(SHAPES)}")
        _check("per_s", self.per_s, RATE_MAX)
        _check("seconds", self.seconds, SECONDS_MAX)

    @property
    def runs(self) -> bool:
        """Whether more requests remain to be sent."""
        return not self._stopped.is_set() and self._elapsed() < self.seconds

    def start(self) -> None:
        """Start sending, in the background."""
        self._client = invoking.runtime()
        threading.Thread(target=self._run, name="console-load", daemon=True).start()

    def stop(self) -> None:
        """Stop sending; requests in flight are still answered."""
        self._stopped.set()

    def state(self) -> dict[str, Any]:
        """The load as the page shows it."""
        with self._lock:
            latencies = sorted(self._latencies_s)
            return {
                "endpoint": self.endpoint,
                "component": self.component,
                "shape": self.shape,
                "per_s": self.per_s,
                "seconds": self.seconds,
                "left_s": math.ceil(self.seconds - self._elapsed()) if self.runs else 0,
                "runs": self.runs,
                "sent": self.sent,
                "answered": self.answered,
                "failed": self.failed,
                "held_back": self.held_back,
                "in_flight": self.in_flight,
                "problem": self.problem,
                "p50_s": _quantile(latencies, 0.5),
                "p90_s": _quantile(latencies, 0.9),
            }

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _run(self) -> None:
        number = 0
        while self.runs:
            with self._lock:
                free = self.in_flight < IN_FLIGHT_MAX
                self.in_flight += free
                self.sent += free
                self.held_back += not free
            if free:
                threading.Thread(target=self._send, args=(number,), name="console-request", daemon=True).start()
            number += 1
            self._stopped.wait(max(0.0, number / self.per_s - self._elapsed()))

    def _send(self, number: int) -> None:
        body = SHAPES[self.shape].body(number)
        began, problem = time.monotonic(), ""
        try:
            answer = self._client.invoke_endpoint(**invoking.request(self.endpoint, self.component, body))
            answer["Body"].read()
        except (ClientError, BotoCoreError, HTTPError, OSError) as error:
            problem = str(error)
        with self._lock:
            self.in_flight -= 1
            self.failed += bool(problem)
            self.answered += not problem
            self.problem = problem or self.problem
            if not problem:
                self._latencies_s.append(time.monotonic() - began)


def _check(name: str, value: object, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
        raise ValueError(f"{name}: {value!r} is not allowed; use a number above 0, at most {most:g}")


def _quantile(latencies: list[float], share: float) -> float | None:
    return latencies[min(len(latencies) - 1, int(share * len(latencies)))] if latencies else None


_last: list[Load] = []
_starting = threading.Lock()


def start(load: Load) -> None:
    """Start a load.

    Raises:
        ValueError: A load is running.
    """
    with _starting:
        if _last and _last[-1].runs:
            raise ValueError(f"a load on {_last[-1].component} is running; stop it first")
        _last[:] = [load]
        load.start()


def stop() -> Load | None:
    """Stop the running load; None if there is none."""
    with _starting:
        if not _last or not _last[-1].runs:
            return None
        _last[-1].stop()
        return _last[-1]


def state() -> dict[str, Any] | None:
    """The last load as the page shows it; None if there was none."""
    return _last[-1].state() if _last else None


def clear() -> None:
    """Stop the load and forget it."""
    stop()
    _last.clear()
