"""The agent of an environment: wiring and outputs only."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Unpack

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk_sglang.agents import names
from cdk_sglang.agents.alarms import make_failed_turns_alarms
from cdk_sglang.agents.artifact import AgentCode, AgentImage
from cdk_sglang.agents.gateway import ToolGateway, ToolPolicies, ToolTarget
from cdk_sglang.agents.memory import AgentMemory
from cdk_sglang.agents.mlflow import AgentMlflow
from cdk_sglang.agents.runtime import AgentModel, AgentRuntime
from cdk_sglang.agents.schemas import read_tools
from cdk_sglang.agents.tools import ClinicalTools
from cdk_sglang.checks import raise_if_any
from cdk_sglang.environments.naming import endpoint_name, parameter_name
from cdk_sglang.environments.settings import Environment
from cdk_sglang.environments.settings_agent import agent_region_problems
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware.agent_regions import agentcore_zone_ids
from cdk_sglang.metrics.agentcore import AgentMetrics
from cdk_sglang.observability.dashboards.agent_dashboard import AgentDashboard
from cdk_sglang.serving.shared.log_options import retention_of
from cdk_sglang.spec.agent import Agent
from stacks.alarms import alarm_choice
from stacks.network import endpoint_network
from stacks.options import StackOptions

_WAKE_SECONDS: Final = 900
"""A component at zero copies has a copy again within minutes; after this time the agent reports that it is unavailable."""


class AgentStack(cdk.Stack):
    """Runtime, gateway with tools, memory and MLflow app, each if the environment enables it.

    Args:
        scope: The app, or a stage of one.
        construct_id: Id of the stack.
        environment: Name of the environment.
        settings: The environment.
        **options: Options of the stack.

    Raises:
        ConfigurationError: The agent has problems; lists all of them, with paths as in the settings file.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: Environment,
        **options: Unpack[StackOptions],
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self._environment = environment
        self._settings = settings
        self._agent = settings.agent
        self._removal = cdk.RemovalPolicy.DESTROY if settings.data.on_delete == "destroy" else cdk.RemovalPolicy.RETAIN
        self._key = kms.Key.from_key_arn(self, "Key", self._read("key-arn"))
        raise_if_any(self._problems())
        self._tell_zones()
        clinical = self._make_clinical() if self._agent.tools.reference else None
        gateway = self._make_gateway(clinical)
        memory = self._make_memory()
        agent = self._make_runtime(gateway, memory)
        self._watch(agent, gateway, memory)
        self._publish(agent, gateway, clinical, memory)

    def _read(self, value: str) -> str:
        return ssm.StringParameter.value_for_string_parameter(self, parameter_name(self._environment, value))

    def _problems(self) -> list[Problem]:
        """Return all problems before any resource is created."""
        agent, environment = self._agent, self._environment
        resource_names = {"runtime": names.runtime_name(environment)}
        resource_names |= {"gateway": names.gateway_name(environment)} if agent.tools.any else {}
        resource_names |= {"memory": names.memory_name(environment)} if agent.memory.enabled else {}
        problems = names.name_problems(resource_names, "agent")
        if not cdk.Token.is_unresolved(self.region):  # the CDK CLI's Region if the file names none
            problems += agent_region_problems(agent, self.region)
        if agent.container is None:
            problems += _problems_of("agent.code", lambda: self._code(agent).sources())
        for name, tool in agent.tools.own.items():
            path = f"agent.tools.own.{name}.schema"
            problems += _problems_of(path, lambda name=name, tool=tool: read_tools(Path(tool.schema_file), target=name))
        return problems

    def _tell_zones(self) -> None:
        """Report which Availability Zones a runtime may join: their names differ by account, so synth cannot compare them."""
        zones = agentcore_zone_ids(self.region)
        if self._agent.network == "vpc" and zones:
            cdk.Annotations.of(self).add_info(
                f"AgentCore joins subnets of some Availability Zones of a Region; in {self.region}: {', '.join(zones)}. Compare with "
                "`aws ec2 describe-subnets --query 'Subnets[].[SubnetId,AvailabilityZoneId]'`, and see "
                "https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/agentcore-vpc.html for what came since 2025-11"
            )

    @staticmethod
    def _code(agent: Agent) -> AgentCode:
        return AgentCode(folder=None if agent.code is None else Path(agent.code), mlflow=agent.mlflow)

    def _make_clinical(self) -> ClinicalTools:
        return ClinicalTools(
            self,
            "Clinical",
            key=self._key,
            log_retention_days=self._settings.data.log_retention_days,
            removal=self._removal,
        )

    def _make_gateway(self, clinical: ClinicalTools | None) -> ToolGateway | None:
        targets = [] if clinical is None else [clinical.target]
        for name, tool in sorted(self._agent.tools.own.items()):
            function = lambda_.Function.from_function_arn(self, f"Function-{name}", tool.function_arn)
            tools = read_tools(Path(tool.schema_file), target=name)
            targets.append(ToolTarget(name=name, function=function, tools=tools))
        if not targets:
            return None
        policy, environment = self._agent.policy, self._environment
        policies = (
            None
            if policy == "none"
            else ToolPolicies(name=names.policy_engine_name(environment), mode=policy, key=self._key)
        )
        return ToolGateway(self, "Tools", name=names.gateway_name(environment), targets=targets, policies=policies)

    def _make_memory(self) -> AgentMemory | None:
        if not self._agent.memory.enabled:
            return None
        return AgentMemory(
            self,
            "Memory",
            name=names.memory_name(self._environment),
            expiry_days=self._agent.memory.expiry_days,
            key=self._key,
            removal=self._removal,
        )

    def _make_runtime(self, gateway: ToolGateway | None, memory: AgentMemory | None) -> AgentRuntime:
        agent, environment = self._agent, self._environment
        assert agent.component is not None
        endpoint, component, *adapter = agent.component.split("/")
        served = endpoint_name(environment, endpoint)
        mlflow = (
            AgentMlflow(self, "Mlflow", name=f"{environment}-agent", key=self._key, removal=self._removal)
            if agent.mlflow
            else None
        )
        container = agent.container
        return AgentRuntime(
            self,
            "Agent",
            name=names.runtime_name(environment),
            artifact=self._code(agent)
            if container is None
            else AgentImage(repository=container.repository, digest=container.digest),
            model=AgentModel(
                endpoint_name=served, component_name="-".join([served, component, *adapter]), api=agent.model_api
            ),
            gateway=gateway,
            memory=memory,
            mlflow=mlflow,
            network=endpoint_network(self._settings.network, self._read) if agent.network == "vpc" else None,
            authorizer=agent.authorizer,
            session=agent.session,
            endpoints=agent.endpoints,
            environment={
                "CDK_SGLANG_ENVIRONMENT": environment,
                "CDK_SGLANG_MAX_TOOL_CALLS": str(agent.max_tool_calls),
                "CDK_SGLANG_TOKEN_BUDGET": str(agent.token_budget),
                "CDK_SGLANG_WAKE_SECONDS": str(_WAKE_SECONDS),
                **({"CDK_SGLANG_ADAPTER": adapter[0]} if adapter else {}),
                **({"CDK_SGLANG_PROMPT_VERSION": agent.prompt_version} if agent.prompt_version else {}),
                **({"CDK_SGLANG_ANSWER_TOKENS": str(agent.answer_tokens)} if agent.answer_tokens else {}),
            },
            redact=agent.redact,
            key=self._key,
            log_retention=retention_of(self._settings.data.log_retention_days),
            removal=self._removal,
        )

    def _watch(self, agent: AgentRuntime, gateway: ToolGateway | None, memory: AgentMemory | None) -> None:
        """Create the dashboard of the agent's metrics and the alarm on failed turns, each if the environment enables it."""
        metrics = AgentMetrics(
            runtime_name=names.runtime_name(self._environment),
            runtime_arn=agent.runtime.agent_runtime_arn,
            gateway_arn=None if gateway is None else gateway.gateway.gateway_arn,
            memory_arn=None if memory is None else memory.memory_arn,
        )
        endpoints = tuple(sorted(self._agent.endpoints))
        if self._settings.observability.dashboards:
            assert self._agent.component is not None
            AgentDashboard(
                self,
                "Dashboard",
                name=self._environment,
                metrics=metrics,
                model_endpoint=endpoint_name(self._environment, self._agent.component.partition("/")[0]),
                endpoints=endpoints,
                runbooks=self._settings.observability.runbooks_url,
            )
        if self._agent.failed_turns_alarm is not None:
            make_failed_turns_alarms(
                self,
                metrics,
                name=self._environment,
                failed_turns=self._agent.failed_turns_alarm,
                choice=alarm_choice(self, self._environment, self._settings.alarms),
                endpoints=endpoints,
            )

    def _publish(
        self,
        agent: AgentRuntime,
        gateway: ToolGateway | None,
        clinical: ClinicalTools | None,
        memory: AgentMemory | None,
    ) -> None:
        advice = f"ask it with: cdk-sglang agent invoke --env {self._environment}"
        outputs = {
            "RuntimeArn": (agent.runtime.agent_runtime_arn, f"The agent; {advice}"),
            "RuntimeName": (names.runtime_name(self._environment), "Name of the runtime"),
            "GatewayUrl": (gateway and gateway.gateway.gateway_url, "MCP address of the tools"),
            "ReportsBucket": (clinical and clinical.reports.bucket_name, "Reports that the agent has saved"),
            "PatientsTable": (clinical and clinical.patients.table_name, "Patients that the agent can look up"),
            "MemoryId": (memory and memory.memory_id, "Memory of the agent's sessions"),
        }
        for name, (value, description) in outputs.items():
            if value:
                cdk.CfnOutput(self, name, value=value, description=description)


def _problems_of(path: str, work: object) -> list[Problem]:
    assert callable(work)
    try:
        work()
    except ConfigurationError as error:
        return [problem.under(path) for problem in error.problems]
    return []
