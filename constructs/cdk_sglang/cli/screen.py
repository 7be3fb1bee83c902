"""A model's answer on the terminal as it arrives: text on stdout, reasoning and everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from cdk_sglang.client.answers import ChatAnswer

_KEPT: Final = {"\n", "\t"}
_HIDDEN: Final = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in _KEPT}
"""Control characters, with which a model's words could move the cursor or change the terminal."""


class AnswerScreen:
    """Shows one answer.

    Args:
        answer: The answer, which the screen fills.
    """

    def __init__(self, answer: ChatAnswer) -> None:
        self.answer = answer
        self._within = ""  # "text" or "reasoning": a line that the next message must end

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Show a chunk: its part of the answer, and its reasoning, marked and dimmed."""
        first = not self.answer.reasoning
        reasoning, text = self.answer.add(chunk)
        if reasoning:
            typer.secho(("reasoning: " if first else "") + _shown(reasoning), dim=True, err=True, nl=False)
            self._within = "reasoning"
        if text:
            if self._within == "reasoning":
                self.end()  # the answer begins a line of its own
            typer.echo(_shown(text), nl=False)
            self._within = "text"

    def end(self) -> None:
        """End the line that was begun."""
        if self._within:
            typer.echo(err=self._within == "reasoning")
        self._within = ""


def _shown(text: str) -> str:
    """The text, on a terminal without control characters; to a file or a pipe as it is."""
    return text.translate(_HIDDEN) if sys.stdout.isatty() else text
