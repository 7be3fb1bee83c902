"""User mistakes as values: a `Problem` is one mistake, a `ConfigurationError` all mistakes that were found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self


class Problem(str):
    """One mistake: the path of the value, and a text with the actual value, the allowed values and the next step.

    A problem is a string with its own line, "path: text", so that it can be printed, compared and sorted as text. That line is never edited: code
    that knows more about the location creates a new problem with `under` or `in_file`.

    Args:
        path: Names from the outermost to the innermost, joined by dots, such as "scaling.min_copies", or a file; empty for the whole value.
        text: What is wrong, the actual value, the allowed values, and the next step, on one line.
        file: File that contains the value; empty for values written in Python.
    """

    __slots__ = ("file", "path", "text")

    def __new__(cls, path: str | Path, text: str, *, file: str = "") -> Self:  # noqa: D102  the class docstring documents construction
        line = super().__new__(cls, ": ".join(part for part in (file, str(path), text) if part))
        line.path, line.text, line.file = str(path), text, file
        return line

    path: str
    text: str
    file: str

    def under(self, parent: str) -> Problem:
        """Return the same problem for a value inside `parent`."""
        inner = f"{parent}{self.path}" if self.path.startswith("[") else f"{parent}.{self.path}"
        return Problem(inner if parent and self.path else parent or self.path, self.text, file=self.file)

    def inside(self, parent: str) -> Problem:
        """Return the same problem with a path that begins at `parent`."""
        inner = "" if self.path == parent else self.path.removeprefix(f"{parent}.")
        return Problem(inner, self.text, file=self.file)

    def in_file(self, file: str) -> Problem:
        """Return the same problem with the file that contains the value."""
        return Problem(self.path, self.text, file=file)


class ConfigurationError(ValueError):
    """Every mistake in a user's values, collected and raised once, before anything is created.

    Args:
        problems: Problems in the order of the values in the file or call; at least one.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        if not self.problems:
            raise TypeError("ConfigurationError needs at least one problem")
        super().__init__("\n".join(self.problems))

    def under(self, parent: str) -> ConfigurationError:
        """Return the same problems for values inside `parent`.

        Args:
            parent: Path of the value that contains them.
        """
        return ConfigurationError(problem.under(parent) for problem in self.problems)


class PlanRefusedError(ConfigurationError):
    """Valid settings that the plan rejects: they do not fit, are too slow, or cost more than the budget.

    Programs exit with code 1 for this error, and with code 2 for every other `ConfigurationError`.
    """
