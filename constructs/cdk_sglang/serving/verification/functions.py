"""The function that compares what is live with the specification: what it may do, and the provider that calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, wildcards
from cdk_sglang.serving.shared.helper_functions import shared_log_options
from cdk_sglang.serving.shared.late_access import LateAccess
from cdk_sglang.serving.shared.own_policy import give
from cdk_sglang.serving.shared.runtime_functions import make_function, make_provider
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.singletons import singleton

_ID: Final = "CdkSglangTruth"
"""Part of the logical ids of the functions; another one would replace them in every deployed stack."""

_PROVIDER_TIMEOUT: Final = cdk.Duration.minutes(59)
"""Above the longest verification (`spec.verification.TIMEOUT_MAX_MINUTES`), under the hour that CloudFormation waits."""
_QUERY_INTERVAL: Final = cdk.Duration.seconds(30)
_LOOK_TIMEOUT: Final = cdk.Duration.minutes(5)

_MANY_ADAPTERS: Final = (
    "adapters of one component, whose names begin with its own; IAM's limits on one role do not hold them by name"
)
_MODELS: Final = "CloudFormation makes the names of models; only those with the endpoint's tag are allowed"
_TARGETS: Final = (
    "application-autoscaling:DescribeScalableTargets has no resource type: "
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html"
)
_WAITER_INVOKES: Final = "the waiter may invoke any version of the framework's own two functions"


class VerificationFunctions(Construct):
    """The function that verifies deployments, and its provider: one of each in a stack, for all endpoints of it."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        log_options = shared_log_options(self)
        self._look = make_function(
            self,
            "Look",
            source="truth",
            entry="verify",
            description="Compares what an endpoint serves with what was asked, and asks its components one question",
            timeout=_LOOK_TIMEOUT,
            log_options=log_options,
            statements=[iam.PolicyStatement(actions=list(permissions.DESCRIBE_SCALING), resources=["*"])],
            wildcards=["*"],
            wildcard_reason=_TARGETS,
        )
        role = self._look.role
        assert isinstance(role, iam.Role)
        self._role = role
        self._components = LateAccess(
            role, (*permissions.DESCRIBE_COMPONENT, *permissions.SMOKE_REQUEST), reason=_MANY_ADAPTERS
        )
        self._provider = make_provider(
            self,
            "Provider",
            on_event=self._look,
            is_complete=self._look,
            query_interval=_QUERY_INTERVAL,
            total_timeout=_PROVIDER_TIMEOUT,
            log_options=log_options,
        )
        versions = []
        for part in ("framework-isComplete", "framework-onTimeout"):
            function = self._provider.node.find_child(part)
            assert isinstance(function, lambda_.Function)
            versions.append(f"{function.function_arn}:*")
        acknowledge_all(self._provider, wildcards(self, versions, _WAITER_INVOKES))
        self.service_token: str = self._provider.service_token

    @staticmethod
    def of(scope: Construct) -> VerificationFunctions:
        """Return the stack's functions, creating them on first use."""
        return singleton(scope, _ID, VerificationFunctions, VerificationFunctions)

    def allow_endpoint(self, endpoint_name: str, arns: SageMakerArns, components: Callable[[], Sequence[str]]) -> None:
        """Let the functions describe an endpoint, its components, adapters and models, and invoke the components and adapters.

        Args:
            endpoint_name: Name of the endpoint.
            arns: ARNs of the endpoint's account and Region.
            components: Returns, when the app is synthesised, the ARNs of its components and adapters.
        """
        endpoints, models = arns.allowed("endpoint", endpoint_name), arns.allowed("model", "*")
        self._components.allow(components)
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
