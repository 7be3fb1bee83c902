"""Rights of a role on resources by their names, where the names are known only when the app is synthesised.

By name, and not by what names begin with: what is named `prod-chat-*` may be the endpoint's `prod-chat-eu` too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import IConstruct

from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.own_policy import give

_ARNS_PER_STATEMENT: Final = 40
"""Keeps a statement well below the 6,144 characters of a managed policy, into which CDK moves what is too much for an inline one
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, read 2026-11)."""

_BEFORE_THE_ROLES_OWN: Final = 100
"""CDK's priority of aspects that change things is 200; lower comes first."""


class LateAccess:
    """Some actions of one role: their resources are collected, and written into its policy when the app is synthesised.

    Args:
        role: The role.
        actions: What it may do with each resource.
        reason: Why ARNs of the resources end in a wildcard, where they do.
    """

    def __init__(self, role: iam.IRole, actions: Sequence[str], *, reason: str = "") -> None:
        self._role = role
        self._actions = list(actions)
        self._reason = reason
        self._sources: list[Callable[[], Sequence[str]]] = []
        self._written: set[str] = set()
        # Before the role's own aspect, which moves what is too much for an inline policy into managed ones.
        cdk.Aspects.of(role).add(_Write(self, role), priority=_BEFORE_THE_ROLES_OWN)

    def allow(self, arns: Callable[[], Sequence[str]]) -> None:
        """Allow the actions on resources, whose ARNs a function returns at synth."""
        self._sources.append(arns)

    def write(self) -> None:
        """Write into the role's policy the resources that were added since the last time."""
        every = dict.fromkeys(arn for arns in self._sources for arn in arns())
        added = [arn for arn in every if arn not in self._written]
        self._written.update(added)
        for begin in range(0, len(added), _ARNS_PER_STATEMENT):
            resources = added[begin : begin + _ARNS_PER_STATEMENT]
            give(self._role, iam.PolicyStatement(actions=self._actions, resources=resources))
        patterns = [arn for arn in added if arn.endswith("*")]
        if patterns:
            acknowledge_wildcards(cdk.Stack.of(self._role), self._role, patterns, self._reason)


@jsii.implements(cdk.IAspect)
class _Write:
    def __init__(self, access: LateAccess, role: iam.IRole) -> None:
        self._access = access
        self._role = role

    def visit(self, node: IConstruct) -> None:
        if node is self._role:  # and not its children
            self._access.write()
