"""Permissions that the library gives to its own roles: in the role itself, so that they need no separate resource.

A stack can have 500 resources, and CDK's policy of a role, its `DefaultPolicy`, is one. Permissions that an author grants go there as usual.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import IConstruct

POLICY_NAME: Final = "Library"
"""Name of the policy in the role."""

_INLINE_MAX: Final = 3_000
"""Maximum number of characters of the policy in the role.

Inline policies of a role may have 10,240 characters in total (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, read
2026-12-01), CDK lets a `DefaultPolicy` grow to 10,000 of them, and during an update that moves permissions into the role both policies exist
until CloudFormation cleans up. Permissions beyond this number of characters therefore stay in the `DefaultPolicy`.
"""
_ROLE_MAX: Final = 10_000
"""Maximum number of characters of a role's inline policies; the policy in the role counts twice, for the update that moves it there."""

_REFERENCE: Final = 170
"""Maximum number of characters that a reference to a resource may resolve to, such as the ARN of a log group with a long name."""

_PSEUDO_PARAMETERS: Final = {"AWS::Partition": 16, "AWS::Region": 16, "AWS::AccountId": 12, "AWS::URLSuffix": 24}
"""Maximum number of characters that CloudFormation's pseudo parameters may resolve to; the longest partition is `aws-us-gov`."""

_AFTER_LATE_ACCESS: Final = 150
"""Priority of the aspect: after those that add permissions at synth (100), before CDK's own, which moves what exceeds a `DefaultPolicy`
into managed policies (200)."""


class _OwnPolicy:
    """Permissions that the library gives one role.

    Args:
        references: Whether permissions on resources of the app may be in the role. They may not if authors can access the role: a key or a
            repository whose policy names the role would depend on the role, and the role on it.
    """

    def __init__(self, *, references: bool) -> None:
        self._references = references
        self._statements: list[iam.PolicyStatement] | None = []

    def add(self, role: iam.IRole, statement: iam.PolicyStatement) -> None:
        """Add a statement; if the role has already been written, to CDK's policy."""
        if self._statements is None:
            role.add_to_principal_policy(statement)
        else:
            self._statements.append(statement)

    def settle(self, role: iam.Role) -> None:
        """Write the statements into the role, or into CDK's policy if they cannot be in the role."""
        statements, self._statements = self._statements or [], None
        stack, resource = cdk.Stack.of(role), role.node.default_child
        rendered: list[Any] = stack.resolve([statement.to_statement_json() for statement in statements])
        kept = _kept(rendered, references=self._references)
        inside = sum(_size(content) for content, keep in zip(rendered, kept, strict=True) if keep)
        in_all = sum(map(_size, rendered)) + _default_size(stack, role)
        # A role that the author creates beforehand (`Role.customize_roles`) is not a resource of the stack.
        fits = inside + in_all <= _ROLE_MAX and isinstance(resource, iam.CfnRole)
        document = iam.PolicyDocument()
        for statement, keep in zip(statements, kept, strict=True):
            if fits and keep:
                document.add_statements(statement)
            else:
                role.add_to_principal_policy(statement)
        if not document.is_empty:
            assert isinstance(resource, iam.CfnRole)
            resource.policies = [iam.CfnRole.PolicyProperty(policy_name=POLICY_NAME, policy_document=document)]


_OWN: WeakKeyDictionary[IConstruct, _OwnPolicy] = WeakKeyDictionary()


def keep_rights_inside(role: iam.Role, *, references: bool = True) -> iam.Role:
    """Keep the permissions that `give` adds to a new role in the role itself, and return the role.

    The first 3,000 characters are in the role and the others in its `DefaultPolicy`. If the permissions would exceed IAM's limit together with
    those that authors granted, all of them are in the `DefaultPolicy`.

    Args:
        role: The role, which has no inline policies.
        references: Whether permissions on resources of the app may be in the role; they may not if authors can access the role.
    """
    _OWN[role] = own = _OwnPolicy(references=references)
    cdk.Aspects.of(role).add(_Settle(own, role), priority=_AFTER_LATE_ACCESS)
    return role


def give(role: iam.IRole, statement: iam.PolicyStatement) -> None:
    """Add a statement to the library's permissions of a role; if the role is the author's, to its `DefaultPolicy`."""
    own = _OWN.get(role)
    if own is None:
        role.add_to_principal_policy(statement)
    else:
        own.add(role, statement)


def _kept(statements: Sequence[object], *, references: bool) -> list[bool]:
    """Return which resolved statements are in the role: the first ones up to the limit, so that later statements do not move earlier ones."""
    kept, room = [], _INLINE_MAX
    for content in statements:
        may_be = references or not _refers(content)
        room -= _size(content) if may_be else 0
        kept.append(may_be and room >= 0)
    return kept


def _refers(content: object) -> bool:
    """Return whether a resolved value contains an attribute of a resource, such as the ARN of a key, repository or bucket."""
    if isinstance(content, dict):
        return "Fn::GetAtt" in content or any(map(_refers, content.values()))
    return isinstance(content, list) and any(map(_refers, content))


def _size(content: object) -> int:
    """Return the maximum number of characters of a resolved value, without white space, which IAM does not count."""
    if isinstance(content, dict):
        if len(content) == 1 and next(iter(content)).startswith(("Ref", "Fn::")):
            ((kind, value),) = content.items()
            return _size(value[1]) if kind == "Fn::Join" else _PSEUDO_PARAMETERS.get(str(value), _REFERENCE)
        return 2 + sum(_size(key) + _size(value) + 2 for key, value in content.items())
    if isinstance(content, list):
        return 2 + sum(_size(one) + 1 for one in content)
    return len(json.dumps(content))


def _default_size(stack: cdk.Stack, role: iam.Role) -> int:
    policy = role.node.try_find_child("DefaultPolicy")
    return _size(stack.resolve(policy.document)) if isinstance(policy, iam.Policy) else 0


@jsii.implements(cdk.IAspect)
class _Settle:
    def __init__(self, own: _OwnPolicy, role: iam.Role) -> None:
        self._own = own
        self._role = role

    def visit(self, node: IConstruct) -> None:
        if node is self._role:  # and not its children
            self._own.settle(self._role)
