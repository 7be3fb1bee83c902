"""Permissions of a role on resources by name, if the names are known only at synth.

Permissions use full names, not prefixes: `prod-chat-*` would also match resources of the endpoint `prod-chat-eu`.
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
"""Keeps a statement well below the 6,144 characters of a managed policy, into which CDK moves what exceeds an inline policy
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, read 2026-11)."""

_BEFORE_THE_ROLES_OWN: Final = 100
"""CDK's priority of mutating aspects is 200; lower priorities run first."""


class LateAccess:
    """Actions that one role may perform: their resources are collected, and written into its policy at synth.

    Args:
        role: The role.
        actions: Actions that it may perform on each resource.
        reason: Reason for ARNs of the resources that end in a wildcard.
    """

    def __init__(self, role: iam.IRole, actions: Sequence[str], *, reason: str = "") -> None:
        self._role = role
        self._actions = list(actions)
        self._reason = reason
        self._sources: list[Callable[[], Sequence[str]]] = []
        self._written: set[str] = set()
        # Before the role's own aspect, which moves what exceeds an inline policy into managed ones.
        cdk.Aspects.of(role).add(_Write(self, role), priority=_BEFORE_THE_ROLES_OWN)

    def allow(self, arns: Callable[[], Sequence[str]]) -> None:
        """Allow the actions on resources, whose ARNs a function returns at synth."""
        self._sources.append(arns)

    def write(self) -> None:
        """Write the resources that were added since the last call into the role's policy."""
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
