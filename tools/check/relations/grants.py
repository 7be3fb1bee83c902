"""What the role of a resource grants: the statements of its policies, read as IAM reads them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.check.graph import Graph, listed, references
from tools.check.template_text import text_of


@dataclass(frozen=True)
class Grant:
    """One statement that allows.

    Attributes:
        actions: Its actions, with wildcards.
        resources: Its resources, as values of the template.
        conditions: Its conditions.
    """

    actions: tuple[str, ...]
    resources: tuple[Any, ...]
    conditions: Mapping[str, Any]

    def allows(self, action: str, target: object = None) -> bool:
        """Return whether the statement allows an action.

        Args:
            action: The action.
            target: Value that has to be among the resources; None for any.
        """
        return self.names(action) and (target is None or any(_covers(one, target) for one in self.resources))

    def names(self, action: str) -> bool:
        """Return whether an action is among the statement's."""
        return any(covers(pattern, action) for pattern in self.actions)


def covers(pattern: str, action: str) -> bool:
    """Return whether an action of a statement, which may have wildcards, covers one."""
    return fnmatch.fnmatchcase(action.lower(), pattern.lower())


def grants(role: str, graph: Graph) -> list[Grant]:
    """Return the statements that allow a role something, in its own and in separate policies."""
    properties = graph.resources.get(role, {}).get("Properties", {})
    documents = [policy.get("PolicyDocument", {}) for policy in properties.get("Policies", [])]
    documents += [
        graph.resources[name]["Properties"].get("PolicyDocument", {}) for name in graph.policies.get(role, ())
    ]
    return [
        Grant(
            tuple(str(action) for action in listed(statement.get("Action"))),
            tuple(listed(statement.get("Resource"))),
            statement.get("Condition", {}),
        )
        for document in documents
        for statement in listed(document.get("Statement"))
        if statement.get("Effect") == "Allow"
    ]


def _covers(resource: object, target: object) -> bool:
    """Return whether a resource of a statement covers a value: the same, one with `*`, or a reference to the same resource."""
    if resource in ("*", target):
        return True
    targets = {found.target for found in references(target)}
    if targets:
        return bool(targets & {found.target for found in references(resource)})
    return isinstance(target, str) and fnmatch.fnmatchcase(target, text_of(resource))


def at(value: object, path: str) -> Iterator[Any]:
    """Yield the values at a dotted path, in every entry of the lists on the way; nothing where it does not exist."""
    head, _, rest = path.partition(".")
    for item in listed(value):
        if isinstance(item, Mapping) and head in item:
            if rest:
                yield from at(item[head], rest)
            else:
                yield from listed(item[head])
