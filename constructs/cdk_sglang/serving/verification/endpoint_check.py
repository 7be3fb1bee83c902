"""A deployment is complete when the specified configuration is live and answers, not when CloudFormation reports success.

SageMaker can roll back an update without an error, and CloudFormation then goes on as if it had worked (docs/adr/0030).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aws_cdk as cdk
from constructs import Construct, IConstruct

from cdk_sglang.serving.shared.dependencies import lazy_dependency
from cdk_sglang.serving.shared.lazies import lazy_any
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.tokens import is_token
from cdk_sglang.serving.verification.functions import VerificationFunctions
from cdk_sglang.spec.task import Task
from cdk_sglang.spec.verification import SmokeRequest, Verification

VERIFICATION_ID: Final = "Truth"
"""Prefix of the ids of an endpoint's own resources; changing it would replace them in every deployed stack."""

_PER_RESOURCE: Final = 40
"""Maximum number of components of one resource. Their properties form a Lambda event, which may have 256 KiB
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html) and in an update also contains the previous properties. They are checked
in one invocation."""

_ADAPTERS_ASKED: Final = 20
"""Maximum number of adapters of a component that are invoked: with more, the names of forty components would not fit into an event."""

_NAMES_MAX: Final = 400
"""Maximum number of names that the functions' role is granted individually, about 40,000 characters: a role allows 71,680 in one inline policy and
ten managed ones (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, read 2026-11)."""

_LONG: Final = 64


@dataclass(frozen=True, kw_only=True)
class VerifiedEndpoint:
    """An endpoint as its verification sees it.

    Args:
        scope: Construct in which the resources of the verification are created.
        resource: The endpoint, which is deployed before it is verified.
        name: Name of the endpoint.
        config_name: Name of the endpoint configuration that must be in use.
        image_uri: Image that every model must have.
        arns: ARNs of the endpoint's account and Region.
    """

    scope: Construct
    resource: cdk.CfnResource
    name: str
    config_name: str
    image_uri: str
    arns: SageMakerArns


class SwitchedEnvironment(Protocol):
    """The part of a draft that the verification uses: environment variables that exist only while a version of the draft is served."""

    def environment_json(self, environment: Mapping[str, str]) -> float:
        """Return an environment with and without the draft's variables, as a token for JSON inside JSON."""


@dataclass(frozen=True, kw_only=True)
class VerifiedModel:
    """A model of a component.

    Args:
        name: Name of the model.
        environment: Environment variables of its container.
        instance_types: Instance types that are served by this model.
        draft: Draft that adds variables while a version of it is served; None if there is none.
    """

    name: str
    environment: Mapping[str, str]
    instance_types: Sequence[str]
    draft: SwitchedEnvironment | None = None


@dataclass(frozen=True, kw_only=True)
class VerifiedComponent:
    """A component as its verification sees it.

    Args:
        name: Name of the component.
        resources: Resources that are deployed before the component is verified: the component, and its scaling.
        models: Its models, in order of preference of their instance types.
        instance_types: Instance types with their own specification; empty if one specification applies to all.
        copy_bounds: Minimum and maximum number of copies.
        scaling_bounds: Bounds that its scaling target may have, including those of schedules; empty if there is no target.
        startup_seconds: Maximum time that a copy takes to start.
        fingerprint: Digest of everything else in its specification. It is not read; it makes CloudFormation verify again when it changes.
        smoke: The request to the component; None for that of the endpoint's verification.
        task: Task of its requests, which decides the default request.
        sees: Whether it takes images; the default request then contains one.
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
    task: Task = "chat"
    sees: bool = False


class _Part:
    """Components that one resource verifies."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.resource: cdk.CfnResource | None = None


class EndpointVerification:
    """The verification of one endpoint: one resource for every forty components.

    A plain object, not a construct. Components are collected in Python and passed to CDK at synth: with a hundred components, calls into
    jsii would take most of the time of a synth.
    """

    def __init__(self, endpoint: VerifiedEndpoint, verification: Verification) -> None:
        self._endpoint = endpoint
        self._verification = verification
        self._functions: VerificationFunctions | None = None
        self._components: dict[str, dict[str, Any]] = {}
        self._roots: dict[str, list[IConstruct]] = {}
        self._adapters: dict[str, list[str]] = {}
        self._parts: list[_Part] = []
        self._part_of: dict[str, _Part] = {}

    def add(self, component: VerifiedComponent) -> None:
        """Also verify a component, after its resources have been deployed."""
        endpoint, name = self._endpoint, component.name
        # Created with the first component, not earlier: if the settings have an error, no files of functions may be left behind.
        if self._functions is None:
            self._functions = VerificationFunctions.of(endpoint.scope)
            self._functions.allow_endpoint(endpoint.name, endpoint.arns, self._allowed, scales=self._scales)
        if len(self._components) % _PER_RESOURCE == 0:
            self._parts.append(self._make_part(f"{VERIFICATION_ID}{len(self._parts)}", len(self._parts)))
        self._components[name] = _rendered(component, self._verification.smoke)
        self._adapters[name] = []
        self._roots[name] = list(component.resources)
        self._part_of[name] = self._parts[-1]
        self._parts[-1].names.append(name)

    def add_adapter(self, component_name: str, adapter_name: str, resource: cdk.CfnResource) -> None:
        """Also verify an adapter, after it has been deployed; if a component has more than twenty, a sample of twenty is invoked.

        Args:
            component_name: Name of the component, which has been added.
            adapter_name: Name of the adapter in SageMaker.
            resource: Its CloudFormation resource.
        """
        self._adapters[component_name].append(adapter_name)
        self._roots[component_name].append(resource)

    def resource_of(self, component_name: str) -> cdk.CfnResource:
        """Return the resource whose deployment completes when the component has been verified."""
        resource = self._part_of[component_name].resource
        assert resource is not None
        return resource

    def separate(self, component_names: Collection[str]) -> None:
        """Verify components that have dependencies with separate resources, one each.

        They may depend on another component, and with it on the resource that verifies that component, which must not wait for them.

        Args:
            component_names: Names of components that have been added.
        """
        for part in self._parts:
            waiting = [name for name in part.names if name in component_names]
            if len(waiting) == len(part.names):
                waiting = waiting[1:]
            for name in waiting:
                part.names.remove(name)
                # Component names contain no colon, so the id cannot be that of a component.
                own = self._make_part(f"{VERIFICATION_ID}:{name}", name)
                own.names.append(name)
                self._part_of[name] = own

    def _allowed(self) -> list[str]:
        """Return the ARNs of the components, and of the adapters that are invoked."""
        adapters_by_component = {name: _sample(adapters) for name, adapters in self._adapters.items()}
        if len(adapters_by_component) + sum(map(len, adapters_by_component.values())) > _NAMES_MAX:
            adapters_by_component = {
                name: _by_pattern(name, adapters) for name, adapters in adapters_by_component.items()
            }
        names = [name for component, adapters in adapters_by_component.items() for name in (component, *adapters)]
        return self._endpoint.arns.allowed("inference-component", *names)

    def _scales(self) -> bool:
        """Return whether a component has a scaling target."""
        return any(component["scaling"] for component in self._components.values())

    def _rendered(self, part: _Part) -> list[dict[str, Any]]:
        sampled = [(self._components[name], _sample(self._adapters[name])) for name in part.names]
        return [{**component, "adapters": names} if names else component for component, names in sampled]

    def _make_part(self, construct_id: str, number: int | str) -> _Part:
        endpoint, part, functions = self._endpoint, _Part(), self._functions
        assert functions is not None
        specification = {
            "endpoint": endpoint.name,
            "config": endpoint.config_name,
            "part": number,
            "timeout_seconds": self._verification.timeout_seconds,
            "image": endpoint.image_uri,
            "smoke": (self._verification.smoke or SmokeRequest()).as_sent(),
            "components": lazy_any(lambda: self._rendered(part)),
        }
        part.resource = cdk.CfnResource(
            endpoint.scope,
            construct_id,
            type="Custom::CdkSglangTruth",
            properties={
                "ServiceToken": functions.service_token,
                "ServiceTimeout": 3600,
                "Asked": cdk.Stack.of(endpoint.scope).to_json_string(specification),
            },
        )
        part.resource.node.add_dependency(
            lazy_dependency(
                lambda: [
                    endpoint.resource,
                    functions.may_go_on,
                    *(root for name in part.names for root in self._roots[name]),
                ]
            )
        )
        return part


def _rendered(component: VerifiedComponent, smoke_of_all: SmokeRequest | None) -> dict[str, Any]:
    first, *others = component.models
    optional: dict[str, Any] = {}
    if component.smoke is not None or component.task != "chat" or component.sees:
        smoke = component.smoke or smoke_of_all or SmokeRequest()
        optional["smoke"] = smoke.as_sent(component.task, sees=component.sees)
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


def _by_pattern(component: str, adapters: Sequence[str]) -> list[str]:
    """Return a pattern for the adapters whose names begin with their component's name, and the names of the others."""
    others = [name for name in adapters if not name.lower().startswith(f"{component}-".lower())]
    return [*([f"{component}-*"] if len(others) < len(adapters) else []), *others]


def _sample(names: Sequence[str]) -> list[str]:
    """Return all names, or a stable sample of twenty that does not depend on their order."""
    if len(names) > _ADAPTERS_ASKED:
        names = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:_ADAPTERS_ASKED]
    return sorted(names)


def _model(model: VerifiedModel) -> dict[str, Any]:
    environment = {name: _short(value) for name, value in sorted(model.environment.items())}
    shown = environment if model.draft is None else model.draft.environment_json(environment)
    return {"model": model.name, "environment": shown}


def _short(value: str) -> str:
    """Return a value, or the digest of a long one."""
    if len(value) <= _LONG or is_token(value):
        return value
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
