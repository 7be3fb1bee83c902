"""Constructs that exist once per stack, created by the first construct that needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import aws_cdk as cdk
from constructs import Construct, IConstruct

C = TypeVar("C", bound=Construct)


def singleton(scope: IConstruct, construct_id: str, cls: type[C], make: Callable[[cdk.Stack, str], C]) -> C:
    """Return the construct with an id in the scope's stack, creating it on first use.

    Args:
        scope: Any construct of the stack.
        construct_id: Id, the same for all that share the construct.
        cls: Class of the construct.
        make: Creates it, from the stack and the id.
    """
    stack = cdk.Stack.of(scope)
    existing = stack.node.try_find_child(construct_id)
    construct = make(stack, construct_id) if existing is None else existing
    assert isinstance(construct, cls)
    return construct


class FoundSingletons:
    """Singletons of a stack, each looked up only once, however many components of an endpoint use it."""

    def __init__(self) -> None:
        self._found: dict[type[Construct], Construct] = {}

    def of(self, cls: type[C], find: Callable[[], C]) -> C:
        """Return the singleton of a class.

        Args:
            cls: Its class.
            find: Looks it up in the stack, or creates it.
        """
        if cls not in self._found:
            self._found[cls] = find()
        found = self._found[cls]
        assert isinstance(found, cls)
        return found
