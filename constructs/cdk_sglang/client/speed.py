"""Speed of an answer as its reader sees it: time to first token (TTFT) and tokens per second."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

WITH_USAGE: Final = {"stream_options": {"include_usage": True}}
"""Option of a streamed chat request after which the last chunk counts the answer's tokens."""


class AnswerSpeed:
    """Times the chunks of one streamed answer, from its construction on: construct it when the request is sent.

    Args:
        now: Seconds of a monotonic clock; the system's by default.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._start = now()
        self._first: float | None = None
        self._last = self._start
        self._chunks = 0
        self._counted: int | None = None

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Note a chunk that has just arrived."""
        usage = chunk.get("usage")
        if isinstance(usage, Mapping) and isinstance(usage.get("completion_tokens"), int):
            self._counted = usage["completion_tokens"]
        if not any(_has_text(choice) for choice in chunk.get("choices") or []):
            return
        self._last = self._now()
        self._first = self._last if self._first is None else self._first
        self._chunks += 1

    @property
    def ttft_seconds(self) -> float | None:
        """Seconds from the request to the first part of the answer, waiting for a copy included; None before it."""
        return None if self._first is None else self._first - self._start

    @property
    def tokens(self) -> int:
        """Tokens of the answer as the model counts them; without `WITH_USAGE`, or before the last chunk, the number of parts."""
        return self._chunks if self._counted is None else self._counted

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens after the first, per second since the first; None for an answer that came in one part."""
        if self._first is None or self._last <= self._first:
            return None
        return (self.tokens - 1) / (self._last - self._first)

    def __str__(self) -> str:
        if self.ttft_seconds is None:
            return "no token"
        rate = self.tokens_per_second
        figures = [f"TTFT {self.ttft_seconds:.2f} s"]
        figures += [] if rate is None else [f"{rate:.1f} tokens/s"]
        return ", ".join([*figures, f"{self.tokens:,} token{'s' * (self.tokens != 1)}"])


def _has_text(choice: Mapping[str, Any]) -> bool:
    delta = choice.get("delta") or {}
    return any(delta.get(name) for name in ("content", "reasoning_content", "reasoning", "tool_calls"))
