"""A SageMaker endpoint for SGLang models: instances that inference components share.

Deploying it starts `min_instances` GPU instances, which cost money from then on. Updating its configuration replaces the
instances one fleet at a time. Deleting it stops them and keeps the logs (unless configured otherwise).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import aws_cdk as cdk
import jsii
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.engine import SglangOptions
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.planning import Hosting, ResolvedComponent, ResolvedEndpoint, resolve_component
from cdk_sglang.planning.layouts import least_instances
from cdk_sglang.serving.alarms.choice import chosen_alarms
from cdk_sglang.serving.component.checks import component_name_problems, draft_problems
from cdk_sglang.serving.component.component import InferenceComponent
from cdk_sglang.serving.endpoint.checks import WarnsWhenEmpty, check_endpoint, stack_of
from cdk_sglang.serving.endpoint.imported import EndpointReferences
from cdk_sglang.serving.endpoint.invocable import InvocableEndpoint
from cdk_sglang.serving.endpoint.network import EndpointNetwork, chosen_network
from cdk_sglang.serving.endpoint.options import EndpointOptions
from cdk_sglang.serving.endpoint.parts import make_parts
from cdk_sglang.serving.image.image import ServingImage
from cdk_sglang.serving.shared.log_options import LogOptions, days_of
from cdk_sglang.serving.shared.names import derived_name
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.taken_names import TakenNames
from cdk_sglang.serving.verification.endpoint_check import EndpointVerification
from cdk_sglang.serving.weights.model_source import ModelSource
from cdk_sglang.spec.alarms import NoAlarms
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.endpoint_rollout import EndpointRollout
from cdk_sglang.spec.idle_alarm import IdleAlarm
from cdk_sglang.spec.placement import Placement
from cdk_sglang.spec.resources import HostResources
from cdk_sglang.spec.rollout import ComponentRollout
from cdk_sglang.spec.routing import Routing
from cdk_sglang.spec.startup import StartupTimeouts
from cdk_sglang.spec.task import Task
from cdk_sglang.spec.verification import NoVerification, SmokeRequest, Verification, chosen_verification
from cdk_sglang.validation import validated

if TYPE_CHECKING:  # loading a service's constructs takes time, and this is only named in annotations
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_sns as sns

    from cdk_sglang.planning.measured_calibration import MeasuredCalibration
    from cdk_sglang.serving.alarms.choice import Alarms
    from cdk_sglang.spec.fit_check import NoFitCheck
    from cdk_sglang.spec.load import Load
    from cdk_sglang.spec.scaling import ComponentScaling
    from cdk_sglang.spec.schedules import NightlyStop
    from cdk_sglang.spec.slo import Slo
    from cdk_sglang.spec.speculative import Speculative


@jsii.implements(ec2.IConnectable, cdk.ITaggableV2)
class InferenceEndpoint(EndpointReferences, InvocableEndpoint):
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
        image: Serving container of all its components.
        routing: How requests are distributed; to the copy with the fewest outstanding requests by default.
        network: Subnets and security groups, or a VPC, of which the isolated subnets and a new security group are used; SageMaker's own network
            by default.
        network_isolation: Whether containers run without network access and credentials; on by default, because SageMaker itself downloads
            the weights from S3.
        role: Execution role, which SageMaker must be able to assume; by default a role for this endpoint only. The library adds the permissions
            that the endpoint needs, unless the role is imported and cannot be changed.
        inference_ami: AMI of the instances; by default the one that suits the image's CUDA version and the GPU.
        endpoint_name: Name of the endpoint; literal, up to 63 characters. By default derived from the construct path, in lower case and up to
            24 characters, so that the names of components and adapters have room.
        log_retention_days: 30 by default; one of the values that CloudWatch Logs allows, as a number or as CDK's enum.
        log_key: KMS key of the log groups; CloudWatch's own encryption by default.
        log_removal: Removal policy of the logs. By default they outlive the stack; logs of models that never served are deleted if their first
            deployment is rolled back.
        metric_frequency_seconds: Interval at which utilisation metrics are published, in seconds or as a `Duration`; 60 by default. 10 costs
            more and reacts sooner.
        alarms: Targets that alarms notify: a topic, a CDK action such as those of `aws_cloudwatch_actions`, `Alarms(...)` for several, or
            `NoAlarms(reason=...)`; by default nobody is notified, with a warning.
        idle_alarm: When idle GPUs raise an alarm; after three hours by default.
        nightly_stop: Hours during which nothing runs and nothing is paid for; never by default.
        rollout: How a new configuration reaches the instances, and which alarms trigger a rollback; SageMaker's default otherwise: a
            second fleet, all at once, no alarms.
        verification: What is compared with the specification before a deployment is complete; everything by default, or
            `NoVerification(reason=...)`.
        truth_check: Earlier name of `verification`.
        budget_usd_per_hour: Maximum cost of the fully scaled-out endpoint per hour, in US dollars at on-demand prices; no limit by default.
        enrichment: Whether CloudWatch answers PromQL queries over SGLang's metrics (OTel enrichment of the account); not by default. If it does,
            an alarm watches whether the tokens of a promoted draft are still accepted.
        calibration: Your own measurements, from `read_measurements`. The plan of similar components follows them, including the number of
            requests in flight at which scaling adds a copy; only the package's calibration by default.

    Attributes:
        variant_name: Name of the endpoint's only production variant.
        endpoint_arn: ARN of the endpoint.
        verification: Verification after each deployment; None if it is disabled.
        components: Components by their construct ids.
        role: Execution role of the endpoint and its components.
        log_options: Retention, key and removal of the log groups.
        image_uri: URI of the serving image, known only at deployment.

    Raises:
        ConfigurationError: Any setting is wrong; lists every problem, before any resource exists.
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
        network: EndpointNetwork | ec2.IVpc | None = None,
        network_isolation: bool = True,
        role: iam.IRole | None = None,
        inference_ami: str | None = None,
        endpoint_name: str | None = None,
        log_retention_days: int | logs.RetentionDays = 30,
        log_key: kms.IKey | None = None,
        log_removal: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
        metric_frequency_seconds: int | cdk.Duration = 60,
        alarms: Alarms | NoAlarms | sns.ITopic | cloudwatch.IAlarmAction | None = None,
        idle_alarm: IdleAlarm | None = None,
        nightly_stop: NightlyStop | None = None,
        rollout: EndpointRollout | None = None,
        verification: Verification | NoVerification | None = None,
        truth_check: Verification | NoVerification | None = None,
        budget_usd_per_hour: float | None = None,
        enrichment: bool = False,
        calibration: MeasuredCalibration | None = None,
    ) -> None:
        stack = stack_of(construct_id, scope)
        options = EndpointOptions(
            hosting=Hosting(
                capacity=capacity,
                image=image.facts,
                region=stack.region,
                nightly_stop=nightly_stop,
                rollout=rollout,
                network_isolation=network_isolation,
                calibration=calibration,
            ),
            image=image,
            routing=routing or Routing.least_outstanding_requests(),
            network=chosen_network(network),
            network_isolation=network_isolation,
            inference_ami=inference_ami,
            log_options=LogOptions(
                retention_days=days_of(f"{construct_id}.log_retention_days", log_retention_days),
                key=log_key,
                removal=log_removal,
            ),
            metric_frequency_seconds=int(metric_frequency_seconds.to_seconds())
            if isinstance(metric_frequency_seconds, cdk.Duration)
            else metric_frequency_seconds,
            alarms=chosen_alarms(alarms),
            idle_alarm=idle_alarm or IdleAlarm(),
            verification=chosen_verification(construct_id, verification, truth_check),
            role=role,
            enrichment=enrichment,
        )
        name = derived_name(scope, construct_id, stack) if endpoint_name is None else endpoint_name
        names, arns = TakenNames.of(stack), SageMakerArns.of(stack)
        check_endpoint(construct_id, options, name=name, names=names, account=stack.account, scope=scope)
        super().__init__(scope, construct_id, endpoint_name=name, arns=arns)
        names.take(name, "endpoint", self.node.path)
        self._short_name = construct_id  # reading it from CDK takes a good part of a millisecond
        self.capacity: Capacity = capacity
        self.image: ServingImage = image
        self.alarms: Alarms | NoAlarms | None = options.alarms
        self.log_options: LogOptions = options.log_options
        self.budget_usd_per_hour: float | None = budget_usd_per_hour
        self.components: dict[str, InferenceComponent] = {}
        parts = make_parts(self, options, arns=arns, names=names, least_instances=self.least_instances)
        self._config = parts.config
        self._resource = parts.resource
        self._idle_alarm = parts.idle_alarm
        self.node.add_validation(WarnsWhenEmpty(self, self.components))
        self._members: Sequence[ec2.ISecurityGroup] = ()
        self._watched: cloudwatch.IAlarm | None = None
        self._context = parts.context
        self.role: iam.IRole = parts.context.role
        self.image_uri: str = parts.context.image_uri
        self.verification: EndpointVerification | None = parts.context.verification

    @property
    def cdk_tag_manager(self) -> cdk.TagManager:
        """Tags of the endpoint itself, for CDK; `Tags.of(endpoint)` also tags all of its resources."""
        tags = cdk.TagManager.of(self._resource)
        assert tags is not None
        return tags

    @checked("{construct_id}")
    def add_component(
        self,
        construct_id: str,
        *,
        model: ModelSource,
        server: SglangOptions | None = None,
        task: Task | None = None,
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
        fit_check: NoFitCheck | None = None,
        team: str | None = None,
        speculative: Speculative | None = None,
    ) -> InferenceComponent:
        """Add a model to the endpoint.

        Args:
            construct_id: Short name of the model on this endpoint, such as "llama".
            model: Weights of the model.
            server: SGLang's options; SGLang's defaults on one GPU by default.
            task: What a request asks for: "chat", "completion", "embedding", "rerank" or "classify"; by default the task the model was made for.
            copies: Number of copies at the first deployment; each has its GPUs on one instance. By default 1, or the minimum of `scaling`.
                SageMaker cannot create a component with zero copies.
            scaling: Bounds within which load and schedules change the number of copies; without it, the number stays at `copies`.
            load: Requests that callers are expected to send, which determine a planned scaling target; 1024 input and 256 output tokens by
                default.
            slo: Latency objectives that a planned scaling target must meet; none by default.
            placement: How copies are placed on instances; SageMaker decides by default.
            component_name: Name in SageMaker; literal, up to 63 characters. "<endpoint name>-<construct id>" by default.
            resources: Host cores and memory that a copy reserves; by default half of the share that belongs to its GPUs.
            startup: Start-up time-outs; derived from the size of the weights by default.
            environment: Additional environment variables of the container; never secrets.
            rollout: How a new version reaches the copies, and which alarms trigger a rollback; by default all copies at once, without alarms.
            smoke: The request that checks after a deployment that the component answers; that of the endpoint's verification by default.
            tp_size_by_type: GPUs that a forward pass is split over, by instance type of a pool, such as {"ml.g6e.12xlarge": 4}. For other types
                `server.tp_size`, or, if that is unset and the types differ in GPUs, the smallest number that holds the model.
            fit_check: `NoFitCheck(reason=...)` to deploy the model although the plan says that it does not run; checked by default.
            team: Team that its cost is attributed to, such as "search": a tag on its resources and a column in the showback reports.
            speculative: A draft that is measured, and served only if it is faster (`SpeculativeOptimization`); none by default.

        Raises:
            ConfigurationError: Any argument is wrong; lists every problem, before any resource exists.
        """
        component, problems = validated(
            Component,
            construct_id,
            model=model.specification,
            server=server or SglangOptions(),
            task=task,
            copies=copies,
            scaling=scaling,
            placement=placement,
            slo=slo,
            resources=resources,
            startup=startup,
            environment=dict(environment or {}),
            rollout=rollout,
            smoke=smoke,
            tp_size_by_type=dict(tp_size_by_type or {}),
            fit_check=fit_check,
            team=team,
            speculative=speculative,
            **({} if load is None else {"load": load}),
        )
        plan = resolve_component(construct_id, component, self._context.hosting, known=model.known, path=construct_id)
        name = component_name if component_name is not None else f"{self.endpoint_name}-{construct_id}"
        raise_if_any(
            [
                *component_name_problems(self._context, construct_id, name, others=self.components),
                *problems,
                *plan.problems,
                *draft_problems(self._context, plan, model),
                *plan.fit_problems(construct_id),
                *([] if problems else self._room_problems(plan)),
            ]
        )
        return self._add(plan, model, name)

    @checked()
    def add_resolved_component(
        self, plan: ResolvedComponent, *, model: ModelSource, component_name: str | None = None
    ) -> InferenceComponent:
        """Add a model that `cdk_sglang.planning.resolve` has resolved without a problem to the endpoint.

        Args:
            plan: The resolved component.
            model: Weights of the model.
            component_name: Name in SageMaker; literal, up to 63 characters. "<endpoint name>-<name of the plan>" by default.

        Raises:
            ConfigurationError: The name is taken or not allowed; raised before any resource exists.
        """
        name = component_name if component_name is not None else f"{self.endpoint_name}-{plan.name}"
        raise_if_any(
            [
                *component_name_problems(self._context, plan.name, name, others=self.components),
                *draft_problems(self._context, plan, model),
            ]
        )
        return self._add(plan, model, name)

    def _add(self, plan: ResolvedComponent, model: ModelSource, name: str) -> InferenceComponent:
        component = InferenceComponent(self._context, plan, model=model, component_name=name)
        self.components[plan.name] = component
        if plan.component.speculative is not None:
            from cdk_sglang.serving.endpoint.capture import keep_sample

            keep_sample(self._context, self._config, self.components.values(), bucket=model.bucket)
        for grantee in self._invokers:
            component.grant_invoke(grantee)
        return component

    def _room_problems(self, plan: ResolvedComponent) -> list[Problem]:
        """Check all components, including the new one, against the instances and the budget of the endpoint."""
        if plan.problems:
            return []
        resolved = ResolvedEndpoint(
            name=self._short_name,
            hosting=self._context.hosting,
            components={**{name: one.plan for name, one in self.components.items()}, plan.name: plan},
        )
        problems = resolved.room_problems(self._short_name)
        return problems or resolved.budget_problems(self.budget_usd_per_hour, path=self._short_name)

    @property
    def connections(self) -> ec2.Connections:
        """Network connections of the instances.

        Raises:
            ConfigurationError: The instances are in SageMaker's own network.
        """
        network = self._context.options.network
        if network is None:
            text = "missing: the instances are in SageMaker's own network; give a VPC, or EndpointNetwork.of(...)"
            raise ConfigurationError([Problem(f"{self._short_name}.network", text)])
        self._members = self._members or network.members(self)
        return ec2.Connections(security_groups=list(self._members))

    @property
    def idle_alarm(self) -> cloudwatch.IAlarm:
        """Alarm on idle GPUs, for example for use in a composite alarm."""
        from aws_cdk import aws_cloudwatch as cloudwatch

        if self._watched is None:
            self._watched = cloudwatch.Alarm.from_alarm_arn(self, "IdleAlarm", self._idle_alarm.attr_arn)
        return self._watched

    @property
    def component_names(self) -> tuple[str, ...]:
        """Names of the endpoint's components so far."""
        return tuple(component.component_name for component in self.components.values())

    def least_instances(self) -> int:
        """Return the number of instances that run regardless of load: as specified, else 0 if every component may scale to zero, else 1."""
        return least_instances(
            self.capacity.min_instances, (component.copy_bounds[0] for component in self.components.values())
        )
