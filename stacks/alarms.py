"""Alarms of one endpoint, in a separate stack, so that a hundred components stay within the limits of a stack."""

from __future__ import annotations

from typing import Final, Unpack

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk_sglang import Alarms, ConfigurationError, EndpointAlarms, NoAlarms
from cdk_sglang.environments.naming import parameter_name
from cdk_sglang.environments.settings import Environment
from cdk_sglang.environments.settings_alarms import Alarms as AlarmSettings
from cdk_sglang.errors import Problem
from cdk_sglang.observability.observed import ObservedEndpoint
from stacks.options import StackOptions

_ID: Final = "Alarms"
_LOG_REMOVAL: Final = {"retain": cdk.RemovalPolicy.RETAIN, "destroy": cdk.RemovalPolicy.DESTROY}


class AlarmsStack(cdk.Stack):
    """Alarms of one endpoint.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        environment: Name of the environment.
        endpoint: The endpoint, with its plan.
        settings: The environment.
        serving_stack: Name of the stack that deploys the endpoint; while it is being updated, nobody is paged.
        **options: Options of the stack.

    Raises:
        ConfigurationError: An objective cannot be monitored; with its path as in the settings file.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        endpoint: ObservedEndpoint,
        settings: Environment,
        serving_stack: str,
        **options: Unpack[StackOptions],
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._environment = environment
        try:
            self.alarms = EndpointAlarms(
                self,
                _ID,
                endpoint=endpoint,
                alarms=alarm_choice(self, environment, settings.alarms),
                enrichment=settings.observability.enrichment != "none",
                rules=settings.alarms.rules,
                deployment_stacks=(serving_stack,),
                runbooks_url=settings.observability.runbooks_url,
                log_retention_days=settings.data.log_retention_days,
                log_key=self._key() if settings.alarms.none is None else None,  # without a topic there is no log
                log_removal=_LOG_REMOVAL[settings.data.on_delete],
            )
        except ConfigurationError as error:
            raise ConfigurationError(_in_file(problem, endpoint.name) for problem in error.problems) from None
        cdk.CfnOutput(self, "Page", value=self.alarms.page_alarm_name, description="The alarm that pages")

    def _key(self) -> kms.IKey:
        return kms.Key.from_key_arn(self, "Key", self._read("key-arn"))

    def _read(self, value: str) -> str:
        return ssm.StringParameter.value_for_string_parameter(self, parameter_name(self._environment, value))


def alarm_choice(stack: cdk.Stack, environment: str, alarms: AlarmSettings) -> Alarms | NoAlarms:
    """Return the targets that the alarms of an environment notify, or the reason why they notify nobody.

    Args:
        stack: The stack of the alarms.
        environment: Name of the environment.
        alarms: Its alarm settings.
    """
    if alarms.none is not None:
        return NoAlarms(reason=alarms.none)
    name = parameter_name(environment, "alarm-topic-arn")
    created = alarms.kind == "create"
    arn = ssm.StringParameter.value_for_string_parameter(stack, parameter_name=name) if created else alarms.topic
    assert arn is not None
    return Alarms(
        topic=sns.Topic.from_topic_arn(stack, "Topic", arn),
        page_topic=None if alarms.page is None else sns.Topic.from_topic_arn(stack, "PageTopic", alarms.page),
    )


def _in_file(problem: Problem, endpoint: str) -> Problem:
    """Return a problem of the library with its path in the settings file, which sets the targets of alarms once for all endpoints."""
    inner = problem.inside(_ID)
    if inner.path.startswith("alarms."):
        return Problem(inner.path.replace("page_topic", "page"), inner.text)
    return inner.under(f"endpoints.{endpoint}")
