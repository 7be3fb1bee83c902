"""An AgentCore runtime whose model is a component of the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk_sglang.agents import permissions
from cdk_sglang.agents.roles import agentcore_principal, allow, make_role
from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, acknowledge_wildcards, in_packs
from cdk_sglang.serving.shared.logs import kept_under_a_name
from cdk_sglang.serving.shared.permissions import CALL_WITH_BEARER_TOKEN, INVOKE, PUBLISH_METRICS
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.spec.agent import AgentSession, Authorizer

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from cdk_sglang.agents.artifact import AgentCode, AgentImage
    from cdk_sglang.agents.gateway import ToolGateway
    from cdk_sglang.agents.memory import AgentMemory
    from cdk_sglang.agents.mlflow import AgentMlflow
    from cdk_sglang.serving.endpoint.network import EndpointNetwork

MAX_VARIABLES: Final = 50
"""Environment variables of a runtime (botocore 1.44.5, bedrock-agentcore-control EnvironmentVariablesMap)."""
LOG_GROUPS: Final = "/aws/bedrock-agentcore/runtimes/"

REDACTED: Final = "gen_ai.tool.call.*,gen_ai.input.*,gen_ai.output.*,content,message,tool.result"
"""Attributes that ADOT removes from spans and logs: prompts, answers, arguments and results of tools (tried with aws-opentelemetry-distro 0.21.0)."""

NOT_REDACTED: Final = "none"
"""Not the name of any attribute: without the variable, the agent removes the attributes of its own list."""
USER_OF_IAM: Final = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-User"
"""Header in which a caller with AWS credentials names the user; the prefix is that of all headers that AgentCore may pass on
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-header-allowlist.html, read 2026-11)."""
USER_OF_JWT: Final = "Authorization"
"""Header with the user's token, which AgentCore has verified. Never both headers: with the callers' header, a caller could name any user."""

_TRACING: Final = {
    "AGENT_OBSERVABILITY_ENABLED": "true",
    "OTEL_PYTHON_DISTRO": "aws_distro",
    "OTEL_PYTHON_CONFIGURATOR": "aws_configurator",
    "OTEL_PYTHON_STARLETTE_EXCLUDED_URLS": "ping",  # a health check is no trace
}
_GROUPS_OF_THE_SERVICE: Final = (
    "the service adds an id to the runtime's name, and one log group for each of its endpoints"
)
_NO_RESOURCE_TYPE: Final = (
    "PutTraceSegments, PutMetricData (limited to one namespace), CallWithBearerToken and GetAuthorizationToken have no resource types, "
    "DescribeLogGroups none but all groups: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"
)


@checked_fields
@dataclass(frozen=True, kw_only=True)
class AgentModel:
    """The model of an agent.

    Attributes:
        endpoint_name: SageMaker's name of the endpoint.
        component_name: SageMaker's name of the component or adapter that answers.
        api: `sagemaker` for requests signed with SigV4, `openai` for the OpenAI-compatible path with bearer tokens.
    """

    endpoint_name: str
    component_name: str
    api: Literal["sagemaker", "openai"] = "sagemaker"

    @checked()
    def statements(self, arns: SageMakerArns) -> list[iam.PolicyStatement]:
        """Return what an agent's role needs to ask this model, and no other.

        Args:
            arns: ARNs of the stack's account and Region.
        """
        resources = [
            *arns.allowed("endpoint", self.endpoint_name),
            *arns.allowed("inference-component", self.component_name),
        ]
        token = [allow(CALL_WITH_BEARER_TOKEN, ["*"], sid="BearerToken")] if self.api == "openai" else []
        return [allow(INVOKE, resources, sid="Model"), *token]


class AgentRuntime(Construct):
    """A runtime, its role and its logs. A session is a process of its own; sessions that nobody uses cost nothing.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        name: Name of the runtime: letters, digits and underscores, up to 48.
        artifact: What it runs: `AgentCode` or `AgentImage`.
        model: The component that it calls.
        gateway: Tools; none by default.
        memory: Memory; none by default, so that a session is forgotten with its process.
        mlflow: MLflow app that keeps traces too; none by default.
        network: Subnets and security groups of its sessions; AgentCore's own network by default.
        authorizer: Who may call it; AWS credentials by default.
        session: Lifetime of a session; the specification's defaults by default.
        endpoints: Named endpoints with the versions that they are pinned to; AgentCore's own DEFAULT is always there and the newest.
        environment: Further variables of the agent.
        redact: Whether prompts, answers and arguments of tools are removed from traces; they are by default.
        key: KMS key of the logs; CloudWatch Logs' own encryption by default.
        log_retention: Retention of the logs; 30 days by default.
        removal: Whether logs outlive the stack; they do by default.

    Attributes:
        runtime: The runtime.
        role: Role of its sessions.
        variables: Environment variables of the agent.

    Raises:
        ConfigurationError: The environment is too large, or names a variable that is set here.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        artifact: AgentCode | AgentImage,
        model: AgentModel,
        gateway: ToolGateway | None = None,
        memory: AgentMemory | None = None,
        mlflow: AgentMlflow | None = None,
        network: EndpointNetwork | None = None,
        authorizer: Authorizer | None = None,
        session: AgentSession | None = None,
        endpoints: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        redact: bool = True,
        key: kms.IKey | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
    ) -> None:
        own, further = _variables(model, gateway, memory, mlflow, redact=redact), environment or {}
        raise_if_any(_variable_problems(own, further))
        super().__init__(scope, construct_id)
        self._name = name
        self.variables: dict[str, str] = {**own, **further}
        bound = artifact.bind(self)
        statements = {
            "Code": list(bound.statements),
            "Model": model.statements(SageMakerArns.of(cdk.Stack.of(self))),
            "Tools": []
            if gateway is None
            else [allow(permissions.INVOKE_GATEWAY, [gateway.gateway.gateway_arn], sid="Tools")],
            "Memory": [] if memory is None else memory.statements(),
            "Mlflow": [] if mlflow is None else mlflow.statements(),
            "Telemetry": self._telemetry(),
        }
        self.role: iam.Role = make_role(
            self,
            "Role",
            description="What the sessions of the agent may do",
            principal=agentcore_principal(cdk.Stack.of(self), "runtime", name),
            statements=statements,
        )
        if gateway is not None:
            gateway.permit(self.role)
        acknowledge_wildcards(self, self.role, ["*", self._groups("*")], _NO_RESOURCE_TYPE)
        own_groups = self._groups(f"{LOG_GROUPS}{name}-*")
        acknowledge_wildcards(self, self.role, [own_groups, f"{own_groups}:log-stream:*"], _GROUPS_OF_THE_SERVICE)
        lifetime = session or AgentSession()
        self.runtime: agentcore.Runtime = agentcore.Runtime(
            self,
            "Runtime",
            runtime_name=name,
            description="An agent whose model is a component of the fleet",
            agent_runtime_artifact=bound.rendered,
            execution_role=self.role.without_policy_updates(),
            authorizer_configuration=_authorizer(authorizer),
            request_header_configuration=agentcore.RequestHeaderConfiguration(
                allowlisted_headers=[USER_OF_IAM if authorizer is None or authorizer.jwt is None else USER_OF_JWT]
            ),
            environment_variables=self.variables,
            lifecycle_configuration=agentcore.LifecycleConfiguration(
                idle_runtime_session_timeout=cdk.Duration.minutes(lifetime.idle_minutes),
                max_lifetime=cdk.Duration.hours(lifetime.max_hours),
            ),
            network_configuration=agentcore.RuntimeNetworkConfiguration.using_public_network(),
        )
        if network is not None:
            self._join(network.join(self))
        for endpoint, version in sorted((endpoints or {}).items()):
            self.runtime.add_endpoint(endpoint, version=str(version), description=f"Pinned to version {version}")
        self._make_logs(["DEFAULT", *sorted(endpoints or {})], key, log_retention, removal)

    @checked()
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a grantee to call the agent through any of its endpoints, but not on behalf of users whom it names.

        Args:
            grantee: User, role or other principal.
        """
        arn = self.runtime.agent_runtime_arn
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=list(permissions.INVOKE_RUNTIME),
            resource_arns=[arn, f"{arn}/runtime-endpoint/*"],
        )

    def _join(self, network: EndpointNetwork) -> None:
        """Place sessions in subnets. CDK's own method takes a VPC as a construct; these are ids, some of which are known only at deployment."""
        resource = self.runtime.node.default_child
        assert isinstance(resource, agentcore.CfnRuntime)
        resource.network_configuration = agentcore.CfnRuntime.NetworkConfigurationProperty(
            network_mode="VPC",
            network_mode_config=agentcore.CfnRuntime.VpcConfigProperty(
                subnets=list(network.subnet_ids), security_groups=list(network.security_group_ids)
            ),
        )

    def _groups(self, name: str) -> str:
        return cdk.Stack.of(self).format_arn(
            service="logs", resource="log-group", resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )

    def _telemetry(self) -> list[iam.PolicyStatement]:
        groups = self._groups(f"{LOG_GROUPS}{self._name}-*")
        namespace = {"StringEquals": {"cloudwatch:namespace": permissions.METRIC_NAMESPACE}}
        return [
            allow(permissions.MAKE_LOG_GROUPS, [groups], sid="LogGroups"),
            allow(permissions.WRITE_LOGS, [f"{groups}:log-stream:*"], sid="Logs"),
            allow(permissions.FIND_LOG_GROUPS, [self._groups("*")], sid="FindLogGroups"),
            allow(permissions.SEND_TRACES, ["*"], sid="Traces"),
            allow(PUBLISH_METRICS, ["*"], sid="Metrics", conditions=namespace),
        ]

    def _make_logs(
        self, endpoints: list[str], key: kms.IKey | None, retention: logs.RetentionDays, removal: cdk.RemovalPolicy
    ) -> None:
        """Create the log groups before the service does, which would set neither a key nor a retention period."""
        for endpoint in endpoints:
            group = logs.LogGroup(
                self,
                f"Logs-{endpoint}",
                log_group_name=f"{LOG_GROUPS}{self.runtime.agent_runtime_id}-{endpoint}",
                encryption_key=key,
                retention=retention,
                removal_policy=kept_under_a_name(removal),
            )
            if key is None:
                text = "no key was given: CloudWatch Logs encrypts with its own"
                acknowledge_all(group, (in_packs("CloudWatchLogGroupEncrypted"), text))


def _authorizer(authorizer: Authorizer | None) -> agentcore.RuntimeAuthorizerConfiguration:
    jwt = None if authorizer is None else authorizer.jwt
    if jwt is None:
        return agentcore.RuntimeAuthorizerConfiguration.using_iam()
    return agentcore.RuntimeAuthorizerConfiguration.using_jwt(
        jwt.discovery_url, list(jwt.allowed_clients) or None, list(jwt.allowed_audience) or None
    )


def _variables(
    model: AgentModel,
    gateway: ToolGateway | None,
    memory: AgentMemory | None,
    mlflow: AgentMlflow | None,
    *,
    redact: bool,
) -> dict[str, str]:
    """Return the environment variables that configure the agent."""
    gateway_url = None if gateway is None else gateway.gateway.gateway_url
    return {
        "CDK_SGLANG_ENDPOINT": model.endpoint_name,
        "CDK_SGLANG_COMPONENT": model.component_name,
        "CDK_SGLANG_MODEL_API": model.api,
        **({"CDK_SGLANG_GATEWAY_URL": gateway_url} if gateway_url else {}),
        **({"CDK_SGLANG_MEMORY_ID": memory.memory_id} if memory is not None else {}),
        **_TRACING,
        "AWS_REDACT_SPAN_ATTRIBUTES": REDACTED if redact else NOT_REDACTED,
        **({} if mlflow is None else mlflow.environment()),
    }


def _variable_problems(own: Mapping[str, str], further: Mapping[str, str]) -> list[Problem]:
    problems = [
        Problem(f"environment.{name}", "is set by the construct; remove it") for name in sorted(set(own) & set(further))
    ]
    count = len(own) + len(further)
    if count > MAX_VARIABLES:
        text = f"{len(further)} variables and {len(own)} of the construct's own are {count}; {MAX_VARIABLES} are allowed, remove {count - MAX_VARIABLES}"
        problems.append(Problem("environment", text))
    return problems
