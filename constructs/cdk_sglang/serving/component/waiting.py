"""Applies a component's dependencies and tags to its models, and its dependencies to the check of its weights.

CDK applies dependencies and tags to the constructs in a construct's tree. Models are elsewhere in the endpoint's tree, and one resource checks
the weights of a whole stack, so both are handled here. This happens at synth, because authors add both after the component is created.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
import jsii
from constructs import Construct, IConstruct, IDependable, Node

from cdk_sglang.serving.shared.dependencies import lazy_dependency
from cdk_sglang.serving.verification.endpoint_check import EndpointVerification
from cdk_sglang.serving.weights.prepared import PreparedModel

_AFTER_OTHERS: Final = 900
"""CDK's default priority of aspects is 500. Dependencies that an author's aspect adds to a component still come too late, because components are
visited after the endpoint's resource. They delay only the component itself."""


@dataclass(frozen=True, kw_only=True)
class WaitingComponent:
    """A component that may have dependencies.

    Attributes:
        scope: Its construct.
        node: Node of its construct.
        name: Name in SageMaker.
        resource: Its CloudFormation resource.
        models: Its models.
        prepared: Copy or check of its weights; None if there is none.
    """

    scope: Construct
    node: Node
    name: str
    resource: cdk.CfnResource
    models: Sequence[cdk.CfnResource]
    prepared: PreparedModel | None


class Waiting:
    """The components of one endpoint that may have dependencies.

    Args:
        endpoint: The endpoint.
        leaf: A construct in it without children, for which the aspect is called once.
        verification: Verification of the endpoint; None if it is disabled.
    """

    def __init__(self, endpoint: Construct, leaf: Construct, verification: EndpointVerification | None) -> None:
        self._endpoint = endpoint
        self._verification = verification
        self._components: list[WaitingComponent] = []
        cdk.Aspects.of(leaf).add(_Apply(self), priority=_AFTER_OTHERS)

    def add(self, component: WaitingComponent) -> None:
        """Register a component, which is inspected at synth."""
        self._components.append(component)

    def apply(self) -> None:
        """Apply the tags and dependencies that components were given since the last call to the constructs that belong to them."""
        components, self._components = self._components, []
        above = self._above() if components else []
        separate = []
        for component in components:
            _share_tags(component)
            waits = bool(component.node.dependencies)
            waited_for: list[IDependable] = []
            if waits:
                waited_for.append(_dependencies_of(component.node))
            if component.prepared is not None and (waits or above):
                waited_for.append(component.prepared.hold([component.scope, *above]))
            for model in component.models if waited_for else ():
                model.node.add_dependency(*waited_for)
            if waits or _waits(component.resource):
                separate.append(component.name)
        if self._verification is not None and separate:
            self._verification.separate(separate)

    def _above(self) -> list[IConstruct]:
        """Return the endpoint and its parents below the stack, if they have dependencies."""
        stack = cdk.Stack.of(self._endpoint)
        scopes = self._endpoint.node.scopes
        return [scope for scope in scopes[scopes.index(stack) + 1 :] if _waits(scope)]


def _share_tags(component: WaitingComponent) -> None:
    """Add the aspects that tag the component to its models; CDK visits the models later, after the endpoint's own aspects."""
    for applied in cdk.Aspects.of(component.scope).applied:
        if isinstance(applied.aspect, cdk.Tag | cdk.RemoveTag):
            for model in component.models:
                cdk.Aspects.of(model).add(applied.aspect, priority=applied.priority)


def _dependencies_of(node: Node) -> IDependable:
    return lazy_dependency(lambda: node.dependencies)


def _waits(construct: IConstruct) -> bool:
    return bool(construct.node.dependencies)


@jsii.implements(cdk.IAspect)
class _Apply:
    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    def visit(self, node: IConstruct) -> None:
        del node  # the one it was added to
        self._waiting.apply()
