"""Physical names are one for each account and Region: the names that an app has given already, and who has them.

Endpoints have names of their own; components and adapters share theirs, so `llama` with adapter `triage` meets `llama-triage`.
Case does not count, as with SageMaker (`sagemaker_arns`).
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
    """Construct path of the endpoint or the component; of an adapter, which is no construct, that of its component."""


class TakenNames:
    """The names of one account and Region in one app; of one stack, where either is known at deployment alone.

    Args:
        root: What the paths begin at; kept, since its names are kept as long as it is.
        stack: Stack that names are taken in.
        owners: The names.
        perhaps: Names of all stacks whose account or Region is known at deployment alone; None for a stack whose both are known.
    """

    def __init__(self, root: IConstruct, stack: cdk.Stack, owners: _Owners, perhaps: _Owners | None) -> None:
        self._root = root
        self._stack = stack
        self._known = owners
        self._perhaps = perhaps

    @staticmethod
    def of(stack: cdk.Stack) -> TakenNames:
        """Return those of a stack's account and Region."""
        environment, root = (stack.account, stack.region), stack.node.root
        places = _APPS.setdefault(root, {})
        if not any(map(is_token, environment)):
            return TakenNames(root, stack, places.setdefault(environment, _Owners()), None)
        perhaps = places.setdefault(_SOMEWHERE, _Owners())
        return TakenNames(root, stack, places.setdefault(stack.node.path, _Owners()), perhaps)

    def problems(self, path: str, name: str, what: What, *, component: str | None = None) -> list[Problem]:
        """Say who has a name already, or who may be invoked by whom it is not meant for; an empty list when it is free.

        Args:
            path: What to put before each.
            name: The name.
            what: What it is for.
            component: Construct path of the component of an adapter.
        """
        problems = []
        owner = self._known.owners.get((what == "endpoint", name.lower()))
        if owner is not None and self._is_there(owner):
            problems.append(
                Problem(
                    path,
                    f"{what} name {name!r} is that of {owner.what} {owner.path} too; names are one for each account and Region: rename one",
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
        """Note whose a name is, by construct path; warn if it may be that of something in another stack."""
        key, owner = (what == "endpoint", name.lower()), _Owner(what=what, name=name, path=path)
        self._known.owners[key] = owner
        if self._perhaps is None:
            return
        other = self._perhaps.owners.setdefault(key, owner)
        if other is not owner and self._is_there(other):
            cdk.Annotations.of(self._stack).add_warning_v2(
                f"cdk-sglang:name-may-be-taken:{name}",
                f"{what} name {name!r} of {path} is that of {other.what} {other.path} too, and nobody knows whether both stacks are for one "
                "account and Region; give them env, or rename one",
            )

    def reach(self, path: str, beginning: str, component: str) -> list[Problem]:
        """Note that somebody may invoke every name with a beginning, or say whom that reaches besides a component's own adapters."""
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
        """Whether it is in the tree still: `node.try_remove_child` frees a name."""
        at: IConstruct | None = self._root
        for part in owner.path.split("/"):
            at = None if at is None else at.node.try_find_child(part)
        return at is not None


class _Owners:
    def __init__(self) -> None:
        self.owners: dict[tuple[bool, str], _Owner] = {}
        self.reaches: dict[str, str] = {}


_SOMEWHERE: Final = ("", "")
"""Place of all stacks whose account or Region is known at deployment alone."""

_APPS: WeakKeyDictionary[IConstruct, dict[str | tuple[str, str], _Owners]] = WeakKeyDictionary()
"""By app, and there by account and Region, or by the path of a stack. No construct is kept here: an app takes its names with it."""
