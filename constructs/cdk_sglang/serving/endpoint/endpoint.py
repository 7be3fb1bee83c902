"""A SageMaker endpoint for SGLang models: instances that inference components share.

Deploying it starts `min_instances` GPU instances, which cost money from then on; updating its configuration replaces
instances one fleet at a time; deleting it stops them and keeps logs (unless told otherwise).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.engine import SglangOptions
from cdk_sglang.serving.alarms.alarms import chosen_alarms, warn_of_silence
from cdk_sglang.serving.alarms.idle_alarm import make_idle_alarm
from cdk_sglang.serving.component.component import InferenceComponent
from cdk_sglang.serving.component.context import EndpointContext, ModelScopes
from cdk_sglang.serving.endpoint.checks import check_endpoint, stack_of
from cdk_sglang.serving.endpoint.config import ConfiguredEndpoint, make_config
from cdk_sglang.serving.endpoint.execution_role import make_execution_role
from cdk_sglang.serving.endpoint.invocable import VARIANT_NAME, ImportedEndpoint, InvocableEndpoint
from cdk_sglang.serving.endpoint.network import EndpointNetwork
from cdk_sglang.serving.image.image import ServingImage
from cdk_sglang.serving.rollout.alarm_reader import AlarmReader
from cdk_sglang.serving.rollout.rendering import render_endpoint_rollout
from cdk_sglang.serving.rollout.rollback_alarms import make_rollback_alarms
from cdk_sglang.serving.shared.logs import COMPONENT_LOG_PREFIX, ENDPOINT_LOG_PREFIX, log_group_arns, make_log_group
from cdk_sglang.serving.shared.names import derived_name
from cdk_sglang.serving.shared.runtime_functions import LogOptions, days_of
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.taken_names import TakenNames
from cdk_sglang.serving.verification.endpoint_check import EndpointVerification, VerifiedEndpoint
from cdk_sglang.serving.weights.access import WeightsAccess
from cdk_sglang.serving.weights.model_source import ModelSource
from cdk_sglang.spec.alarms import NoAlarms
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.endpoint_rollout import EndpointRollout
from cdk_sglang.spec.idle_alarm import IdleAlarm
from cdk_sglang.spec.placement import Placement
from cdk_sglang.spec.resources import HostResources
from cdk_sglang.spec.rollout import ComponentRollout
from cdk_sglang.spec.routing import Routing
from cdk_sglang.spec.startup import StartupTimeouts
from cdk_sglang.spec.verification import NoVerification, SmokeRequest, Verification, chosen_verification

if TYPE_CHECKING:  # loading a service's constructs takes time, and this is only named in annotations
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_sns as sns

    from cdk_sglang.serving.alarms.alarms import Alarms
    from cdk_sglang.serving.capacity.reservation import ReservationGuard
    from cdk_sglang.spec.load import Load
    from cdk_sglang.spec.scaling import ComponentScaling
    from cdk_sglang.spec.schedules import NightlyStop
    from cdk_sglang.spec.slo import Slo


class InferenceEndpoint(InvocableEndpoint):
    """An endpoint on which SGLang models run side by side as inference components.

    Example:
        ```python
        endpoint = InferenceEndpoint(
            self, "Chat", capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2), image=ServingImage.from_dlc()
        )
        endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/"), server=SglangOptions(tp_size=1))
        ```

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        capacity: Instance types and bounds.
        image: Container of all its components, unless stated otherwise there.
        routing: To the copy with the fewest outstanding requests by default.
        network: Subnets and security groups; none by default, then SageMaker's own network.
        network_isolation: Containers get neither network nor credentials; on by default, since weights come from S3 through
            SageMaker itself.
        inference_ami: The one that suits the image's CUDA and the GPU by default.
        endpoint_name: Derived from the construct path by default, in lower case and up to 24 characters, so that components and adapters
            have room for theirs; literal, up to 63 characters.
        log_retention_days: 30 by default; one of the values CloudWatch Logs allows, as a number or as CDK names it.
        log_key: KMS key of the log groups; CloudWatch's own encryption by default.
        log_removal: Logs outlive the stack by default; those of models that never served go when their first deployment is rolled back.
        metric_frequency_seconds: How often utilisation is published; 60 by default, 10 costs more and reacts sooner.
        alarms: Where alarms go, a topic or `Alarms(topic=...)`, or `NoAlarms(reason=...)`; by default nobody is told, with a warning.
        idle_alarm: When idle GPUs are worth an alarm; after three hours by default.
        nightly_stop: Hours in which nothing runs and nothing is paid for; never by default.
        rollout: How a new configuration reaches the instances, and which alarms trigger a rollback; SageMaker's own way by default: a
            second fleet, all at once, no alarms.
        verification: What is compared with the specification before a deployment counts as done; everything by default, or
            `NoVerification(reason=...)`.
        truth_check: Earlier name of `verification`.

    Attributes:
        variant_name: Name of the endpoint's only production variant.
        endpoint_arn: ARN of the endpoint.
        verification: Verification after each deployment; None if it is left out.
        components: Components by their construct ids.
        role: Execution role of the endpoint and its components.
        image_uri: URI of the serving image, known at deployment.

    Raises:
        ConfigurationError: With every problem, before any resource exists.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        capacity: Capacity,
        image: ServingImage,
        routing: Routing | None = None,
        network: EndpointNetwork | None = None,
        network_isolation: bool = True,
        inference_ami: str | None = None,
        endpoint_name: str | None = None,
        log_retention_days: int | logs.RetentionDays = 30,
        log_key: kms.IKey | None = None,
        log_removal: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
        metric_frequency_seconds: int = 60,
        alarms: Alarms | NoAlarms | sns.ITopic | None = None,
        idle_alarm: IdleAlarm | None = None,
        nightly_stop: NightlyStop | None = None,
        rollout: EndpointRollout | None = None,
        verification: Verification | NoVerification | None = None,
        truth_check: Verification | NoVerification | None = None,
    ) -> None:
        routing = routing or Routing.least_outstanding_requests()
        verification = chosen_verification(construct_id, verification, truth_check)
        log_retention_days = days_of(f"{construct_id}.log_retention_days", log_retention_days)
        stack = stack_of(construct_id, scope)
        name = derived_name(scope, construct_id, stack) if endpoint_name is None else endpoint_name
        names = TakenNames.of(stack)
        check_endpoint(
            construct_id,
            region=stack.region,
            account=stack.account,
            name=name,
            names=names,
            capacity=capacity,
            image=image,
            routing=routing,
            inference_ami=inference_ami,
            log_retention_days=log_retention_days,
            log_removal=log_removal,
            metric_frequency_seconds=metric_frequency_seconds,
            rollout=rollout,
        )
        arns = SageMakerArns.of(stack)
        super().__init__(scope, construct_id, endpoint_name=name, arns=arns)
        names.take(name, "endpoint", self.node.path)
        self.capacity = capacity
        self.image = image
        self.alarms = chosen_alarms(alarms)
        self.log_options = LogOptions(retention_days=log_retention_days, key=log_key, removal=log_removal)
        self.components: dict[str, InferenceComponent] = {}
        self.role: iam.Role = make_execution_role(
            self,
            "ExecutionRole",
            log_group_arns=log_group_arns(stack, f"{ENDPOINT_LOG_PREFIX}{name}", f"{COMPONENT_LOG_PREFIX}{name}-*"),
            network=network,
        )
        self._alarm_reader = AlarmReader(self.role)
        self.image_uri: str = image.bind(self, self.role)
        log_key_arn = None if log_key is None else log_key.key_arn
        role_arn = self.role.role_arn
        guard = self._make_guard(role_arn)
        self.config = make_config(
            self,
            ConfiguredEndpoint(
                capacity=capacity,
                facts=image.facts,
                routing=routing,
                inference_ami=inference_ami,
                network=network,
                network_isolation=network_isolation,
                metric_frequency_seconds=metric_frequency_seconds,
                role=self.role,
                role_arn=role_arn,
                least_instances=self.least_instances,
                guard=guard,
            ),
        )
        self.resource = self._make_resource(rollout)
        self.resource.add_resource_dependency(self._make_log_group(log_key_arn))
        if guard is not None:
            guard.watch(self.resource)
        warn_of_silence(self, self.alarms)
        self.idle_alarm = make_idle_alarm(
            self, idle_alarm or IdleAlarm(), choice=self.alarms, endpoint_name=name, variant_name=VARIANT_NAME
        )
        cdk.Tags.of(self).add("cdk-sglang:endpoint", name)
        weights, models = WeightsAccess(self, self.role), ModelScopes(self, self.role)
        self.verification: EndpointVerification | None = self._make_verification(verification, arns)
        self._context = EndpointContext(
            scope=self,
            name=name,
            reference=self.resource.attr_endpoint_name,
            variant_name=VARIANT_NAME,
            path=self.node.path,
            region=stack.region,
            capacity=capacity,
            image=image,
            image_uri=self.image_uri,
            role=self.role,
            role_arn=role_arn,
            network=network,
            network_isolation=network_isolation,
            arns=arns,
            names=names,
            alarms=self.alarms,
            alarm_reader=self._alarm_reader,
            nightly_stop=nightly_stop,
            rollout=rollout,
            log_options=self.log_options,
            log_key_arn=log_key_arn,
            weights=weights,
            models=models,
            verification=self.verification,
        )

    def _make_resource(self, rollout: EndpointRollout | None) -> sagemaker.CfnEndpoint:
        return sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_name=self.endpoint_name,
            endpoint_config_name=self.config.attr_endpoint_config_name,
            deployment_config=None if rollout is None else self._deployment_config(rollout),
            # Managed scaling has changed the instances since the last deployment; without this, UpdateEndpoint sets them back to
            # InitialInstanceCount, and takes running copies away with them:
            # https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
            retain_all_variant_properties=True,
        )

    def _make_log_group(self, key_arn: str | None) -> logs.CfnLogGroup:
        return make_log_group(
            self,
            "Logs",
            name=f"{ENDPOINT_LOG_PREFIX}{self.endpoint_name}",
            retention_days=self.log_options.retention_days,
            key_arn=key_arn,
            removal=self.log_options.removal,
        )

    def _make_verification(self, verification: Verification, arns: SageMakerArns) -> EndpointVerification | None:
        if verification.none is not None:
            self.resource.add_metadata("cdk-sglang:no-truth-check", verification.none)
            return None
        verified = VerifiedEndpoint(
            scope=self,
            resource=self.resource,
            name=self.endpoint_name,
            config_name=self.config.attr_endpoint_config_name,
            image_uri=self.image_uri,
            arns=arns,
        )
        return EndpointVerification(verified, verification, log_options=self.log_options)

    @staticmethod
    @checked("{construct_id}")
    def from_endpoint_attributes(
        scope: Construct, construct_id: str, *, endpoint_name: str, component_names: Sequence[str]
    ) -> ImportedEndpoint:
        """Refer to an endpoint that another stack or app deploys, to invoke and to watch it.

        Args:
            scope: Parent, in a stack of the endpoint's account and Region.
            construct_id: Id, unique in the parent.
            endpoint_name: Name of the endpoint; may be known only at deployment.
            component_names: Names in SageMaker of the components that `grant_invoke` lets a grantee invoke, such as chat-llama.

        Raises:
            ConfigurationError: No component, or a name that SageMaker would refuse.
        """
        return ImportedEndpoint(scope, construct_id, endpoint_name=endpoint_name, component_names=component_names)

    @checked("{construct_id}")
    def add_component(
        self,
        construct_id: str,
        *,
        model: ModelSource,
        server: SglangOptions | None = None,
        copies: int | None = None,
        scaling: ComponentScaling | None = None,
        load: Load | None = None,
        slo: Slo | None = None,
        placement: Placement | None = None,
        component_name: str | None = None,
        resources: HostResources | None = None,
        startup: StartupTimeouts | None = None,
        environment: Mapping[str, str] | None = None,
        rollout: ComponentRollout | None = None,
        smoke: SmokeRequest | None = None,
        tp_size_by_type: Mapping[str, int] | None = None,
    ) -> InferenceComponent:
        """Put a model on the endpoint.

        Args:
            construct_id: Short name of the model on this endpoint, such as "llama".
            model: Where its weights are.
            server: SGLang's options; SGLang's defaults on one GPU by default.
            copies: Copies at the first deployment; each takes its GPUs on one instance. 1 by default, or as many as `scaling` keeps at
                least. SageMaker creates no component at zero copies.
            scaling: Bounds between which load and schedules change the copies; without it they stay at `copies`.
            load: Requests that callers are expected to send, from which a planned scaling target follows; 1024 tokens in and 256 out by
                default.
            slo: Latency objectives that a planned scaling target keeps; none by default.
            placement: How copies are spread over instances; SageMaker's own way by default.
            component_name: "<endpoint name>-<construct id>" by default; literal, up to 63 characters.
            resources: Host cores and memory a copy reserves; half of what goes with its GPUs by default.
            startup: Derived from the size of the weights by default.
            environment: Further environment variables of the container; never secrets.
            rollout: How a new version reaches the copies, and which alarms trigger a rollback; all copies at once and none by default.
            smoke: The request that shows after a deployment that the component answers; that of the endpoint's verification by default.
            tp_size_by_type: GPUs of a forward pass on some types of a pool, such as {"ml.g6e.12xlarge": 4}; on the others `server.tp_size`,
                or, where that is left out and the types differ in GPUs, the fewest that hold the model.

        Raises:
            ConfigurationError: With every problem, before any resource exists.
        """
        component = InferenceComponent(
            self._context,
            construct_id,
            model=model,
            server=server or SglangOptions(),
            copies=copies,
            scaling=scaling,
            load=load,
            slo=slo,
            placement=placement,
            component_name=component_name,
            resources=resources,
            startup=startup,
            environment=environment or {},
            rollout=rollout,
            smoke=smoke,
            tp_size_by_type=tp_size_by_type or {},
            others=self.components,
        )
        self.components[construct_id] = component
        for grantee in self._invokers:
            component.grant_invoke(grantee)
        return component

    @property
    def component_names(self) -> tuple[str, ...]:
        """Names of the endpoint's components so far."""
        return tuple(component.component_name for component in self.components.values())

    def least_instances(self) -> int:
        """Return how many instances stay whatever the load: as asked, else 0 when every component may go to zero, else 1."""
        if self.capacity.min_instances is not None:
            return self.capacity.min_instances
        return min(1, max((component.copy_bounds[0] for component in self.components.values()), default=1))

    def _deployment_config(self, rollout: EndpointRollout) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
        self._alarm_reader.allow()
        alarm_names = make_rollback_alarms(
            self,
            rollout.alarms,
            choice=self.alarms,
            subject=f"Endpoint {self.endpoint_name}",
            dimensions={"EndpointName": self.endpoint_name, "VariantName": self.variant_name},
            may_be_zero=self.capacity.min_instances == 0,
        )
        return render_endpoint_rollout(rollout, alarm_names)

    def _make_guard(self, role_arn: str) -> ReservationGuard | None:
        if self.capacity.reservation is None:
            return None
        from cdk_sglang.serving.capacity.context import ReservedEndpoint
        from cdk_sglang.serving.capacity.reservation import ReservationGuard

        endpoint = ReservedEndpoint(
            name=self.endpoint_name,
            reservation=self.capacity.reservation,
            move=self.capacity.on_demand_move,
            role_arn=role_arn,
            alarms=self.alarms,
            log_options=self.log_options,
        )
        return ReservationGuard(self, endpoint)
