"""The function that compares the live endpoint with the specification, and its permissions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, wildcards
from cdk_sglang.serving.shared.custom_resources import let_invoke_itself, make_answering_function
from cdk_sglang.serving.shared.helper_functions import shared_log_options
from cdk_sglang.serving.shared.late_access import LateAccess
from cdk_sglang.serving.shared.own_policy import give
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.singletons import singleton

_ID: Final = "CdkSglangTruth"
"""Part of the logical ids of the functions; changing it would replace them in every deployed stack."""

_TIMEOUT: Final = cdk.Duration.minutes(15)
"""Lambda's maximum. The function polls every half minute, and continues in another invocation if this is not enough."""

_MANY_ADAPTERS: Final = (
    "adapters of one component, whose names begin with its own; IAM's limits on one role do not hold them by name"
)
_MODELS: Final = "CloudFormation makes the names of models; only those with the endpoint's tag are allowed"
_TARGETS: Final = (
    "application-autoscaling:DescribeScalableTargets has no resource type: "
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html"
)


class VerificationFunctions(Construct):
    """The function that verifies deployments: one per stack, for all its endpoints."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        log_options = shared_log_options(self)
        function = make_answering_function(
            self,
            "Look",
            source="verification",
            description="Compares what an endpoint serves with what was asked, and asks its components one question",
            timeout=_TIMEOUT,
            log_options=log_options,
        )
        role = function.role
        assert isinstance(role, iam.Role)
        self._role = role
        self._components = LateAccess(
            role, (*permissions.DESCRIBE_COMPONENT, *permissions.SMOKE_REQUEST), reason=_MANY_ADAPTERS
        )
        self._scaling = LateAccess(role, permissions.DESCRIBE_SCALING, reason=_TARGETS)
        self.service_token: str = function.function_arn
        self.may_go_on: cdk.CfnResource = _resource_of(let_invoke_itself(self, "GoesOn", function))
        """Permission with which the function may take longer than one invocation."""

    @staticmethod
    def of(scope: Construct) -> VerificationFunctions:
        """Return the stack's functions, creating them on first use."""
        return singleton(scope, _ID, VerificationFunctions, VerificationFunctions)

    def allow_endpoint(
        self,
        endpoint_name: str,
        arns: SageMakerArns,
        components: Callable[[], Sequence[str]],
        *,
        scales: Callable[[], bool],
    ) -> None:
        """Let the functions describe an endpoint, its components, adapters, models and scaling, and invoke the components and adapters.

        Args:
            endpoint_name: Name of the endpoint.
            arns: ARNs of the endpoint's account and Region.
            components: Returns, at synth, the ARNs of its components and adapters.
            scales: Returns, at synth, whether any of its components has a scaling target.
        """
        endpoints, models = arns.allowed("endpoint", endpoint_name), arns.allowed("model", "*")
        self._components.allow(components)
        self._scaling.allow(lambda: ["*"] if scales() else [])
        for statement in (
            iam.PolicyStatement(actions=list(permissions.DESCRIBE_ENDPOINT), resources=endpoints),
            iam.PolicyStatement(actions=list(permissions.SMOKE_REQUEST), resources=endpoints),
            iam.PolicyStatement(
                actions=list(permissions.DESCRIBE_MODEL),
                resources=models,
                conditions={"StringEquals": {"aws:ResourceTag/cdk-sglang:endpoint": endpoint_name}},
            ),
        ):
            give(self._role, statement)
        acknowledge_all(self._role, wildcards(self, models, _MODELS))


def _resource_of(policy: iam.Policy) -> cdk.CfnResource:
    resource = policy.node.default_child
    assert isinstance(resource, cdk.CfnResource)
    return resource
