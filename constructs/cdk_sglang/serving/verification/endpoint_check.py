"""A deployment is done when what was specified is live and answers, not when CloudFormation says so.

SageMaker can take an update back without an error, and CloudFormation then goes on as if it had worked (docs/adr/0030).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aws_cdk as cdk
from constructs import Construct, Dependable, DependencyGroup, IConstruct

from cdk_sglang.serving.shared.lazies import lazy_any
from cdk_sglang.serving.shared.runtime_functions import LogOptions
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.tokens import is_token
from cdk_sglang.serving.verification.functions import VerificationFunctions
from cdk_sglang.spec.verification import SmokeRequest, Verification

VERIFICATION_ID: Final = "Truth"
"""Beginning of the ids of an endpoint's own resources; another one would replace them in every deployed stack."""

_PER_RESOURCE: Final = 40
"""Components of one resource: their properties travel twice through a Step Functions execution, which takes 256 KiB
(https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html), and are checked in one Lambda invocation."""

_LONG: Final = 64


@dataclass(frozen=True, kw_only=True)
class VerifiedEndpoint:
    """An endpoint as its verification sees it.

    Args:
        scope: Construct in which the resources of the verification are created.
        resource: The endpoint, which is deployed before it is verified.
        name: Name of the endpoint.
        config_name: Name of the endpoint configuration that must serve.
        image_uri: Image that every model must have.
        arns: ARNs of the endpoint's account and Region.
    """

    scope: Construct
    resource: cdk.CfnResource
    name: str
    config_name: str
    image_uri: str
    arns: SageMakerArns


@dataclass(frozen=True, kw_only=True)
class VerifiedModel:
    """A model of a component.

    Args:
        name: Name of the model.
        environment: Environment variables of its container.
        instance_types: Instance types that are served by this model.
    """

    name: str
    environment: Mapping[str, str]
    instance_types: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class VerifiedComponent:
    """A component as its verification sees it.

    Args:
        name: Name of the component.
        resources: What is deployed before the component is verified: the component, and its scaling.
        models: Its models, that of the most wanted instance type first.
        instance_types: Instance types with a specification of their own; none where one specification is for all.
        copy_bounds: Fewest and most copies.
        scaling_bounds: Bounds that its scaling target may have, those of schedules included; none where no target exists.
        startup_seconds: Longest time that a copy takes to start.
        fingerprint: Digest of everything else in its specification; nobody reads it, but CloudFormation verifies again when it changes.
        smoke: The request to the component; that of the endpoint's verification if None.
    """

    name: str
    resources: Sequence[cdk.CfnResource]
    models: Sequence[VerifiedModel]
    instance_types: Sequence[str]
    copy_bounds: tuple[int, int]
    scaling_bounds: Sequence[tuple[int, int]]
    startup_seconds: int
    fingerprint: str
    smoke: SmokeRequest | None


class _Dependencies(Dependable):
    """What a resource depends on, complete when the app is synthesised."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[IConstruct] = []

    @property
    def dependency_roots(self) -> list[IConstruct]:
        return self.roots


class EndpointVerification:
    """The verification of one endpoint: one resource for every forty components.

    A plain value, not a construct. Components are collected in Python and handed over at synth: for a hundred of them, calls into
    jsii take most of the time of a synth.
    """

    def __init__(self, endpoint: VerifiedEndpoint, verification: Verification, *, log_options: LogOptions) -> None:
        self._endpoint = endpoint
        self._verification = verification
        self._log_options = log_options
        self._functions: VerificationFunctions | None = None
        self._components: list[dict[str, Any]] = []
        self._parts: list[_Dependencies] = []
        self._part_of: dict[str, _Dependencies] = {}

    def add(self, component: VerifiedComponent) -> None:
        """Verify a component too, after its resources have been deployed."""
        endpoint = self._endpoint
        # With the first component and not before: until then, a mistake in the settings must leave no files of functions behind.
        functions = self._functions = self._functions or VerificationFunctions.of(
            endpoint.scope, log_options=self._log_options
        )
        if not self._components:
            functions.allow_endpoint(endpoint.name, endpoint.arns)
        if len(self._components) % _PER_RESOURCE == 0:
            self._add_part(functions.service_token)
        self._components.append(_rendered(component))
        if not component.name.startswith(f"{endpoint.name}-"):
            functions.allow_component(component.name, endpoint.arns)
        self._part_of[component.name] = self._parts[-1]
        self.wait_for(component.name, *component.resources)

    def wait_for(self, component_name: str, *resources: cdk.CfnResource) -> None:
        """Verify a component only after these have been deployed too, such as its adapters."""
        self._part_of[component_name].roots += resources

    def _add_part(self, service_token: str) -> None:
        endpoint, part = self._endpoint, len(self._parts)
        first = part * _PER_RESOURCE
        specification = {
            "endpoint": endpoint.name,
            "config": endpoint.config_name,
            "part": part,
            "timeout_seconds": self._verification.timeout_seconds,
            "image": endpoint.image_uri,
            "smoke": (self._verification.smoke or SmokeRequest()).as_sent(),
            "components": lazy_any(lambda: self._components[first : first + _PER_RESOURCE]),
        }
        resource = cdk.CfnResource(
            endpoint.scope,
            f"{VERIFICATION_ID}{part}",
            type="Custom::CdkSglangTruth",
            properties={
                "ServiceToken": service_token,
                "ServiceTimeout": 3600,
                "Asked": cdk.Stack.of(endpoint.scope).to_json_string(specification),
            },
        )
        group, dependencies = DependencyGroup(), _Dependencies()
        dependencies.roots.append(endpoint.resource)
        Dependable.implement(group, dependencies)
        resource.node.add_dependency(group)
        self._parts.append(dependencies)


def _rendered(component: VerifiedComponent) -> dict[str, Any]:
    first, *others = component.models
    optional: dict[str, Any] = {}
    if component.smoke is not None:
        optional["smoke"] = component.smoke.as_sent()
    if others:
        optional["others"] = [{**_model(other), "instance_types": list(other.instance_types)} for other in others]
    return {
        "name": component.name,
        **_model(first),
        "instance_types": list(component.instance_types),
        "copies": list(component.copy_bounds),
        "scaling": [list(bounds) for bounds in component.scaling_bounds],
        "startup_seconds": component.startup_seconds,
        "fingerprint": component.fingerprint,
        **optional,
    }


def _model(model: VerifiedModel) -> dict[str, Any]:
    environment = {name: _short(value) for name, value in sorted(model.environment.items())}
    return {"model": model.name, "environment": environment}


def _short(value: str) -> str:
    """Return a value, or the digest of a long one."""
    if len(value) <= _LONG or is_token(value):
        return value
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
