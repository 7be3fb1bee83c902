"""The endpoint as its components see it, and a component as its parts see it: frozen values, never the constructs being built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from cdk_sglang.planning import Hosting, ResolvedComponent
from cdk_sglang.serving.component.waiting import Waiting
from cdk_sglang.serving.endpoint.invocable import InvocableEndpoint
from cdk_sglang.serving.endpoint.options import EndpointOptions
from cdk_sglang.serving.rollout.alarm_reader import AlarmReader
from cdk_sglang.serving.shared.late_access import LateAccess
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.singletons import FoundSingletons
from cdk_sglang.serving.shared.taken_names import TakenNames
from cdk_sglang.serving.verification.endpoint_check import EndpointVerification
from cdk_sglang.serving.weights.access import WeightsAccess

if TYPE_CHECKING:  # what not every endpoint has is loaded with the first that has it
    from cdk_sglang.spec.capacity import Capacity


class ModelScopes:
    """Parents of an endpoint's models: models that depend on the same construct share a parent, which declares the dependency once.

    Declaring the same dependency for each of a hundred models takes a twentieth of their synth time.

    Args:
        scope: The endpoint.
        role: Execution role of the endpoint, which every model waits for.
    """

    def __init__(self, scope: Construct, role: iam.IRole) -> None:
        self._scope = scope
        self._role = role
        self._scopes: dict[int, tuple[IConstruct | None, Construct]] = {}

    def after(self, ready: IConstruct | None) -> Construct:
        """Return the parent of models that wait for the endpoint's role, and for `ready`."""
        if id(ready) not in self._scopes:
            parent = Construct(self._scope, "Models" if ready is None else f"Models{ready.node.id}")
            parent.node.add_dependency(self._role, *(() if ready is None else (ready,)))
            self._scopes[id(ready)] = ready, parent  # keep `ready`, so that its id is not reused
        return self._scopes[id(ready)][1]


@dataclass(frozen=True, kw_only=True)
class EndpointContext:
    """An endpoint as its components need it. Its values are read from CDK once, because every access takes a good part of a millisecond.

    Attributes:
        scope: The endpoint, which is the parent of its components.
        options: Options that the author chose for the endpoint.
        name: Name of the endpoint, as given.
        reference: Name of the endpoint as a reference to its resource, which creates a dependency on it.
        variant_name: Production variant of the endpoint.
        path: Construct path of the endpoint, for messages.
        image_uri: URI of the container, known only at deployment.
        role: Execution role of the endpoint and its components.
        role_arn: ARN of that role.
        arns: ARNs of the stack's account and Region.
        names: Names that are already taken in the account and Region.
        alarm_reader: Lets SageMaker read the alarms of a rollout.
        log_key_arn: ARN of the log groups' key; None if there is none.
        log_writing: Permissions of the role to write to log groups.
        component_logs_arn: Prefix of the ARNs of components' log groups.
        weights: Permissions of the role to read weights.
        models: Parents of the models.
        verification: Verification after each deployment; None if it is disabled.
        waiting: Applies the dependencies of components to the constructs that belong to them.
        found: Singletons of the stack that its components share.
    """

    scope: InvocableEndpoint
    options: EndpointOptions
    name: str
    reference: str
    variant_name: str
    path: str
    image_uri: str
    role: iam.IRole
    role_arn: str
    arns: SageMakerArns
    names: TakenNames
    alarm_reader: AlarmReader
    log_key_arn: str | None
    log_writing: LateAccess
    component_logs_arn: str
    weights: WeightsAccess
    models: ModelScopes
    verification: EndpointVerification | None
    waiting: Waiting
    found: FoundSingletons

    @property
    def hosting(self) -> Hosting:
        """Settings of the endpoint that decide how its components run."""
        return self.options.hosting

    @property
    def log_options(self) -> LogOptions:
        """Retention, key and removal of log groups."""
        return self.options.log_options

    @property
    def capacity(self) -> Capacity:
        """Instance types and their bounds."""
        return self.hosting.capacity


@dataclass(frozen=True, kw_only=True)
class ComponentContext:
    """A component as its resources need it.

    Attributes:
        scope: The component.
        endpoint: Its endpoint.
        name: Name of the component in SageMaker.
        plan: The component, with every value resolved.
        environments: Environment variables of the container, one mapping for each of the plan's variants.
    """

    scope: Construct
    endpoint: EndpointContext
    name: str
    plan: ResolvedComponent
    environments: Sequence[Mapping[str, str]]
