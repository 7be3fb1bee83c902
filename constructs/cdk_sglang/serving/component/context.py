"""What a component knows of its endpoint, and what the parts of a component know of it: frozen values, never the constructs being built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from cdk_sglang.serving.component.variants import ModelVariant
from cdk_sglang.serving.endpoint.invocable import InvocableEndpoint
from cdk_sglang.serving.endpoint.network import EndpointNetwork
from cdk_sglang.serving.image.image import ServingImage
from cdk_sglang.serving.rollout.alarm_reader import AlarmReader
from cdk_sglang.serving.shared.runtime_functions import LogOptions
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.taken_names import TakenNames
from cdk_sglang.serving.verification.endpoint_check import EndpointVerification
from cdk_sglang.serving.weights.access import WeightsAccess
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.endpoint_rollout import EndpointRollout
from cdk_sglang.spec.rollout import ComponentRollout

if TYPE_CHECKING:  # what not every endpoint has is loaded with the first that has it
    from cdk_sglang.serving.alarms.alarms import Alarms
    from cdk_sglang.spec.alarms import NoAlarms
    from cdk_sglang.spec.schedules import NightlyStop


class ModelScopes:
    """Parents of an endpoint's models: models that wait for the same construct share a parent, which states the dependency once.

    Stated for each of a hundred models, the same dependency is a twentieth of their synth.

    Args:
        scope: The endpoint.
        role: Execution role of the endpoint, which every model waits for.
    """

    def __init__(self, scope: Construct, role: iam.Role) -> None:
        self._scope = scope
        self._role = role
        self._scopes: dict[int, tuple[IConstruct | None, Construct]] = {}

    def after(self, ready: IConstruct | None) -> Construct:
        """Return the parent of models that wait for the endpoint's role, and for `ready`."""
        if id(ready) not in self._scopes:
            parent = Construct(self._scope, "Models" if ready is None else f"Models{ready.node.id}")
            parent.node.add_dependency(self._role, *(() if ready is None else (ready,)))
            self._scopes[id(ready)] = ready, parent  # with `ready`, whose id is its own as long as it is kept
        return self._scopes[id(ready)][1]


@dataclass(frozen=True, kw_only=True)
class EndpointContext:
    """An endpoint as its components need it, asked of CDK once: every question takes a good part of a millisecond.

    Attributes:
        scope: The endpoint, which is the parent of its components.
        name: Name of the endpoint, as given.
        reference: Name of the endpoint as a reference to its resource, so that what names it waits for it.
        variant_name: Production variant of the endpoint.
        path: Construct path of the endpoint, for messages.
        region: Region of the stack; may be a token.
        capacity: Instance types and their bounds.
        image: Serving container.
        image_uri: URI of the container, known at deployment.
        role: Execution role of the endpoint and its components.
        role_arn: ARN of that role.
        network: Subnets and security groups; None for SageMaker's own network.
        network_isolation: Whether containers get neither network nor credentials.
        arns: ARNs of the stack's account and Region.
        names: Names that the account and Region have already.
        alarms: Whom alarms notify; None if unspecified.
        alarm_reader: Lets SageMaker read the alarms of a rollout.
        nightly_stop: Hours without copies; None for no such hours.
        rollout: How a new configuration reaches the instances; None for SageMaker's own way.
        log_options: Retention, key and removal of log groups.
        log_key_arn: ARN of the log groups' key; None without one.
        weights: Reading rights of the role on weights.
        models: Parents of the models.
        verification: Verification after each deployment; None if it is left out.
    """

    scope: InvocableEndpoint
    name: str
    reference: str
    variant_name: str
    path: str
    region: str
    capacity: Capacity
    image: ServingImage
    image_uri: str
    role: iam.Role
    role_arn: str
    network: EndpointNetwork | None
    network_isolation: bool
    arns: SageMakerArns
    names: TakenNames
    alarms: Alarms | NoAlarms | None
    alarm_reader: AlarmReader
    nightly_stop: NightlyStop | None
    rollout: EndpointRollout | None
    log_options: LogOptions
    log_key_arn: str | None
    weights: WeightsAccess
    models: ModelScopes
    verification: EndpointVerification | None


@dataclass(frozen=True, kw_only=True)
class ComponentContext:
    """A component as its resources need it.

    Attributes:
        scope: The component.
        endpoint: Its endpoint.
        short_name: Name of the component on its endpoint.
        name: Name of the component in SageMaker.
        copies: Copies at the first deployment.
        copy_bounds: Fewest and most copies that scaling and its schedules may set.
        variants: Model and options for each set of instance types whose options differ.
        gpus_by_type: GPUs of a copy by instance type.
        environments: Environment variables of the container, one mapping for each of `variants`.
        rollout: How a new version reaches the copies; None for all at once.
    """

    scope: Construct
    endpoint: EndpointContext
    short_name: str
    name: str
    copies: int
    copy_bounds: tuple[int, int]
    variants: Sequence[ModelVariant]
    gpus_by_type: Mapping[str, int]
    environments: Sequence[Mapping[str, str]]
    rollout: ComponentRollout | None
