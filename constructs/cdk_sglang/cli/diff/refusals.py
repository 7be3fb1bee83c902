"""Resources at which AWS refuses a deployment: those whose successor would have to share what no two resources share."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cdk_sglang.cli.diff.changes import Change, Key, Pair
from cdk_sglang.cli.diff.replacement import UNIQUE
from cdk_sglang.cli.diff.values import shown

_SUBNET: Final = "AWS::EC2::Subnet"
_ADDRESSES: Final = "CidrBlock"
ANOTHER_NETWORK: Final = (
    "in two deployments: first network: {vpc: none}, with which the endpoints leave the VPC, then the new network; or create a second environment "
    "in addition to this one"
)
"""Next step where a network cannot become another one in a single deployment."""


def refusals(pairs: Sequence[Pair], changes: Mapping[Key, Change]) -> Iterator[str]:
    """Yield why a deployment fails, one line for each resource, with the next step.

    Args:
        pairs: The stacks.
        changes: What a deployment does to resources, by stack and logical id.
    """
    for pair in pairs:
        if pair.after is None:
            continue
        resources = pair.after.template.get("Resources", {})
        for change in changes.values():
            if change.stack != pair.name or not change.certain or change.action not in {"created", "replaced"}:
                continue
            properties = resources[change.logical_id].get("Properties", {})
            if change.type == _SUBNET:
                yield from _subnet(change, properties, pair, changes)
            elif change.action == "replaced":
                yield from _unique(change, properties)


def _unique(change: Change, properties: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a replaced resource that keeps a property which no two resources share."""
    unique = UNIQUE.get(change.type)
    if unique is None or unique in change.properties or properties.get(unique) is None:
        return
    yield (
        f"{change.logical_id} ({change.type}) of {change.stack}: CloudFormation creates its successor first, and AWS refuses a second one with "
        f"{unique} {shown(properties[unique])}: the deployment fails; undo the change, or rename it"
    )


def _subnet(change: Change, properties: Mapping[str, Any], pair: Pair, changes: Mapping[Key, Change]) -> Iterator[str]:
    """Refuse a subnet whose addresses are those of a subnet that is deleted only after it is created, in the same VPC.

    InvalidSubnet.Conflict: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (read 2026-11).
    """
    if "VpcId" in change.properties or pair.before is None or not isinstance(properties.get(_ADDRESSES), str):
        return
    addresses = ipaddress.ip_network(properties[_ADDRESSES], strict=False)
    for name, body in pair.before.template.get("Resources", {}).items():
        before = body.get("Properties", {})
        if (
            body["Type"] != _SUBNET
            or before.get("VpcId") != properties.get("VpcId")
            or _is_new_vpc(before, change, changes)
        ):
            continue
        there = before.get(_ADDRESSES)
        if isinstance(there, str) and ipaddress.ip_network(there, strict=False).overlaps(addresses):
            yield (
                f"{change.logical_id} ({change.type}) of {change.stack}: CloudFormation creates it before it deletes {name}, and AWS refuses a second "
                f"one with {_ADDRESSES} {properties[_ADDRESSES]}{'' if there == properties[_ADDRESSES] else f' next to {there}'}: the deployment fails; "
                f"leave network.availability_zones as deployed, or change it {ANOTHER_NETWORK}"
            )
            return


def _is_new_vpc(subnet: Mapping[str, Any], change: Change, changes: Mapping[Key, Change]) -> bool:
    """Return whether the VPC of both subnets is a different one after the deployment."""
    vpc = subnet.get("VpcId")
    if not isinstance(vpc, Mapping) or not isinstance(vpc.get("Ref"), str):
        return False
    found = changes.get((change.stack, vpc["Ref"]))
    return found is not None and found.action in {"created", "replaced"}
