"""Send random requests to a server, and keep those it did not answer as it should."""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from tools.requests.strategies import Body, bodies

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS_FILE: Final = Path(__file__).with_name("seeds.jsonl")
_ERRORS_FROM, _SERVER_ERRORS_FROM = 400, 500
_ERROR_KEYS: Final = {"message", "type", "param", "code"}
_BATCH: Final = 500
_IDLE_S: Final = 2.0  # uvicorn closes a connection after five seconds without a request


def drawn(count: int, *, first: int = 0, paths: tuple[str, ...] = (), adapters: tuple[str, ...] = ()) -> Iterator[Body]:
    """Draw requests, the same ones for the same numbers and adapters.

    Args:
        count: Number of requests.
        first: Number of the first; another one draws others.
        paths: Paths to draw from. Default: all of SGLang's.
        adapters: Names of loaded adapters; half of the requests ask for one of them. Default: none does on purpose.

    Yields:
        Requests, in batches of one seed each.
    """
    for start in range(first, first + count, _BATCH):
        batch: list[Body] = []
        size = min(_BATCH, first + count - start)

        @seed(start)
        @settings(
            max_examples=size,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[*HealthCheck],
        )
        @given(body=bodies(paths=paths, adapters=adapters))
        def draw(body: Body) -> None:
            batch.append(body)  # noqa: B023  it is called before the next batch begins

        draw()
        yield from batch


def kept_seeds() -> list[Body]:
    """Return the requests that a server once answered wrongly."""
    lines = SEEDS_FILE.read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [Body(entry["path"], entry["content"].encode("latin-1")) for entry in entries]


def seed_line(body: Body) -> str:
    """Return a request as a line of `seeds.jsonl`; bytes are written as the characters of Latin-1."""
    return json.dumps({"path": body.path, "content": body.content.decode("latin-1")})


def answer_problem(status: int, content: bytes) -> str | None:
    """Return what is wrong with an answer: 5xx, or an error in another shape than OpenAI's; None if nothing is."""
    if status >= _SERVER_ERRORS_FROM:
        return f"{status}: {content[:200]!r}"
    if status < _ERRORS_FROM:
        return None
    try:
        error = json.loads(content)["error"]
        coded = error["code"] == status or isinstance(error["code"], str)
        if error.keys() >= _ERROR_KEYS and isinstance(error["message"], str) and coded:
            return None
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return f"{status} in another shape: {content[:200]!r}"


@dataclass
class Tally:
    """Outcome of a run.

    Attributes:
        statuses: Number of answers by status.
        failures: Requests that were answered wrongly, with what was wrong.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[tuple[Body, str]] = field(default_factory=list)

    def add(self, body: Body, status: int, content: bytes) -> None:
        """Count an answer, and keep its request if the answer is wrong."""
        self.statuses[status] += 1
        problem = answer_problem(status, content)
        if problem is not None:
            self.failures.append((body, problem))

    def __str__(self) -> str:
        counts = ", ".join(f"{count} times {status}" for status, count in sorted(self.statuses.items()))
        return f"{self.statuses.total()} requests answered ({counts}), {len(self.failures)} of them wrongly"


class HttpTarget:
    """A server, asked over one connection that is kept.

    Args:
        port: Its port on this machine.
        timeout_s: Seconds an answer may take.
    """

    def __init__(self, port: int, *, timeout_s: float = 30) -> None:
        self._port, self._timeout_s = port, timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0

    def __call__(self, body: Body) -> tuple[int, bytes]:
        """Send a request.

        Returns:
            Status, and the content of the answer; of a stream, all of it.

        Raises:
            OSError: No answer came in time, or the connection broke.
        """
        return self._ask("POST", body.path, body.content)

    def get(self, path: str) -> int:
        """Return the status of a path; raises `OSError` as a request does."""
        return self._ask("GET", path, None)[0]

    def post(self, path: str, body: object) -> int:
        """Return the status of a request whose body is JSON; raises `OSError` as a request does."""
        return self._ask("POST", path, json.dumps(body).encode())[0]

    def _ask(self, method: str, path: str, content: bytes | None) -> tuple[int, bytes]:
        if time.monotonic() > self._used_at + _IDLE_S:
            self.close()  # the server may be closing it at this moment
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_s)
        try:
            self._connection.request(method, path, content, {"content-type": "application/json"})
            response = self._connection.getresponse()
            answer = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise OSError(f"{type(error).__name__}: {error}") from error
        self._used_at = time.monotonic()
        return answer

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
