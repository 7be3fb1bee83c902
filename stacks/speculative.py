"""Drafts of an environment's components: trained or supplied, measured, promoted. Wiring only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Unpack

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk_sglang import (
    Alarms,
    ConfigurationError,
    HelperFunctions,
    NoAlarms,
    OptimizedComponent,
    SpeculativeOptimization,
)
from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.naming import endpoint_name, parameter_name, stack_name
from cdk_sglang.environments.settings import Environment
from cdk_sglang.errors import Problem
from cdk_sglang.planning import ResolvedComponent, ResolvedEndpoint
from stacks.options import StackOptions

DRAFTS_MAX: Final = 7
"""Maximum number of pipelines in one stack: each has about 65 of the 500 resources that a stack may have
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html, read 2026-11)."""
_IN_FILE = {"alarms": "alarms.none", "enrichment": "observability.enrichment"}
"""Keys in the settings file for arguments that it sets once for all components."""


class SpeculativeStack(cdk.Stack):
    """A pipeline for each component with `speculative`.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        environment: Name of the environment.
        settings: The environment.
        endpoints: Its endpoints, with every value resolved.
        **options: Options of the stack.

    Raises:
        ConfigurationError: A pipeline cannot be created; with its path as in the settings file.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: Environment,
        endpoints: Mapping[str, ResolvedEndpoint],
        **options: Unpack[StackOptions],
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._environment, self._settings = environment, settings
        raise_if_any(_too_many(endpoints))
        bucket = s3.Bucket.from_bucket_attributes(
            self,
            "Weights",
            bucket_name=self._read("weights-bucket"),
            encryption_key=kms.Key.from_key_arn(self, "Key", self._read("key-arn")),
        )
        HelperFunctions(
            self,
            "Helpers",
            log_retention_days=settings.data.log_retention_days,
            log_key=bucket.encryption_key,
            log_removal=cdk.RemovalPolicy.DESTROY if settings.data.on_delete == "destroy" else cdk.RemovalPolicy.RETAIN,
        )
        alarms = self._alarms()
        problems: list[Problem] = []
        for name, endpoint in endpoints.items():
            drafted = [one for one in endpoint.components.values() if one.component.speculative is not None]
            if not drafted:
                continue
            parent = Construct(self, name)
            role_arn = self._read(f"execution-role-arn/{name}")
            for plan in drafted:
                try:
                    self._add(parent, name, plan, bucket=bucket, alarms=alarms, role_arn=role_arn)
                except ConfigurationError as error:
                    path = f"endpoints.{name}.components.{plan.name}.speculative"
                    problems += [_in_file(problem.inside(plan.name), path) for problem in error.problems]
        raise_if_any(problems)

    def _add(
        self,
        parent: Construct,
        endpoint: str,
        plan: ResolvedComponent,
        *,
        bucket: s3.IBucket,
        alarms: Alarms | NoAlarms,
        role_arn: str,
    ) -> None:
        full, settings = endpoint_name(self._environment, endpoint), self._settings
        SpeculativeOptimization(
            parent,
            plan.name,
            component=OptimizedComponent(
                plan=plan,
                endpoint_name=full,
                component_name=f"{full}-{plan.name}",
                stack_name=stack_name(self._environment, endpoint),
                execution_role_arn=role_arn,
            ),
            bucket=bucket,
            environment=self._environment,
            alarms=alarms,
            enrichment=settings.observability.enrichment != "none",
            log_retention_days=settings.data.log_retention_days,
            removal=cdk.RemovalPolicy.DESTROY if settings.data.on_delete == "destroy" else cdk.RemovalPolicy.RETAIN,
        )

    def _read(self, value: str) -> str:
        return ssm.StringParameter.value_for_string_parameter(self, parameter_name(self._environment, value))

    def _alarms(self) -> Alarms | NoAlarms:
        alarms = self._settings.alarms
        if alarms.none is not None:
            return NoAlarms(reason=alarms.none)
        topic_arn = self._read("alarm-topic-arn") if alarms.kind == "create" else alarms.topic
        assert topic_arn is not None
        return Alarms(topic=sns.Topic.from_topic_arn(self, "Alarms", topic_arn))


def _too_many(endpoints: Mapping[str, ResolvedEndpoint]) -> list[Problem]:
    drafted = [
        f"endpoints.{endpoint.name}.components.{one.name}.speculative"
        for endpoint in endpoints.values()
        for one in endpoint.components.values()
        if one.component.speculative is not None
    ]
    text = f"is draft {{}} of the environment; one stack has room for {DRAFTS_MAX}, so move components into another environment"
    return [Problem(path, text.format(number)) for number, path in enumerate(drafted, 1) if number > DRAFTS_MAX]


def _in_file(problem: Problem, path: str) -> Problem:
    """Return a problem of the library with its path in the settings file."""
    if problem.path in _IN_FILE:
        return Problem(_IN_FILE[problem.path], f"{problem.text} (for {path})")
    return problem.under(path)
