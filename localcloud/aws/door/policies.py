"""Statements of policies: whether documents allow an action on a resource.

The condition of an Allow statement counts as met, that of a Deny statement as not met.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any


def allow(documents: Iterable[Mapping[str, Any]], action: str, resource: str = "") -> bool:
    """Whether policies allow an action, and none denies it.

    Args:
        documents: The policies.
        action: Prefix of the service and name of the action.
        resource: ARN of the resource. Default: a statement about any resource is enough.
    """
    is_allowed = False
    for document in documents:
        for statement in listed(document.get("Statement")):
            if not _matches(statement, action, resource):
                continue
            if statement["Effect"] == "Allow":
                is_allowed = True
            elif not statement.get("Condition") and (resource or "*" in listed(statement.get("Resource"))):
                return False
    return is_allowed


def listed(value: Any) -> list[Any]:
    """Return as a list what a policy may write as one value or as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _matches(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    if "NotAction" in statement:
        named = not any(_covers(one.lower(), action.lower()) for one in listed(statement["NotAction"]))
    else:
        named = any(_covers(one.lower(), action.lower()) for one in listed(statement.get("Action")))
    return named and (not resource or any(_covers(one, resource) for one in listed(statement.get("Resource", "*"))))


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _covers(pattern: str, value: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None
