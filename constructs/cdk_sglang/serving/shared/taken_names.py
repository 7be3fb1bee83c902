"""Physical names are unique per account and Region: the names that an app has already used, and their owners.

Endpoints have their own namespace. Components and adapters share one, so the adapter `triage` of `llama` collides with `llama-triage`.
Names are case-insensitive, as in SageMaker (`sagemaker_arns`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from weakref import WeakKeyDictionary

import aws_cdk as cdk
from constructs import IConstruct

from cdk_sglang.errors import Problem
from cdk_sglang.serving.shared.tokens import is_token

What: TypeAlias = Literal["endpoint", "component", "adapter"]


@dataclass(frozen=True, kw_only=True)
class _Owner:
    what: What
    name: str
    path: str
    """Construct path of the endpoint or the component; for an adapter, which is not a construct, that of its component."""


class TakenNames:
    """The names of one account and Region in one app; if either is known only at deployment, the names of one stack.

    Args:
        root: Root of the paths; referenced here because its names are kept as long as it exists.
        stack: Stack whose names are registered.
        owners: The names and their owners.
        perhaps: Names of all stacks whose account or Region is known only at deployment; None for a stack for which both are known.
    """

    def __init__(self, root: IConstruct, stack: cdk.Stack, owners: _Owners, perhaps: _Owners | None) -> None:
        self._root = root
        self._stack = stack
        self._known = owners
        self._perhaps = perhaps

    @staticmethod
    def of(stack: cdk.Stack) -> TakenNames:
        """Return the names of a stack's account and Region."""
        environment, root = (stack.account, stack.region), stack.node.root
        places = _APPS.setdefault(root, {})
        if not any(map(is_token, environment)):
            return TakenNames(root, stack, places.setdefault(environment, _Owners()), None)
        perhaps = places.setdefault(_SOMEWHERE, _Owners())
        return TakenNames(root, stack, places.setdefault(stack.node.path, _Owners()), perhaps)

    def problems(self, path: str, name: str, what: What, *, component: str | None = None) -> list[Problem]:
        """Return who already has a name, or which grant would unintentionally include it; an empty list if the name is free.

        Args:
            path: Path of each problem.
            name: The name.
            what: Kind of resource that it is for.
            component: Construct path of the component of an adapter.
        """
        problems = []
        owner = self._known.owners.get((what == "endpoint", name.lower()))
        if owner is not None and self._is_there(owner):
            problems.append(
                Problem(
                    path,
                    f"{what} name {name!r} is that of {owner.what} {owner.path} too; names are unique per account and Region: rename one",
                )
            )
        if what != "endpoint":
            problems += [
                Problem(
                    path,
                    f"{what} name {name!r} begins like those of the adapters of {other}, and whoever was granted all of them could "
                    "invoke it; rename one, or grant each adapter alone",
                )
                for beginning, other in self._known.reaches.items()
                if name.lower().startswith(beginning) and other != component
            ]
        return problems

    def take(self, name: str, what: What, path: str) -> None:
        """Register the owner of a name, by construct path; warn if a resource in another stack may have the same name."""
        key, owner = (what == "endpoint", name.lower()), _Owner(what=what, name=name, path=path)
        self._known.owners[key] = owner
        if self._perhaps is None:
            return
        other = self._perhaps.owners.setdefault(key, owner)
        if other is not owner and self._is_there(other):
            cdk.Annotations.of(self._stack).add_warning_v2(
                f"cdk-sglang:name-may-be-taken:{name}",
                f"{what} name {name!r} of {path} is that of {other.what} {other.path} too, and it is unknown whether both stacks are for one "
                "account and Region; give them env, or rename one",
            )

    def reach(self, path: str, beginning: str, component: str) -> list[Problem]:
        """Register a grant on every name with a prefix, or return what it would match in addition to the component's own adapters."""
        problems = [
            Problem(
                path,
                f"a grant on all adapters ({beginning}*) reaches {owner.what} {owner.name!r} of {owner.path} too; rename one, or grant "
                "each adapter alone",
            )
            for (is_endpoint, name), owner in self._known.owners.items()
            if not is_endpoint
            and name.startswith(beginning.lower())
            and not (owner.what == "adapter" and owner.path == component)
            and self._is_there(owner)
        ]
        if not problems:
            self._known.reaches[beginning.lower()] = component
        return problems

    def _is_there(self, owner: _Owner) -> bool:
        """Whether the owner is still in the construct tree: `node.try_remove_child` frees a name."""
        at: IConstruct | None = self._root
        for part in owner.path.split("/"):
            at = None if at is None else at.node.try_find_child(part)
        return at is not None


class _Owners:
    def __init__(self) -> None:
        self.owners: dict[tuple[bool, str], _Owner] = {}
        self.reaches: dict[str, str] = {}


_SOMEWHERE: Final = ("", "")
"""Key for all stacks whose account or Region is known only at deployment."""

_APPS: WeakKeyDictionary[IConstruct, dict[str | tuple[str, str], _Owners]] = WeakKeyDictionary()
"""By app, then by account and Region, or by the path of a stack. Constructs are not kept alive by it: the names of an app are freed with it."""
