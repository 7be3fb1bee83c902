"""How the container refuses to start: every problem at once, one line each, and an exit code."""

from __future__ import annotations

EXIT_BAD_SETTINGS = 2
EXIT_BAD_MACHINE = 3


class RefusedError(Exception):
    """The container refuses to start.

    Args:
        problems: One line each: what, the value got, what is allowed, the next step.
        exit_code: 2 for settings that need changing, 3 for a machine that cannot be used.
    """

    def __init__(self, problems: list[str], *, exit_code: int = EXIT_BAD_SETTINGS) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.exit_code = exit_code
