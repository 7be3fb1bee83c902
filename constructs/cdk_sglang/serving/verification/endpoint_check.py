"""A deployment is done when what was asked is live and answers, not when CloudFormation says so.

SageMaker can take an update back without an error, and CloudFormation then goes on as if it had worked (docs/adr/0030).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
import jsii
from constructs import Dependable, DependencyGroup, IConstruct

from cdk_sglang.serving.shared.runtime_functions import LogOptions
from cdk_sglang.serving.shared.tokens import is_token
from cdk_sglang.serving.verification.check import TruthCheck
from cdk_sglang.serving.verification.functions import TruthFunctions

if TYPE_CHECKING:
    from cdk_sglang.serving.component.component import InferenceComponent
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint

TRUTH_ID: Final = "Truth"
"""Beginning of the ids of an endpoint's own resources."""

_PER_RESOURCE: Final = 40
"""Components of one resource: their properties travel twice through a Step Functions execution, which takes 256 KiB
(https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html), and are asked in one Lambda invocation."""

_LONG: Final = 64


@jsii.implements(cdk.IStableAnyProducer)
class _Components:
    """A list that is complete when the app is synthesised."""

    def __init__(self, produce: Callable[[], list[dict[str, Any]]]) -> None:
        self._produce = produce

    def produce(self) -> list[dict[str, Any]]:
        return self._produce()


class _Later(Dependable):
    """What a resource depends on, complete when the app is synthesised."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[IConstruct] = []

    @property
    def dependency_roots(self) -> list[IConstruct]:
        return self.roots


class EndpointTruth:
    """The check of one endpoint: one resource for every forty components.

    A plain value, not a construct. Components are collected in Python and handed over at synth: for a hundred of them, calls into
    jsii are what a synth takes its time for.
    """

    def __init__(self, endpoint: InferenceEndpoint, check: TruthCheck, *, log_options: LogOptions) -> None:
        self._endpoint = endpoint
        self._check = check
        self._log_options = log_options
        self._functions: TruthFunctions | None = None
        self._components: list[InferenceComponent] = []
        self._parts: list[_Later] = []
        self._part_of: dict[str, _Later] = {}

    def add(self, component: InferenceComponent) -> None:
        """Check a component too, after it and its scaling have been deployed."""
        # With the first component and not before: until then, a mistake in the settings must leave no files of functions behind.
        functions = self._functions = self._functions or TruthFunctions.of(
            self._endpoint, log_options=self._log_options
        )
        if not self._components:
            functions.allow(self._endpoint)
        if len(self._components) % _PER_RESOURCE == 0:
            self._add_part(functions.service_token)
        self._components.append(component)
        if not component.component_name.startswith(f"{self._endpoint.endpoint_name}-"):
            functions.allow_component(component)
        self._part_of[component.component_name] = self._parts[-1]
        self.wait_for(component, component.resource, *component.scaling_resources)

    def wait_for(self, component: InferenceComponent, *resources: cdk.CfnResource) -> None:
        """Look at a component only after these have been deployed too, such as its adapters."""
        self._part_of[component.component_name].roots += resources

    def _add_part(self, service_token: str) -> None:
        endpoint, part = self._endpoint, len(self._parts)
        first = part * _PER_RESOURCE
        asked = {
            "endpoint": endpoint.endpoint_name,
            "config": endpoint.config.attr_endpoint_config_name,
            "part": part,
            "timeout_seconds": self._check.timeout_minutes * 60,
            "image": endpoint.image_uri,
            "smoke": self._check.smoke.render(),
            "components": cdk.Lazy.any(
                _Components(
                    lambda: [self._rendered(component) for component in self._components[first : first + _PER_RESOURCE]]
                )
            ),
        }
        resource = cdk.CfnResource(
            endpoint,
            f"{TRUTH_ID}{part}",
            type="Custom::CdkSglangTruth",
            properties={
                "ServiceToken": service_token,
                "ServiceTimeout": 3600,
                "Asked": cdk.Stack.of(endpoint).to_json_string(asked),
            },
        )
        after, later = DependencyGroup(), _Later()
        later.roots.append(endpoint.resource)
        Dependable.implement(after, later)
        resource.node.add_dependency(after)
        self._parts.append(later)

    @staticmethod
    def _rendered(component: InferenceComponent) -> dict[str, Any]:
        fewest, most = component.copy_bounds
        own: dict[str, Any] = {} if component.smoke is None else {"smoke": component.smoke.render()}
        first, *others = [
            {"model": model, "environment": {name: _short(value) for name, value in sorted(environment.items())}}
            for model, environment in zip(component.model_names, component.environments, strict=True)
        ]
        if others:
            own["others"] = [
                {**other, "instance_types": [instance.name for instance in variant.instances]}
                for other, variant in zip(others, component.variants[1:], strict=True)
            ]
        return {
            "name": component.component_name,
            **first,
            "instance_types": list(component.specified_types),
            "copies": [fewest, most],
            "scaling": [] if component.scaling is None else [list(bounds) for bounds in component.scaling.all_bounds],
            "startup_seconds": component.startup_seconds,
            "fingerprint": component.fingerprint,  # read by nobody: what changes it makes CloudFormation ask again
            **own,
        }


def _short(value: str) -> str:
    """Return a value, or the digest of a long one."""
    if len(value) <= _LONG or is_token(value):
        return value
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
