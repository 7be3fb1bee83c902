"""Acknowledged findings of rule packs, each next to its resource and with a reason.

The ids are those of cdk-nag. Acknowledging is a feature of aws-cdk-lib, so the library works without cdk-nag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import aws_cdk as cdk
from constructs import Construct, IConstruct

CONTROL_PACKS: Final = ("NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321")
"""Rule packs that share their rule names (cdk-nag 3.0.2)."""

_INLINE_REASON: Final = (
    "a policy of one role belongs to that role: inline, it can neither be attached elsewhere nor outlive the role"
)


Accepted: TypeAlias = tuple[Iterable[str], str]
"""Findings and the reason for which they are accepted."""


def acknowledge(construct: IConstruct, findings: Iterable[str], reason: str) -> None:
    """Accept findings on a construct and its children."""
    acknowledge_all(construct, (findings, reason))


def acknowledge_all(construct: IConstruct, *accepted: Accepted) -> None:
    """Accept findings on a construct and its children, each group with its own reason, in one call to CDK."""
    every = [cdk.Acknowledgment(id=finding, reason=reason) for findings, reason in accepted for finding in findings]
    if every:
        cdk.Validations.of(construct).acknowledge(*every)


def in_packs(rule: str) -> list[str]:
    """Return the ids of one rule in every control pack."""
    return [f"{pack}-{rule}" for pack in CONTROL_PACKS]


def inline_policy() -> Accepted:
    """Return the finding that a role's own policy is inline, for `acknowledge_all` on the role."""
    return in_packs("IAMNoInlinePolicy"), _INLINE_REASON


def acknowledge_inline_policy(role: IConstruct) -> None:
    """Accept that a role's own policy is inline."""
    acknowledge_all(role, inline_policy())


def wildcards(scope: Construct, resources: Sequence[str], reason: str) -> Accepted:
    """Return the findings about ARNs that end in a wildcard, for `acknowledge_all`: one per ARN, as they are reported."""
    if not any("${Token[" in arn for arn in resources):  # no call to CDK is needed
        return [wildcard_finding(arn) for arn in resources], reason
    return [wildcard_finding(shown(arn)) for arn in cdk.Stack.of(scope).resolve(list(resources))], reason


def acknowledge_wildcards(scope: Construct, role: IConstruct, resources: Sequence[str], reason: str) -> None:
    """Accept ARNs that end in a wildcard."""
    acknowledge_all(role, wildcards(scope, resources, reason))


def wildcard_finding(arn: str) -> str:
    """Return the id of the finding about an ARN with a wildcard; the ARN must be in cdk-nag's notation."""
    return f"AwsSolutions-IAM5[Resource::{arn}]"


def shown(value: Any) -> str:
    """Return a CloudFormation value in cdk-nag's notation: `<LogicalId.Attribute>` for values that are known only at deployment."""
    if isinstance(value, str):
        return value
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(shown(part) for part in parts)
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case _:
            return str(value)
