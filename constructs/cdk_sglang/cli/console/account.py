"""The account that the console reads: one session of boto3, clients that only read, and how many calls they make."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from cdk_sglang.cli.aws import client, failures_of, reading_only
from cdk_sglang.cli.status.prometheus import PromqlApi

_ATTEMPTS: Final = 2
_READ_TIMEOUT_S: Final = 15
_MINUTE_S: Final = 60.0


class Account:
    """The user's account: credentials that can be looked up again, and a count of the calls.

    Args:
        region: Region; that of the AWS settings by default.
        profile: Profile of the AWS settings; that of AWS_PROFILE, or the default one, by default.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self, *, region: str | None, profile: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.region = region
        self._profile = profile
        self._clock = clock
        self._lock = threading.Lock()
        self._session: Any = None
        self._turn = 0
        self._calls: deque[float] = deque()

    @property
    def session(self) -> tuple[int, Any]:
        """Number of times that the credentials were looked up again, and the session that has them."""
        with self._lock:
            if self._session is None:
                import boto3

                with failures_of("sts"):
                    self._session = boto3.Session(profile_name=self._profile)
            return self._turn, self._session

    def sign_in_again(self, turn: int) -> None:
        """Look the credentials up again at the next call: a user who signs in elsewhere need not restart the console.

        Args:
            turn: Number of the session whose credentials were refused; nothing is done about an older one.
        """
        with self._lock:
            if turn == self._turn:
                self._turn, self._session = turn + 1, None

    def count(self) -> None:
        """Count a call."""
        with self._lock:
            self._calls.append(self._clock())

    @property
    def calls_last_minute(self) -> int:
        """Calls to AWS in the last minute, with those that were made again."""
        with self._lock:
            while self._calls and self._calls[0] <= self._clock() - _MINUTE_S:
                self._calls.popleft()
            return len(self._calls)


class Clients:
    """The clients of one source, created on first use.

    Args:
        account: The account.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._made: dict[str, tuple[int, Any]] = {}
        self.calls = 0
        self.turn = 0

    def __getitem__(self, service: str) -> Any:
        """A client that refuses every operation that is not read-only.

        Raises:
            FailedError: There is no Region, or no such profile.
        """
        self.turn, session = self._account.session
        if service not in self._made or self._made[service][0] != self.turn:
            with reading_only():
                service_client = client(
                    service,
                    region=self._account.region,
                    attempts=_ATTEMPTS,
                    read_timeout_s=_READ_TIMEOUT_S,
                    session=session,
                )
            service_client.meta.events.register("before-send", self._count)
            self._made[service] = (self.turn, service_client)
        return self._made[service][1]

    @property
    def promql(self) -> PromqlApi:
        """CloudWatch's PromQL API."""
        meta = self["cloudwatch"].meta
        _, session = self._account.session
        return _CountedPromql(
            meta.endpoint_url, meta.region_name, credentials=session.get_credentials(), count=self._count
        )

    def _count(self, **_: object) -> None:
        self.calls += 1
        self._account.count()


class _CountedPromql(PromqlApi):
    """The PromQL API, whose queries are calls like others."""

    def __init__(self, address: str, region: str, *, credentials: Any, count: Callable[[], None]) -> None:
        super().__init__(address, region, credentials=credentials)
        self._count = count

    def series(self, query: str) -> list[tuple[Mapping[str, str], float]]:
        self._count()
        return super().series(query)
