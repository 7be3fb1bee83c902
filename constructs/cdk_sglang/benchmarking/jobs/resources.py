"""Resources that SageMaker AI benchmark jobs need in an account: configurations of their workloads, and a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.benchmarking.jobs.parameters import configuration_name, job_problems, workload_specification
from cdk_sglang.benchmarking.resolved import ResolvedWorkload, resolve_workload
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.serving.component.component import InferenceComponent
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, inline_policy
from cdk_sglang.spec.workload import Workload

PREFIX: Final = "jobs/"
_ANY_QUOTA: Final = "Service Quotas has no resource for a quota that was never changed"


class BenchmarkJobs(Construct):
    """Workloads of a component as SageMaker AI benchmark jobs; `cdk-sglang bench run --runner sagemaker` runs them.

    A configuration cannot be changed, so its name depends on its content: a changed workload becomes a new configuration.

    Args:
        scope: Parent.
        construct_id: Id within it.
        component: The component.
        environment: Name of the environment, which names of configurations begin with.
        workloads: Workloads by name; one or more.
        bucket: Bucket for the jobs' files, below jobs/, for example that of `BenchmarkHistory`.
        tokenizer: Hugging Face repository of the tokenizer; the model's catalogue id by default.

    Attributes:
        role: Role of the jobs, for --role.
        output: Place for --output: s3://<bucket>/jobs.
        configuration_names: Names of the configurations of every repeat of every step.

    Raises:
        ConfigurationError: A workload that a job cannot send, a Region without jobs, or no tokenizer.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        component: InferenceComponent,
        environment: str,
        workloads: Mapping[str, Workload],
        bucket: s3.IBucket,
        tokenizer: str | None = None,
    ) -> None:
        specification = component.plan.component
        resolved = {
            name: resolve_workload(name, workload, load=specification.load, slo=specification.slo)
            for name, workload in workloads.items()
        }
        source = tokenizer or specification.model.catalogue_id
        raise_if_any(_problems(construct_id, resolved, region=cdk.Stack.of(scope).region, tokenizer=source))
        assert source is not None
        super().__init__(scope, construct_id)
        self.role: iam.Role = self._build_role(component, bucket)
        self.output: str = f"s3://{bucket.bucket_name}/{PREFIX.rstrip('/')}"
        self.configuration_names: list[str] = [
            self._make_configuration(configuration_name(environment, name, text), text)
            for name, workload in resolved.items()
            for step in workload.steps
            for repeat in range(workload.repeats)
            for text in [workload_specification(workload, step, tokenizer=source, repeat=repeat)]
        ]

    def _make_configuration(self, name: str, text: str) -> str:
        sagemaker.CfnAIWorkloadConfig(
            self,
            name,
            ai_workload_config_name=name,
            ai_workload_configs=sagemaker.CfnAIWorkloadConfig.AIWorkloadConfigsProperty(
                workload_spec=sagemaker.CfnAIWorkloadConfig.WorkloadSpecProperty(inline=text)
            ),
        )
        return name

    def _build_role(self, component: InferenceComponent, bucket: s3.IBucket) -> iam.Role:
        # AWS's sample gives the role these (SageMaker guide, "AI inference recommendations", read 2026-11).
        role = iam.Role(
            self,
            "Role",
            description="SageMaker AI benchmark jobs of cdk-sglang",
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            ),
        )
        component.grant_invoke(role)
        bucket.grant_read_write(role, f"{PREFIX}*")
        role.add_to_policy(iam.PolicyStatement(actions=["servicequotas:GetServiceQuota"], resources=["*"]))
        acknowledge_all(role, inline_policy(), (["AwsSolutions-IAM5[Resource::*]"], _ANY_QUOTA))
        return role


def _problems(
    construct_id: str, workloads: Mapping[str, ResolvedWorkload], *, region: str, tokenizer: str | None
) -> list[Problem]:
    problems = [] if workloads else [Problem(f"{construct_id}.workloads", "names none; give one or more")]
    if tokenizer is None:
        problems.append(
            Problem(
                f"{construct_id}.tokenizer", "missing; the model has no catalogue id, so name a Hugging Face repository"
            )
        )
    for workload in workloads.values():
        found = job_problems(workload, region)
        # A Region that is known only at deployment cannot be checked.
        problems += [one for one in found if one.path != "region" or not cdk.Token.is_unresolved(region)]
    return list(dict.fromkeys(problems))
