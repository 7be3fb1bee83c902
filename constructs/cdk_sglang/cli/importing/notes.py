"""What the description of an endpoint cannot express, or states only approximately."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Kind(enum.StrEnum):
    """Causes of a difference."""

    LOST = "not in the file"
    CHANGED = "our default"
    UNREAD = "not readable in AWS"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that a deployment of the file would make different.

    Attributes:
        kind: Its cause.
        field: Where, as the file or AWS calls it.
        has: What the running endpoint has.
        makes: What a deployment of the file would make.
    """

    kind: Kind
    field: str
    has: str
    makes: str


@dataclass(kw_only=True)
class Notes:
    """Collects what a reader of the file must know.

    Attributes:
        differences: In the order in which they were found.
        warnings: One line each.
    """

    differences: list[Difference] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _comments: dict[str, list[str]] = field(default_factory=dict)

    def lost(self, where: str, has: object, makes: str) -> None:
        """Note that the file cannot express something.

        Args:
            where: Field.
            has: What the running endpoint has.
            makes: What a deployment would create instead.
        """
        self._add(Kind.LOST, where, has, makes)

    def changed(self, where: str, has: object, makes: str) -> None:
        """Note that one of our defaults would change something.

        Args:
            where: Field.
            has: What the running endpoint has.
            makes: What a deployment would create instead.
        """
        self._add(Kind.CHANGED, where, has, makes)

    def unread(self, where: str, why: str, makes: str) -> None:
        """Note that something could not be determined.

        Args:
            where: Field.
            why: Why not.
            makes: What a deployment would make.
        """
        self._add(Kind.UNREAD, where, why, makes)

    def comment(self, path: str, text: str) -> None:
        """Put a comment above a key of the file.

        Args:
            path: Path of the key, names joined by dots.
            text: The comment.
        """
        self._comments.setdefault(path, []).append(text)

    @property
    def comments(self) -> Mapping[str, list[str]]:
        """Comments by the path of their key."""
        return self._comments

    def _add(self, kind: Kind, where: str, has: object, makes: str) -> None:
        difference = Difference(kind=kind, field=where, has=str(has), makes=makes)
        if difference not in self.differences:
            self.differences.append(difference)
