"""What CloudFormation does to each resource when it goes from some templates to others, computed without AWS.

A resource changes if its own properties differ, or if they refer to a value that changes: everything of a replaced resource, the attributes
of a custom resource whose properties change, and SSM parameters, by which the stacks of an environment hand values to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from cdk_sglang.cli.assembly import Stack
from cdk_sglang.cli.diff.replacement import is_custom, replacing_properties
from cdk_sglang.cli.diff.values import Difference, Reference, differences, normal, parameter_values, references

Action = Literal["created", "updated", "replaced", "removed"]
Key = tuple[str, str]
"""Name of a stack, and logical id of a resource."""
Value = tuple[str, str, str, str]
"""Stack, kind, name and attribute of a value; the stack of parameters and exports is empty."""

_IGNORED: Final = "AWS::CDK::Metadata"
_PARAMETER: Final = "AWS::SSM::Parameter"
_COPIES: Final = "Custom::CdkSglangCopies"
"""Returns a component's live number of copies (serving/component/copies.py); new bounds alone leave its answer within them."""
_BOUNDS: Final = frozenset({"Initial", "Fewest", "Most"})


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One stack on both sides.

    Attributes:
        before: The stack as it is; None if it does not exist.
        after: The stack as it will be; None if a deployment does not touch it.
    """

    before: Stack | None
    after: Stack | None

    @property
    def name(self) -> str:
        """Name of the stack."""
        return self._any.name

    @property
    def _any(self) -> Stack:
        stack = self.after or self.before
        assert stack is not None
        return stack


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource.

    Attributes:
        stack: Name of its stack.
        logical_id: Its logical id.
        type: Its type.
        action: What CloudFormation does to it.
        differences: Values of its properties that differ by themselves.
        through: Values that its properties refer to and that change, by property, and whether they do in any case.
        certain: Whether it happens in any case, or only if something else changes that is known only at deployment.
        kept: Whether a removed or replaced resource is kept in the account.
    """

    stack: str
    logical_id: str
    type: str
    action: Action
    differences: tuple[Difference, ...] = ()
    through: Mapping[str, Mapping[Reference, bool]] = field(default_factory=dict)
    certain: bool = True
    kept: bool = False

    @cached_property
    def properties(self) -> frozenset[str]:
        """Names of the properties that change."""
        return frozenset({one.path[0] for one in self.differences} | set(self.through))

    def is_certain_in(self, names: frozenset[str]) -> bool:
        """Return whether any of these properties changes in any case."""
        return any(one.path[0] in names for one in self.differences) or any(
            any(parts.values()) for name, parts in self.through.items() if name in names
        )


def pair_stacks(before: Iterable[Stack], after: Iterable[Stack]) -> list[Pair]:
    """Return the stacks of two sides, those of one name, Region and account together; those of the second side first.

    A Region or account that one side does not know counts as the same.
    """
    rest = list(before)
    pairs = []
    for stack in after:
        found = next((one for one in rest if _same_place(one, stack)), None)
        if found is not None:
            rest.remove(found)
        pairs.append(Pair(before=found, after=stack))
    return pairs + [Pair(before=one, after=None) for one in rest]


def _same_place(one: Stack, other: Stack) -> bool:
    return one.name == other.name and all(
        mine is None or theirs is None or mine == theirs
        for mine, theirs in ((one.region, other.region), (one.account, other.account))
    )


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """A resource that both sides have."""

    key: Key
    body: Mapping[str, Any]
    other_type: bool
    differences: tuple[Difference, ...]
    references: Mapping[str, tuple[Reference, ...]]


def resource_changes(pairs: Sequence[Pair]) -> Mapping[Key, Change]:
    """Return what happens to the resources that a deployment touches; those it does not touch are left out.

    Args:
        pairs: The stacks.
    """
    deployed = [pair for pair in pairs if pair.after is not None]
    fixed: dict[Key, Change] = {}
    compared: list[_Compared] = []
    outputs: dict[str, tuple[str, tuple[Reference, ...]]] = {}
    for pair in deployed:
        old, new = _resources(pair.before), _resources(pair.after)
        for logical_id in dict.fromkeys([*old, *new]):
            key = (pair.name, logical_id)
            if logical_id not in old:
                fixed[key] = _change(key, new[logical_id], "created")
            elif logical_id not in new:
                fixed[key] = _change(key, old[logical_id], "removed", policy="DeletionPolicy")
            else:
                compared.append(_compare(key, old[logical_id], new[logical_id]))
        outputs |= _exports(pair)
    changed: dict[Value, bool] = {}
    while True:
        found = {one.key: change for one in compared if (change := _judge(one, changed)) is not None}
        values = dict(_values(found.values(), compared))
        for name, (stack, parts) in outputs.items():
            certainties = [certain for part in parts if (certain := _certainty(stack, part, values)) is not None]
            if certainties:
                values["", "export", name, ""] = any(certainties)
        if values == changed:
            return {**fixed, **found}
        changed = values


def _resources(stack: Stack | None) -> Mapping[str, Mapping[str, Any]]:
    """Return the resources of a stack with comparable properties, by logical id."""
    if stack is None:
        return {}
    parameters = parameter_values(stack.template)
    return {
        name: {**body, "Properties": normal(body.get("Properties", {}), parameters)}
        for name, body in stack.template.get("Resources", {}).items()
        if body["Type"] != _IGNORED
    }


def _exports(pair: Pair) -> Iterator[tuple[str, tuple[str, tuple[Reference, ...]]]]:
    assert pair.after is not None
    template = pair.after.template
    for output in template.get("Outputs", {}).values():
        name = output.get("Export", {}).get("Name")
        if isinstance(name, str):
            yield name, (pair.name, tuple(references(normal(output.get("Value"), parameter_values(template)))))


def _compare(key: Key, old: Mapping[str, Any], new: Mapping[str, Any]) -> _Compared:
    properties = new["Properties"]
    return _Compared(
        key=key,
        body=new,
        other_type=old["Type"] != new["Type"],
        differences=tuple(differences(old["Properties"], properties)),
        references={name: tuple(dict.fromkeys(references(value))) for name, value in properties.items()},
    )


def _judge(one: _Compared, changed: Mapping[Value, bool]) -> Change | None:
    stack = one.key[0]
    through: dict[str, Mapping[Reference, bool]] = {}
    certain = bool(one.differences) or one.other_type
    for name, parts in one.references.items():
        moved = {part: known for part in parts if (known := _certainty(stack, part, changed)) is not None}
        if moved:
            through[name] = moved
            certain = certain or any(moved.values())
    if not (one.differences or through or one.other_type):
        return None
    touched = {part.path[0] for part in one.differences} | set(through)
    replaced = one.other_type or bool(touched & replacing_properties(one.body["Type"]))
    return _change(
        one.key,
        one.body,
        "replaced" if replaced else "updated",
        differences=one.differences,
        through=through,
        certain=certain,
        policy="UpdateReplacePolicy" if replaced else "",
    )


def _change(key: Key, body: Mapping[str, Any], action: Action, *, policy: str = "", **known: Any) -> Change:
    # RetainExceptOnCreate keeps what a later deployment removes, too.
    kept = bool(policy) and body.get(policy, "Delete") != "Delete"
    return Change(stack=key[0], logical_id=key[1], type=body["Type"], action=action, kept=kept, **known)


def _values(changes: Iterable[Change], compared: Iterable[_Compared]) -> Iterator[tuple[Value, bool]]:
    """Yield the values that change with resources, and whether they do in any case."""
    bodies = {one.key: one.body for one in compared}
    for change in changes:
        whole = (change.stack, "resource", change.logical_id, "*")
        if change.action == "replaced":
            yield whole, change.certain and not is_custom(change.type)
        elif is_custom(change.type) and (change.type != _COPIES or not change.properties <= _BOUNDS):
            yield whole, False
        if change.type == _PARAMETER and "Value" in change.properties:
            name = bodies[change.stack, change.logical_id]["Properties"].get("Name")
            if isinstance(name, str):
                yield ("", "parameter", name, ""), change.certain


def _certainty(stack: str, part: Reference, changed: Mapping[Value, bool]) -> bool | None:
    """Return whether a reference's value certainly changes; None if it does not change."""
    if part.kind != "resource":
        return changed.get(("", part.kind, part.name, ""))
    return changed.get((stack, "resource", part.name, "*"))
