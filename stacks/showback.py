"""Costs of the endpoints of an environment: wiring only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk_sglang import Alarms, NoAlarms
from cdk_sglang.environments.naming import parameter_name
from cdk_sglang.environments.settings import Environment
from cdk_sglang.hardware import PriceTable
from cdk_sglang.observability.observed import ObservedEndpoint
from cdk_sglang.observability.showback.showback import Showback
from stacks.options import StackOptions


class ShowbackStack(cdk.Stack):
    """Samples, daily reports and their bucket.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        environment: Name of the environment.
        settings: The environment.
        endpoints: Its endpoints.
        prices: The user's own prices; only the package's by default.
        **options: Options of the stack.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: Environment,
        endpoints: Sequence[ObservedEndpoint],
        prices: PriceTable | None = None,
        **options: Unpack[StackOptions],
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._environment = environment
        showback = Showback(
            self,
            "Showback",
            environment=environment,
            endpoints=endpoints,
            settings=settings.observability.showback,
            key=kms.Key.from_key_arn(self, "Key", self._read("key-arn")),
            alarms=self._alarms(settings),
            measures_tokens=settings.observability.enrichment != "none",
            prices=prices,
            log_retention_days=settings.data.log_retention_days,
            removal=cdk.RemovalPolicy.DESTROY if settings.data.on_delete == "destroy" else cdk.RemovalPolicy.RETAIN,
        )
        cdk.CfnOutput(
            self,
            "Reports",
            value=showback.bucket.bucket_name,
            description=f"Daily costs; read them with: cdk-sglang costs --env {environment}",
        )

    def _read(self, value: str) -> str:
        return ssm.StringParameter.value_for_string_parameter(self, parameter_name(self._environment, value))

    def _alarms(self, settings: Environment) -> Alarms | NoAlarms:
        alarms = settings.alarms
        if alarms.none is not None:
            return NoAlarms(reason=alarms.none)
        topic_arn = self._read("alarm-topic-arn") if alarms.kind == "create" else alarms.topic
        assert topic_arn is not None
        return Alarms(topic=sns.Topic.from_topic_arn(self, "Alarms", topic_arn))
