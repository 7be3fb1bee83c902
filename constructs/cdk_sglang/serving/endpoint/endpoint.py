"""A SageMaker endpoint for SGLang models: instances that inference components share.

Deploying it starts `min_instances` GPU instances, which cost money from then on; updating its configuration replaces
instances one fleet at a time; deleting it stops them and keeps logs (unless told otherwise).
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
        image: Container of all its components, unless stated otherwise there.
        routing: To the copy with the fewest outstanding requests by default.
        network: Subnets and security groups, or a VPC, then its isolated subnets and a security group of the endpoint's own; none by default,
            then SageMaker's own network.
        network_isolation: Containers get neither network nor credentials; on by default, since weights come from S3 through
            SageMaker itself.
        role: Execution role, which SageMaker has to be able to assume; the library adds what the endpoint needs to it unless it is imported and
            cannot be changed. A role of this endpoint's alone by default.
        inference_ami: The one that suits the image's CUDA and the GPU by default.
        endpoint_name: Derived from the construct path by default, in lower case and up to 24 characters, so that components and adapters
            have room for theirs; literal, up to 63 characters.
        log_retention_days: 30 by default; one of the values CloudWatch Logs allows, as a number or as CDK names it.
        log_key: KMS key of the log groups; CloudWatch's own encryption by default.
        log_removal: Logs outlive the stack by default; those of models that never served go when their first deployment is rolled back.
        metric_frequency_seconds: How often utilisation is published, in seconds or as a `Duration`; 60 by default, 10 costs more and reacts
            sooner.
        alarms: Where alarms go: a topic, an action of CDK's such as those of `aws_cloudwatch_actions`, `Alarms(...)` for several, or
            `NoAlarms(reason=...)`; by default nobody is told, with a warning.
        idle_alarm: When idle GPUs are worth an alarm; after three hours by default.
        nightly_stop: Hours in which nothing runs and nothing is paid for; never by default.
        rollout: How a new configuration reaches the instances, and which alarms trigger a rollback; SageMaker's own way by default: a
            second fleet, all at once, no alarms.
        verification: What is compared with the specification before a deployment counts as done; everything by default, or
            `NoVerification(reason=...)`.
        truth_check: Earlier name of `verification`.
        budget_usd_per_hour: Most the endpoint may cost per hour when fully scaled out, US dollars, on demand; no limit by default.
        enrichment: Whether CloudWatch answers PromQL over SGLang's metrics (OTel enrichment of the account); not by default. With it, an alarm
            watches whether a promoted draft is still accepted.
        calibration: Measurements of your own, from `read_measurements`: what the plan says of components near them follows them, the
            requests in flight at which scaling adds a copy included; the package's calibration alone by default.

    Attributes:
        variant_name: Name of the endpoint's only production variant.
        endpoint_arn: ARN of the endpoint.
        verification: Verification after each deployment; None if it is left out.
        components: Components by their construct ids.
        role: Execution role of the endpoint and its components.
        log_options: Retention, key and removal of the log groups.
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
        self._short_name = construct_id  # asking CDK for it takes a good part of a millisecond
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
        """Tags of the endpoint itself, for CDK; `Tags.of(endpoint)` reaches everything that it makes."""
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
        """Put a model on the endpoint.

        Args:
            construct_id: Short name of the model on this endpoint, such as "llama".
            model: Where its weights are.
            server: SGLang's options; SGLang's defaults on one GPU by default.
            task: What a request asks for: "chat", "completion", "embedding", "rerank" or "classify"; what the model was made for by default.
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
            fit_check: `NoFitCheck(reason=...)` to deploy the model although the plan says that it does not run; checked by default.
            team: Team that answers for its cost, such as "search": a tag of its resources and a column of the showback reports.
            speculative: A draft that is measured, and served only if it is faster (`SpeculativeOptimization`); none by default.

        Raises:
            ConfigurationError: With every problem, before any resource exists.
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
        """Put a model on the endpoint that `cdk_sglang.planning.resolve` has worked out and found without a problem.

        Args:
            plan: The component.
            model: Where its weights are.
            component_name: "<endpoint name>-<name of the plan>" by default; literal, up to 63 characters.

        Raises:
            ConfigurationError: The name is taken or not allowed, before any resource exists.
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
        """Hold all components, the one to come included, to the instances and the budget of the endpoint."""
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
        """What the instances may connect to, and who to them.

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
        """Alarm about idle GPUs, such as for a composite alarm."""
        from aws_cdk import aws_cloudwatch as cloudwatch

        if self._watched is None:
            self._watched = cloudwatch.Alarm.from_alarm_arn(self, "IdleAlarm", self._idle_alarm.attr_arn)
        return self._watched

    @property
    def component_names(self) -> tuple[str, ...]:
        """Names of the endpoint's components so far."""
        return tuple(component.component_name for component in self.components.values())

    def least_instances(self) -> int:
        """Return how many instances stay whatever the load: as specified, else 0 if every component may go to zero, else 1."""
        return least_instances(
            self.capacity.min_instances, (component.copy_bounds[0] for component in self.components.values())
        )
