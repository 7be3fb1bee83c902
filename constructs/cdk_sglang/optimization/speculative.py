"""A pipeline that trains or imports a draft, measures it against the model alone, and promotes it only if it is faster.

Deploying it costs almost nothing; a run costs its training and its measurement, each up to a ceiling. Deleting it keeps the weights
bucket with every version and report, and the endpoint continues to serve the version that was promoted last.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_ssm as ssm
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.optimization.configuration import gate_content, known_content, timeout_hours, training_content
from cdk_sglang.optimization.definition import Definition
from cdk_sglang.optimization.functions import make_functions
from cdk_sglang.optimization.job_roles import make_benchmark_role, make_job_role
from cdk_sglang.optimization.names import model_package_group_name, place_parameter_name
from cdk_sglang.optimization.places import Places
from cdk_sglang.optimization.target import OptimizedComponent
from cdk_sglang.optimization.triggers import clean_up_after, start_again
from cdk_sglang.serving.alarms.actions import topic_arns
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, inline_policy, wildcards
from cdk_sglang.serving.shared.log_options import LogOptions, allowed_days
from cdk_sglang.serving.shared.logs import kept_under_a_name
from cdk_sglang.serving.shared.runtime_functions import make_log_group
from cdk_sglang.tokens import is_text_token

if TYPE_CHECKING:
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_s3 as s3

    from cdk_sglang.serving.alarms.choice import Alarms
    from cdk_sglang.spec.alarms import NoAlarms

_STAGING_WAIT: Final = cdk.Duration.hours(2)
_VERSIONS: Final = "a state may call any version of the one function it is made for"
_DELIVERY: Final = "log delivery and X-Ray have no resource types: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy"


class SpeculativeOptimization(Construct):
    """The pipeline of one component: a state machine, its functions and its triggers.

    Example:
        ```python
        llama = endpoint.add_component(
            "llama", model=source, speculative=Speculative(eagle=EagleTraining(dataset="built_in", max_usd=200))
        )
        SpeculativeOptimization(self, "Drafts", component=OptimizedComponent.of(llama), bucket=weights)
        ```

    Args:
        scope: Parent, in the account and Region of the component.
        construct_id: Id, unique in the parent.
        component: The component, with `speculative`.
        bucket: Weights bucket of the component's source; runs and versions are kept in it below speculative/<component>/.
        environment: Name of the environment, part of the name of the SSM parameter with the pipeline's locations.
        alarms: Recipients of approval requests and of failures of automatically started runs; none by default.
        enrichment: Whether CloudWatch answers PromQL over SGLang's metrics (OTel enrichment); by default the accept length is not measured.
        log_retention_days: Days that logs are kept; 30 by default.
        removal: Whether logs outlive the stack; they do by default.

    Attributes:
        state_machine: The state machine.
        functions: Functions by step.
        model_package_group_name: Name of the group of the versions in the model registry.
        job_role: Role of the optimization jobs; None for a draft that is not trained.
        benchmark_role: Role of the benchmark jobs.

    Raises:
        ConfigurationError: With every problem, before any resource exists.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        component: OptimizedComponent,
        bucket: s3.IBucket,
        environment: str = "default",
        alarms: Alarms | NoAlarms | None = None,
        enrichment: bool = False,
        log_retention_days: int | logs.RetentionDays = 30,
        removal: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
    ) -> None:
        raise_if_any(_problems(construct_id, component, alarms, enrichment=enrichment))
        days = allowed_days(f"{construct_id}.log_retention_days", log_retention_days)
        super().__init__(scope, construct_id)
        self._component = component
        self._logs = LogOptions(retention_days=days, key=bucket.encryption_key, removal=removal)
        asks = component.speculative.gate.approval == "required"
        places = Places(
            stack=cdk.Stack.of(self),
            environment=environment,
            target=component,
            bucket=bucket,
            bucket_arn=bucket.bucket_arn,
            key_arn=None if bucket.encryption_key is None else bucket.encryption_key.key_arn,
            enrichment=enrichment,
            topic_arn=next(iter(topic_arns(alarms)), None) if asks else None,
        )
        trains = component.speculative.eagle is not None
        self.job_role: iam.Role | None = make_job_role(self, places) if trains else None
        self.benchmark_role: iam.Role = make_benchmark_role(self, places)
        self._places = replace(
            places,
            benchmark_role_arn=self.benchmark_role.role_arn,
            job_role_arn=None if self.job_role is None else self.job_role.role_arn,
        )
        self.model_package_group_name: str = self._make_group(removal)
        self.functions: dict[str, lambda_.Function] = make_functions(
            self, self._places, config=self._config(), log_options=self._logs
        )
        self.state_machine: sfn.StateMachine = self._make_state_machine()
        queue = clean_up_after(self, self._places, self.functions["clean_up"])
        training = component.speculative.eagle
        if training is not None and training.retrain is not None:
            start_again(self, self._places, training.retrain, queue=queue, log_options=self._logs, alarms=alarms)
        self._stage_draft()
        self._publish()

    def _make_group(self, removal: cdk.RemovalPolicy) -> str:
        name = self._component.component_name
        group_name = model_package_group_name(name)
        group = sagemaker.CfnModelPackageGroup(
            self,
            "Versions",
            model_package_group_name=group_name,
            model_package_group_description=f"Drafts of {name}, with the evidence of each",
        )
        group.apply_removal_policy(kept_under_a_name(removal))  # evidence of what was served outlives the pipeline
        return group_name

    def _config(self) -> str:
        component, places, plan = self._component, self._places, self._component.plan
        source = component.speculative.draft
        return places.stack.to_json_string(
            {
                "environment": places.environment,
                "endpoint_name": component.endpoint_name,
                "component_name": component.component_name,
                "stack_name": component.stack_name,
                "parameter": component.parameter,
                "bucket": places.bucket.bucket_name,
                "base_bucket": places.base_bucket_name,
                "base_prefix": places.base_prefix,
                "model_package_group": model_package_group_name(component.component_name),
                "job_role_arn": places.job_role_arn,
                "execution_role_arn": component.execution_role_arn,
                "benchmark_role_arn": places.benchmark_role_arn,
                "topic_arn": places.topic_arn,
                "draft_source": None
                if source is None
                else {"bucket": source.bucket_name or places.bucket.bucket_name, "prefix": source.folder},
                "training": training_content(plan, endpoint_name=component.endpoint_name),
                "gate": gate_content(plan, log_retention_days=self._logs.retention_days),
                **known_content(plan, enrichment=places.enrichment),
            }
        )

    def _make_state_machine(self) -> sfn.StateMachine:
        speculative = self._component.speculative
        role = iam.Role(
            self,
            "StateMachineRole",
            description=f"Runs {self._places.state_machine_name}: calls its functions",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": self._places.stack.account}}
            ),
        )
        definition = Definition(
            Construct(self, "States"),
            self.functions,
            kind=speculative.kind,
            approval=speculative.gate.approval == "required",
        )
        machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=self._places.state_machine_name,
            definition_body=sfn.DefinitionBody.from_chainable(definition.build()),
            role=role,
            timeout=cdk.Duration.hours(timeout_hours(self._component.plan)),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=make_log_group(self, "StateMachineLogs", self._logs),
                level=sfn.LogLevel.ALL,
                include_execution_data=False,  # lines of a dataset may be in a step's answer
            ),
        )
        versions = [f"{function.function_arn}:*" for function in self.functions.values()]
        acknowledge_all(role, inline_policy(), wildcards(self, versions, _VERSIONS), wildcards(self, ["*"], _DELIVERY))
        return machine

    def _stage_draft(self) -> None:
        """Let the deployment copy a draft from Hugging Face into the weights bucket."""
        draft = self._component.speculative.draft
        if draft is None or draft.hugging_face is None:
            return
        from cdk_sglang.serving.weights.hub import StagingOrder
        from cdk_sglang.serving.weights.staging import WeightsStaging

        assert draft.revision is not None
        staged = WeightsStaging.of(self).stage(
            StagingOrder(
                repository=draft.hugging_face,
                revision=draft.revision,
                prefix=draft.folder,
                include=(),
                exclude=(),
                bucket=self._places.bucket,
                token=None,
                wait=_STAGING_WAIT,
                draft=True,
            )
        )
        self.state_machine.node.add_dependency(staged.ready)

    def _publish(self) -> None:
        """Publish the pipeline's locations for `cdk-sglang eagle`."""
        component, places = self._component, self._places
        training = training_content(component.plan, endpoint_name=component.endpoint_name) or {}
        ssm.StringParameter(
            self,
            "Place",
            parameter_name=place_parameter_name(places.environment, component.component_name),
            description=f"Where cdk-sglang eagle finds the drafts of {component.component_name}",
            string_value=places.stack.to_json_string(
                {
                    "state_machine": self.state_machine.state_machine_arn,
                    "component": component.component_name,
                    "endpoint": component.endpoint_name,
                    "kind": component.speculative.kind,
                    "stack": component.stack_name,
                    "parameter": component.parameter,
                    "bucket": places.bucket.bucket_name,
                    "model_package_group": model_package_group_name(component.component_name),
                    "topic": places.topic_arn,
                    "approval": component.speculative.gate.approval == "required",
                    "gate_max_usd": component.speculative.gate.gate_max_usd,
                    **{f"training_{name}": training.get(name) for name in ("instance", "usd_per_hour", "max_usd")},
                    **({"training_is_price_given": True} if training.get("is_price_given") else {}),
                }
            ),
        )


EagleOptimization = SpeculativeOptimization
"""Alias of `SpeculativeOptimization`, named after its most common use."""


def _problems(
    construct_id: str, component: OptimizedComponent, alarms: Alarms | NoAlarms | None, *, enrichment: bool
) -> list[Problem]:
    if component.plan.component.speculative is None:
        return [
            Problem(
                f"{construct_id}.component",
                f"{component.component_name} has no draft; give add_component speculative=Speculative(...)",
            )
        ]
    problems = [
        Problem(f"{construct_id}.component.{name}", "must be known at synth, got a token; give a literal name")
        for name, value in (
            ("component_name", component.component_name),
            ("endpoint_name", component.endpoint_name),
            ("stack_name", component.stack_name),
        )
        if is_text_token(value)
    ]
    if component.speculative.gate.approval == "required" and not topic_arns(alarms):
        problems.append(
            Problem(
                f"{construct_id}.alarms",
                "missing: a person is asked for approval by mail; give Alarms(topic=...), or approval: none",
            )
        )
    training = component.speculative.eagle
    if training is not None and training.retrain is not None and training.retrain.on_alarm and not enrichment:
        problems.append(
            Problem(
                f"{construct_id}.enrichment",
                "False, and retrain.on_alarm waits for an alarm on the accept length, which SGLang's metrics and OTel enrichment are needed "
                "for; set enrichment=True, or give every_days instead",
            )
        )
    return problems
