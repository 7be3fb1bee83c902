"""Progress of a waiting request on a terminal.

This module imports rich; the package imports the module only when it is used.
"""

from __future__ import annotations

from rich.console import Console
from rich.status import Status

from .progress import Progress, State


class ProgressLine:
    """Shows a wait on the terminal: `InferenceClient(..., on_progress=ProgressLine())`.

    On a terminal, one line changes and disappears at the end; elsewhere, each change of state is a line.

    Args:
        console: Console to write to; standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console if console is not None else Console(stderr=True, highlight=False)
        self._status: Status | None = None
        self._last: State | None = None

    def __call__(self, progress: Progress) -> None:
        """Show one step."""
        if not self._console.is_terminal:
            if progress.state != self._last:
                self._console.print(line(progress), markup=False)
        elif progress.state.is_final:
            if self._status is not None:
                self._status.stop()
                self._status = None
            self._console.print(line(progress), markup=False)
        elif self._status is None:
            self._status = self._console.status(line(progress))
            self._status.start()
        else:
            self._status.update(line(progress))
        self._last = None if progress.state.is_final else progress.state


def line(progress: Progress) -> str:
    """Return a step as one line of text."""
    copies = ""
    if progress.copies is not None:
        copies = f", {progress.copies.current} of {progress.copies.desired} copies, {progress.copies.status}"
    remaining = "" if progress.state.is_final else f", {progress.remaining_seconds:.0f} s left"
    return f"{progress.component}: {progress.state} after {progress.elapsed_seconds:.0f} s{copies}{remaining}"
