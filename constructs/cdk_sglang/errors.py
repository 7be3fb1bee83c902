"""The one public exception module: every mistake a caller can make is a `ConfigurationError`."""

from __future__ import annotations

from collections.abc import Iterable


class ConfigurationError(ValueError):
    """Everything that is wrong with what was asked, collected and raised once.

    Each problem is one line: path, problem, value got, values allowed, next step.

    Args:
        problems: One line per problem, in the order a reader meets them; at least one.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        if not self.problems:
            raise TypeError("ConfigurationError needs at least one problem")
        super().__init__("\n".join(self.problems))
