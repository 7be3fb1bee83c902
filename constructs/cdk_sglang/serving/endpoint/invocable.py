"""What callers may do with an endpoint or a component, whether this app or another one creates it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.metrics.classic import VARIANT_NAME
from cdk_sglang.serving.alarms.component_metrics import ComponentMetricMethods, ComponentMetrics
from cdk_sglang.serving.alarms.endpoint_metrics import EndpointMetricMethods, EndpointMetrics
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.invocation import grant, grant_invoke
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk.interfaces import aws_sagemaker as references

    from cdk_sglang.serving.alarms.metric_methods import MetricOptions


@jsii.implements(sagemaker.IEndpoint)
class InvocableEndpoint(EndpointMetricMethods, cdk.Resource):
    """An endpoint that can be referenced, monitored and invoked; CDK's constructs accept it as `aws_sagemaker.IEndpoint`.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        endpoint_name: Name of the endpoint.
        arns: ARNs of the endpoint's account and Region.

    Attributes:
        variant_name: Name of the endpoint's only production variant.
        metrics: Metrics of the endpoint, of each of its GPUs, and of SGLang; those of the endpoint are also methods of the construct.
    """

    def __init__(self, scope: Construct, construct_id: str, *, endpoint_name: str, arns: SageMakerArns) -> None:
        # CDK may read the properties of `IEndpoint` as soon as the construct exists.
        self._arns = arns
        self._endpoint_name = endpoint_name
        self._invokers: list[iam.IGrantable] = []
        super().__init__(scope, construct_id)
        self.variant_name: str = VARIANT_NAME
        self.metrics = EndpointMetrics(endpoint_name=endpoint_name, region=arns.region, account=arns.account)

    def _published(self, name: str, options: MetricOptions) -> cloudwatch.Metric:
        return self.metrics.published(name, options)

    @property
    def endpoint_name(self) -> str:
        """Name of the endpoint."""
        return self._endpoint_name

    @property
    def endpoint_arn(self) -> str:
        """ARN of the endpoint, as SageMaker writes it."""
        return self._arns.written("endpoint", self._endpoint_name)

    @property
    def endpoint_ref(self) -> references.EndpointReference:
        """Reference to the endpoint, for CDK."""
        from aws_cdk.interfaces import aws_sagemaker as references

        return references.EndpointReference(endpoint_arn=self.endpoint_arn)

    @property
    def component_names(self) -> tuple[str, ...]:
        """Names of the endpoint's known components."""
        return ()

    @checked()
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke every component of the endpoint, including those added later, with or without streaming.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        self._invokers.append(grantee)
        return self.grant_components(grantee, *self.component_names)

    def grant_components(self, grantee: iam.IGrantable, *names: str) -> iam.Grant:
        """Let the grantee invoke components and adapters of the endpoint by name or name pattern, with or without streaming.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
            names: Names of components and adapters; `*` in a name stands for any characters.
        """
        return grant_invoke(grantee, self._arns, self.endpoint_name, *names)

    @checked()
    def grant_describe(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee read status, configuration and instances of the endpoint; its components have their own grant.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        return grant(grantee, permissions.DESCRIBE_ENDPOINT, self._arns.allowed("endpoint", self.endpoint_name))

    @checked()
    def grant_bearer_token(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee use the OpenAI-compatible path with bearer tokens, in addition to `grant_invoke`.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        return grant(grantee, permissions.CALL_WITH_BEARER_TOKEN, ["*"])


class InvocableComponent(ComponentMetricMethods, Construct):
    """A component that can be referenced, monitored and invoked.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        component_name: Name of the component in SageMaker.
        endpoint_name: Name of its endpoint.
        arns: ARNs of the account and Region.

    Attributes:
        component_name: Name of the component in SageMaker.
        endpoint_name: Name of its endpoint.
        component_arn: ARN of the inference component, as SageMaker writes it.
        metrics: Metrics of the component, of each of its GPUs, and of SGLang; those of the component are also methods of the construct.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, component_name: str, endpoint_name: str, arns: SageMakerArns
    ) -> None:
        super().__init__(scope, construct_id)
        self._arns = arns
        self.component_name: str = component_name
        self.endpoint_name: str = endpoint_name
        self.component_arn: str = arns.written("inference-component", component_name)
        self.metrics = ComponentMetrics(
            component_name=component_name, endpoint_name=endpoint_name, region=arns.region, account=arns.account
        )

    def _published(self, name: str, options: MetricOptions) -> cloudwatch.Metric:
        return self.metrics.published(name, options)

    @checked("{self.component_name}")
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee invoke this component, with or without streaming.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        return grant_invoke(grantee, self._arns, self.endpoint_name, self.component_name)

    @checked("{self.component_name}")
    def grant_describe(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let the grantee read status, specification and copies of this component.

        Args:
            grantee: Principal that receives the permission: a role, a user, a function.
        """
        return grant(
            grantee, permissions.DESCRIBE_COMPONENT, self._arns.allowed("inference-component", self.component_name)
        )
