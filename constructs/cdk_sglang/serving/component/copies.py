"""Keeping copies during updates: a component that scales is updated with its current number of copies.

CloudFormation sends `RuntimeConfig.CopyCount` with every update of a component and cannot read it (docs/adr/0031).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.serving.component.context import ComponentContext
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.custom_resources import make_answering_function
from cdk_sglang.serving.shared.helper_functions import shared_log_options
from cdk_sglang.serving.shared.late_access import LateAccess
from cdk_sglang.serving.shared.lazies import lazy_text
from cdk_sglang.serving.shared.singletons import singleton

if TYPE_CHECKING:
    from aws_cdk import aws_sagemaker as sagemaker

_ID: Final = "CdkSglangCopies"
_TIMEOUT: Final = cdk.Duration.minutes(5)
"""Eight attempts of at most 25 s each, and the pauses between them."""
_SERVICE_TIMEOUT_SECONDS: Final = 600


class LiveCopies(Construct):
    """The function that returns a component's number of copies: one per stack, called by one resource per component."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        log_options = shared_log_options(self)
        function = make_answering_function(
            self,
            "Function",
            source="copies",
            description="Says how many copies an inference component has, so that an update keeps them",
            timeout=_TIMEOUT,
            log_options=log_options,
            statements=[],
        )
        self._service_token = function.function_arn
        role = function.role
        assert isinstance(role, iam.Role)
        self._components = LateAccess(role, permissions.DESCRIBE_COMPONENT)

    @staticmethod
    def of(scope: Construct) -> LiveCopies:
        """Return the stack's function, creating it on first use."""
        return singleton(scope, _ID, LiveCopies, LiveCopies)

    def count(
        self,
        component: ComponentContext,
        model_names: Sequence[str],
        alarm_names: Sequence[str],
        *,
        resource: Callable[[], sagemaker.CfnInferenceComponent],
    ) -> float:
        """Return, as a token, the number of copies to send with an update of a component.

        The custom resource has the properties of the component that an update can change, so the function runs in exactly those updates that
        change the component. In other updates its result would itself change the component; without it, an old number would be sent.

        Args:
            component: The component.
            model_names: Names of its models.
            alarm_names: Names of the alarms in its deployment configuration.
            resource: Returns the component's resource, which is read at synth.
        """
        endpoint, component_name = component.endpoint, component.name
        fewest, most = component.plan.copy_bounds
        self._components.allow(lambda: endpoint.arns.allowed("inference-component", component_name))
        live = cdk.CfnResource(
            component.scope,
            "LiveCopies",
            type="Custom::CdkSglangCopies",
            properties={
                "ServiceToken": self._service_token,
                "ServiceTimeout": _SERVICE_TIMEOUT_SECONDS,
                "Component": component_name,
                # A reference, so that the number is read after the endpoint's own update, which may take hours.
                "Endpoint": endpoint.reference,
                "Model": model_names[0] if len(model_names) == 1 else list(model_names),
                "Initial": component.plan.copies,
                "Fewest": fewest,
                "Most": most,
                "Alarms": list(alarm_names),
                "Fingerprint": lazy_text(lambda: _fingerprint(resource())),
            },
        )
        return float(cdk.Token.as_number(live.get_att("Copies")))


def _fingerprint(resource: sagemaker.CfnInferenceComponent) -> str:
    """Return a digest of all properties of a component in the template, including tags, except its number of copies."""
    properties = cdk.Stack.of(resource).resolve(resource._cfn_properties)  # noqa: SLF001  protected in TypeScript, as rendered
    compared = {name: value for name, value in properties.items() if name not in {"runtimeConfig", "RuntimeConfig"}}
    return hashlib.sha256(json.dumps(compared, sort_keys=True, default=str).encode()).hexdigest()[:16]
