"""In which order foundation and fleet are deployed: endpoints leave a network before the foundation removes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cdk_sglang.cli.assembly import FOUNDATION, Stack
from cdk_sglang.cli.diff.changes import Change, Key, Pair
from cdk_sglang.cli.diff.context import deletion
from cdk_sglang.cli.diff.refusals import ANOTHER_NETWORK
from cdk_sglang.cli.diff.report import Order
from cdk_sglang.cli.diff.values import normal, parameter_values, references

_JOINED: Final = frozenset({"AWS::EC2::Subnet", "AWS::EC2::SecurityGroup"})
"""Resources that the network interfaces of instances use: AWS deletes neither while one is left (DependencyViolation,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html, read 2026-11). CloudFormation deletes last, tries three times, and then
leaves them behind, after it has deleted the VPC's endpoints (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html)."""
_PARAMETER: Final = "AWS::SSM::Parameter"


def deployment_order(pairs: Sequence[Pair], changes: Mapping[Key, Change]) -> Order:
    """Return the order in which a deployment has to proceed.

    Args:
        pairs: The stacks.
        changes: What a deployment does to resources, by stack and logical id.
    """
    foundation = next((pair for pair in pairs if pair.after is not None and pair.after.id == FOUNDATION), None)
    if foundation is None or foundation.before is None:
        return Order()
    mine = {name: change for (stack, name), change in changes.items() if stack == foundation.name}
    leaving = {
        name
        for name, one in mine.items()
        if one.type in _JOINED and one.action in {"removed", "replaced"} and one.certain
    }
    values = _values_of(foundation.before, leaving)
    inside = [
        pair for pair in pairs if pair is not foundation and pair.before is not None and _reads(pair.before) & values
    ]
    if not inside:
        return Order()
    problems = [*_staying(inside, values)]
    if not problems:
        problems += _waiting(pairs, foundation, mine)
    names = ", ".join(pair.name for pair in inside)
    why = f"fleet before foundation: {names} must leave the network that the foundation removes"
    return Order(fleet_first=not problems, why="" if problems else why, problems=tuple(problems))


def _staying(inside: Sequence[Pair], values: frozenset[str]) -> Iterator[str]:
    """Yield why a stack is still in the network after the fleet's deployment."""
    for pair in inside:
        assert pair.before is not None
        if pair.after is None:
            yield (
                f"{pair.name} is in the network that the foundation removes, and is no longer part of the environment; delete it first: "
                f"{deletion(pair.name, pair.before.region)}"
            )
        elif _reads(pair.after) & values:
            yield (
                f"{pair.name} is in the network that the foundation replaces: CloudFormation would delete the VPC endpoints under running copies, and "
                f"could not delete the old network; change the network {ANOTHER_NETWORK}"
            )


def _waiting(pairs: Sequence[Pair], foundation: Pair, mine: Mapping[str, Change]) -> Iterator[str]:
    """Yield what a fleet that is deployed first would need from the new foundation."""
    assert foundation.after is not None
    resources = foundation.after.template.get("Resources", {})
    new_names = {
        str(resources[name].get("Properties", {}).get("Name"))
        for name, change in mine.items()
        if change.type == _PARAMETER and (change.action in {"created", "replaced"} or "Value" in change.properties)
    }
    for pair in pairs:
        needed = set() if pair is foundation or pair.after is None else _reads(pair.after) & new_names
        if needed:
            yield (
                f"{pair.name} must leave the network before the foundation removes it, and needs of the new foundation {', '.join(sorted(needed))}; "
                "change the network alone and deploy, then the rest"
            )


def _values_of(foundation: Stack, resources: set[str]) -> frozenset[str]:
    """Return the names of the parameters with which the foundation publishes any of its resources."""
    parameters = parameter_values(foundation.template)
    return frozenset(
        str(body["Properties"].get("Name"))
        for body in foundation.template.get("Resources", {}).values()
        if body["Type"] == _PARAMETER
        and any(one.name in resources for one in references(normal(body["Properties"].get("Value"), parameters)))
    )


def _reads(stack: Stack) -> frozenset[str]:
    """Return the names of the SSM parameters that a stack reads."""
    return frozenset(value["Ssm"] for value in parameter_values(stack.template).values() if "Ssm" in value)
