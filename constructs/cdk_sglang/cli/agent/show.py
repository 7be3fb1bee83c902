"""Events of an agent on a terminal: the answer on stdout, what happens meanwhile on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable

import typer
from rich.console import Console
from rich.text import Text

from cdk_sglang.cli.agent.conversation import Event
from cdk_sglang.cli.output import stdout

_MARKS = {"started": "…", "ended": "done", "failed": "failed"}


class Screen:
    """Shows one answer.

    Args:
        raw: Whether events are printed as JSON, one per line. Default: formatted for a person.

    Attributes:
        failed: Whether the agent reported an error.
    """

    def __init__(self, *, raw: bool = False) -> None:
        self.failed = False
        self._raw = raw
        self._within = False  # a line of the answer, which the next message must end
        self._console = Console(stderr=True, highlight=False)

    def show(self, events: Iterable[Event]) -> None:
        """Show events as they come."""
        for event in events:
            self.failed = self.failed or event["type"] == "error"
            if self._raw:
                typer.echo(json.dumps(event))
            else:
                self._show(event)

    def end(self) -> None:
        """End the line of the answer."""
        if self._within:
            typer.echo()
            self._within = False

    def tell(self, text: str, *, style: str = "dim") -> None:
        """Print a message next to the answer, wrapped at the width of the terminal."""
        self.end()
        self._console.print(Text(text), style=style)

    def _show(self, event: Event) -> None:
        kind = event["type"]
        if kind == "text":
            text = str(event.get("text", ""))
            typer.echo(text, nl=False)
            self._within = not text.endswith("\n") if text else self._within
        elif kind == "status":
            self.tell(str(event.get("text", "")))
        elif kind == "tool":
            state = str(event.get("state", ""))
            self.tell(
                f"{event.get('name', 'tool')}: {_MARKS.get(state, state)}", style="red" if state == "failed" else "dim"
            )
        elif kind == "handover":
            self._hand_over(event)
        elif kind == "error":
            self.tell(f"agent: {event.get('text', 'the agent failed')} ({event.get('code', 'unknown')})", style="red")
        elif kind == "done":
            self._done(event)

    def _hand_over(self, event: Event) -> None:
        self.end()
        console = stdout()
        console.print(Text(f"Handed over to a clinician: {event.get('reason', 'no reason given')}"))
        for item in event.get("missing") or ():
            console.print(Text(f"  missing: {item}"))

    def _done(self, event: Event) -> None:
        self.end()
        tokens = (event.get("usage") or {}).get("total_tokens")
        if tokens:
            self.tell(f"{tokens:,} tokens")
