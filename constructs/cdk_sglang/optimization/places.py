"""Names and ARNs of one component's pipeline, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aws_cdk as cdk

from cdk_sglang.optimization.names import model_package_group_name, state_machine_name
from cdk_sglang.serving.shared.drafts import captured_prefix, drafts_prefix, versions_prefix
from cdk_sglang.serving.shared.logs import COMPONENT_LOG_PREFIX, ENDPOINT_LOG_PREFIX, log_group_arns
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.spec.s3 import place_of

if TYPE_CHECKING:
    from aws_cdk import aws_s3 as s3

    from cdk_sglang.optimization.target import OptimizedComponent
    from cdk_sglang.serving.shared.sagemaker_arns import Kind

_JOB_NAME_ROOM = 40
"""Characters of the component's name in the name of an optimization job, which takes 63: a hyphen and a digest follow."""
_JOB_DIGITS = 12
"""Digits of that digest (_runtime/speculative/training.py). In a policy one `?` for each: with `*`, jobs of the component `chat-llama-70b` would
be among those of `chat-llama`."""
_GATE = "gate-r*"
"""Prefix of the names of resources on which a draft is measured."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Names and ARNs.

    Attributes:
        stack: The stack of the pipeline.
        environment: Name of the environment.
        target: The component.
        bucket: Weights bucket of the environment.
        bucket_arn: Its ARN.
        key_arn: ARN of its key; None without one.
        enrichment: Whether CloudWatch answers PromQL over SGLang's metrics.
        topic_arn: ARN of the topic for approval requests; None if there is none.
        benchmark_role_arn: Role of the benchmark jobs; empty until it is created.
        job_role_arn: Role of the optimization jobs; None for a draft that is not trained.
    """

    stack: cdk.Stack
    environment: str
    target: OptimizedComponent
    bucket: s3.IBucket
    bucket_arn: str
    key_arn: str | None
    enrichment: bool
    topic_arn: str | None
    benchmark_role_arn: str = ""
    job_role_arn: str | None = None

    @property
    def endpoint_name(self) -> str:
        """Name of the endpoint."""
        return self.target.endpoint_name

    @property
    def arns(self) -> SageMakerArns:
        """ARNs of the stack's account and Region."""
        return SageMakerArns.of(self.stack)

    @property
    def endpoint(self) -> list[str]:
        """The endpoint."""
        return self.arns.allowed("endpoint", self.endpoint_name)

    @property
    def component(self) -> list[str]:
        """The component."""
        return self.arns.allowed("inference-component", self.target.component_name)

    @property
    def models(self) -> list[str]:
        """All models; a condition narrows them."""
        return self.arns.allowed("model", "*")

    @property
    def configs(self) -> list[str]:
        """All endpoint configurations."""
        return self.arns.allowed("endpoint-config", "*")

    def canaries(self, kind: Kind) -> list[str]:
        """Return resources of a kind that a draft is measured on."""
        return self.arns.allowed(kind, _GATE)

    @property
    def canary_logs(self) -> list[str]:
        """Log groups of what a draft is measured on."""
        names = [f"{prefix}{_GATE}" for prefix in (COMPONENT_LOG_PREFIX, ENDPOINT_LOG_PREFIX)]
        return log_group_arns(self.stack, *names)

    @property
    def benchmarks(self) -> list[str]:
        """Benchmark jobs of runs, and their workloads."""
        return [self._sagemaker(kind, "gate-r*") for kind in ("ai-benchmark-job", "ai-workload-config")]

    @property
    def jobs(self) -> list[str]:
        """Optimization jobs of the component."""
        name = f"{self.target.component_name[:_JOB_NAME_ROOM].rstrip('-')}-{'?' * _JOB_DIGITS}"
        return list(dict.fromkeys(self._sagemaker("optimization-job", one) for one in (name.lower(), name)))

    @property
    def packages(self) -> list[str]:
        """Versions of the component in the model registry, and their group."""
        group = model_package_group_name(self.target.component_name)
        names = list(dict.fromkeys((group.lower(), group)))
        return [
            *(self._sagemaker("model-package-group", name) for name in names),
            *(self._sagemaker("model-package", f"{name}/*") for name in names),
        ]

    def _sagemaker(self, resource: str, name: str) -> str:
        return f"{self.arns.beginning}{resource}/{name}"

    @property
    def state_machine_name(self) -> str:
        """Name of the state machine."""
        return state_machine_name(self.target.component_name)

    @property
    def state_machine_arn(self) -> str:
        """ARN of the state machine, from its name: its functions exist before it does."""
        return self._states("stateMachine", self.state_machine_name)

    def _states(self, resource: str, name: str) -> str:
        return self.stack.format_arn(
            service="states", resource=resource, resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )

    @property
    def stack_arn(self) -> str:
        """The serving stack."""
        return self.stack.format_arn(
            service="cloudformation", resource="stack", resource_name=f"{self.target.stack_name}/*"
        )

    @property
    def stack_parameters(self) -> list[str]:
        """SSM parameters whose values are parameters of the serving stack."""
        return [
            self.stack.format_arn(service="ssm", resource="parameter", resource_name=name)
            for name in (f"cdk-sglang/{self.environment}/*", "cdk-bootstrap/*/version")
        ]

    @property
    def runs(self) -> str:
        """Prefix of the files of runs."""
        return f"{drafts_prefix(self.target.component_name)}runs/"

    @property
    def executions_prefix(self) -> str:
        """Prefix of the files that map executions to runs."""
        return f"{drafts_prefix(self.target.component_name)}executions/"

    @property
    def versions(self) -> str:
        """Prefix of the versions."""
        return versions_prefix(self.target.component_name)

    @property
    def base_prefix(self) -> str:
        """Prefix of the model alone."""
        return self.target.plan.component.model.folder

    @property
    def base_bucket_name(self) -> str:
        """Bucket of the model alone."""
        return self.target.plan.component.model.bucket_name or self.bucket.bucket_name

    @property
    def base_bucket_arn(self) -> str:
        """ARN of that bucket."""
        name = self.target.plan.component.model.bucket_name
        return self.bucket_arn if name is None else self._bucket(name)

    @property
    def base_key_arn(self) -> str | None:
        """ARN of that bucket's key; None if the model names none."""
        return self.target.plan.component.model.kms_key

    @property
    def datasets(self) -> list[tuple[str, str]]:
        """Buckets, by ARN, and prefixes of what a draft is trained on."""
        training = self.target.speculative.eagle
        if training is None:
            return []
        if training.is_captured:
            return [(self.bucket_arn, captured_prefix(self.endpoint_name))]
        place = place_of(training.dataset)
        return [] if place is None else [(self._bucket(place.bucket), place.key)]

    @property
    def draft_source(self) -> tuple[str, str] | None:
        """Bucket, by ARN, and prefix of a draft that was trained elsewhere; None if there is none."""
        draft = self.target.speculative.draft
        if draft is None:
            return None
        return self.bucket_arn if draft.bucket_name is None else self._bucket(draft.bucket_name), draft.folder

    @property
    def scrub(self) -> str | None:
        """The user's function that removes what must not be trained on; None if there is none."""
        training = self.target.speculative.eagle
        return None if training is None else training.scrub

    def _bucket(self, name: str) -> str:
        return self.stack.format_arn(service="s3", region="", account="", resource=name)
