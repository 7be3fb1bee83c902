"""The functions that compare what is live with the specification: what they may do, and the provider that calls them."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, wildcards
from cdk_sglang.serving.shared.runtime_functions import LogOptions, make_function, make_provider
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.singletons import singleton

_ID: Final = "CdkSglangTruth"
"""Part of the logical ids of the functions; another one would replace them in every deployed stack."""

_PROVIDER_TIMEOUT: Final = cdk.Duration.minutes(59)
"""Above the longest verification (`spec.verification.TIMEOUT_MAX_MINUTES`), under the hour that CloudFormation waits."""
_QUERY_INTERVAL: Final = cdk.Duration.seconds(30)
_LOOK_TIMEOUT: Final = cdk.Duration.minutes(5)

_NAMES: Final = "components of the endpoint, whose names begin with its own; more come with later deployments"
_MODELS: Final = "CloudFormation makes the names of models; only those with the endpoint's tag are allowed"
_TARGETS: Final = (
    "application-autoscaling:DescribeScalableTargets has no resource type: "
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html"
)
_WAITER_INVOKES: Final = "the waiter may invoke any version of the framework's own two functions"
_WAITER_LOGS_ERRORS: Final = (
    "the waiter logs its errors; a full log would repeat the properties of the resource at every poll"
)


class VerificationFunctions(Construct):
    """The functions that verify deployments: one pair in a stack, for all endpoints of it."""

    def __init__(self, scope: Construct, construct_id: str, *, log_options: LogOptions) -> None:
        super().__init__(scope, construct_id)
        begin = make_function(
            self,
            "Begin",
            source="truth",
            entry="on_event",
            description="Notes when the check of a deployment began",
            timeout=cdk.Duration.minutes(1),
            log_options=log_options,
            statements=[],
        )
        self._look = make_function(
            self,
            "Look",
            source="truth",
            entry="is_complete",
            description="Compares what an endpoint serves with what was asked, and asks its components one question",
            timeout=_LOOK_TIMEOUT,
            log_options=log_options,
            statements=[iam.PolicyStatement(actions=list(permissions.DESCRIBE_SCALING), resources=["*"])],
            wildcards=["*"],
            wildcard_reason=_TARGETS,
        )
        self._provider = make_provider(
            self,
            "Provider",
            on_event=begin,
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
        acknowledge_all(
            self._provider,
            wildcards(self, versions, _WAITER_INVOKES),
            (["AwsSolutions-SF1"], _WAITER_LOGS_ERRORS),
        )
        self.service_token: str = self._provider.service_token

    @staticmethod
    def of(scope: Construct, *, log_options: LogOptions) -> VerificationFunctions:
        """Return the stack's functions, creating them on first use."""
        return singleton(
            scope,
            _ID,
            VerificationFunctions,
            lambda stack, name: VerificationFunctions(stack, name, log_options=log_options),
        )

    def allow_endpoint(self, endpoint_name: str, arns: SageMakerArns) -> None:
        """Let the functions describe an endpoint, its components and models, and invoke the components.

        Args:
            endpoint_name: Name of the endpoint, with which the names of its components begin.
            arns: ARNs of the endpoint's account and Region.
        """
        endpoints = arns.allowed("endpoint", endpoint_name)
        components = arns.allowed("inference-component", f"{endpoint_name}-*")
        models = arns.allowed("model", "*")
        self._allow(permissions.DESCRIBE_ENDPOINT, endpoints)
        self._allow(permissions.DESCRIBE_COMPONENT, components)
        self._allow(permissions.SMOKE_REQUEST, [*endpoints, *components])
        self._look.add_to_role_policy(
            iam.PolicyStatement(
                actions=list(permissions.DESCRIBE_MODEL),
                resources=models,
                conditions={"StringEquals": {"aws:ResourceTag/cdk-sglang:endpoint": endpoint_name}},
            )
        )
        role = self._look.role
        assert role is not None
        acknowledge_all(role, wildcards(self, components, _NAMES), wildcards(self, models, _MODELS))

    def allow_component(self, component_name: str, arns: SageMakerArns) -> None:
        """Let the functions describe and invoke a component whose name does not begin with that of its endpoint.

        Args:
            component_name: Name of the component.
            arns: ARNs of the component's account and Region.
        """
        components = arns.allowed("inference-component", component_name)
        self._allow((*permissions.DESCRIBE_COMPONENT, *permissions.SMOKE_REQUEST), components)

    def _allow(self, actions: tuple[str, ...], resources: list[str]) -> None:
        self._look.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=resources))
