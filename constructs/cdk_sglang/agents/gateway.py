"""Tools behind one MCP address: an AgentCore gateway that takes AWS credentials, with Lambda functions as targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import aws_cdk as cdk
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_sglang.agents import permissions
from cdk_sglang.agents.names import policy_name, seen_name
from cdk_sglang.agents.roles import agentcore_principal, allow, make_role
from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.permissions import INVOKE_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_kms as kms

    from cdk_sglang.agents.schemas import Tool

_VERSION: Final = agentcore.MCPProtocolVersion.MCP_2025_06_18
"""Stated, since the default is older; the newest that aws-cdk-lib 2.275.0 names."""
_ENTITY: Final = "AgentCore::IamEntity"
"""Cedar's type of a caller with AWS credentials. The id of a role's session is arn:aws:sts::<account>:assumed-role/<role>, without the session's name
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/policy-conditions.html#policy-iam-principal-format, read 2026-11)."""
_OWN_NAMES: Final = "the service makes the ids of gateways out of their names"


@checked_fields
@dataclass(frozen=True, kw_only=True)
class ToolTarget:
    """A Lambda function with its tools.

    Attributes:
        name: Name of the target; agents see its tools as `<name>___<tool>`.
        function: The function.
        tools: Its tools.
        description: What they are for.
    """

    name: str
    function: lambda_.IFunction
    tools: tuple[Tool, ...]
    description: str = ""


@checked_fields
@dataclass(frozen=True, kw_only=True)
class ToolPolicies:
    """Cedar policies that permit roles the tools of a gateway: one for each tool and role, see `ToolGateway.permit`.

    Attributes:
        name: Name of the policy engine.
        mode: Whether calls that no policy permits are logged or refused.
        key: KMS key of the policies; AgentCore's own encryption by default.
    """

    name: str
    mode: Literal["log_only", "enforce"] = "log_only"
    key: kms.IKey | None = None


class ToolGateway(Construct):
    """A gateway whose callers sign with AWS credentials; it accepts no other authentication.

    Args:
        scope: Parent.
        construct_id: Id, unique in the parent.
        name: Name of the gateway.
        targets: Functions with their tools; at least one.
        policies: Cedar policies for the tools, with which only roles that are granted the gateway may call them. None by default,
            so that whoever may invoke the gateway may call every tool.

    Attributes:
        gateway: The gateway.
        role: Role with which it invokes these functions and no others.
        policy_engine: The policy engine; None without policies.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        targets: Sequence[ToolTarget],
        policies: ToolPolicies | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._name = name
        self.policy_engine: agentcore.PolicyEngine | None = None if policies is None else self._make_engine(policies)
        self.role: iam.Role = self._make_role(targets)
        self.gateway: agentcore.Gateway = agentcore.Gateway(
            self,
            "Gateway",
            gateway_name=name,
            description="Tools of the agent",
            role=self.role.without_policy_updates(),
            # Without an authorizer CDK makes a Cognito user pool whose clients may call every tool.
            authorizer_configuration=agentcore.GatewayAuthorizer.using_aws_iam(),
            protocol_configuration=agentcore.McpProtocolConfiguration(
                supported_versions=[_VERSION], instructions="Use the tools only for the person that the user speaks of."
            ),
            policy_engine_configuration=self._engine_configuration(policies),
        )
        resources = [self._add_target(target) for target in targets]
        self._tools: list[tuple[str, agentcore.GatewayTarget]] = [
            (seen_name(target.name, tool.name), resource)
            for target, resource in zip(targets, resources, strict=True)
            for tool in target.tools
        ]
        self._permitted: list[str] = []

    @checked()
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a grantee to list and call the tools, in IAM and in the gateway's policies.

        Args:
            grantee: Role. Other principals are allowed only if the gateway has no policies.

        Raises:
            ConfigurationError: The gateway has policies, and the grantee is not a role.
        """
        if self.policy_engine is not None:
            principal = grantee.grant_principal
            if not isinstance(getattr(principal, "role_name", None), str):
                problem = Problem(
                    f"{self.node.id}.grant_invoke",
                    "grantee is no role, and the gateway's policies name roles alone; grant a role that the caller assumes",
                )
                raise ConfigurationError([problem])
            self.permit(cast("iam.IRole", principal))
        return self._grant(grantee)

    @checked()
    def permit(self, role: iam.IRole) -> None:
        """Permit a role every tool in the gateway's policies; do nothing without policies, or for a role that is already permitted.

        A role also needs permission to invoke the gateway: `grant_invoke` gives both. An `AgentRuntime` has both.

        Args:
            role: Role that calls the tools.
        """
        if self.policy_engine is None or role.node.path in self._permitted:
            return
        self._permitted.append(role.node.path)
        number = len(self._permitted)
        for tool_name, target in self._tools:
            self._make_policy(
                self.policy_engine, role, tool_name if number == 1 else f"{tool_name}-{number}", tool_name, target
            )

    def _grant(self, grantee: iam.IGrantable) -> iam.Grant:
        return iam.Grant.add_to_principal(
            grantee=grantee, actions=list(permissions.INVOKE_GATEWAY), resource_arns=[self.gateway.gateway_arn]
        )

    @checked()
    def grant_policy_creation(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow a grantee, such as the execution role of CloudFormation, to create the policies of this gateway.

        AgentCore checks a new policy against the tools of the live gateway, so its creator needs permission to invoke the gateway.

        Args:
            grantee: User, role or other principal.

        Raises:
            ConfigurationError: The gateway has no policies.
        """
        if self.policy_engine is None:
            problem = Problem(
                f"{self.node.id}.policies", "missing, so there are none to create; give ToolPolicies(...)"
            )
            raise ConfigurationError([problem])
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=list(permissions.CREATE_POLICIES),
            resource_arns=[self.policy_engine.policy_engine_arn, f"{self.policy_engine.policy_engine_arn}/policy/*"],
        )
        return self._grant(grantee)

    def _make_engine(self, policies: ToolPolicies) -> agentcore.PolicyEngine:
        return agentcore.PolicyEngine(
            self,
            "PolicyEngine",
            policy_engine_name=policies.name,
            description="Which tools the agent may call",
            kms_key=policies.key,
        )

    def _engine_configuration(self, policies: ToolPolicies | None) -> agentcore.GatewayPolicyEngineConfig | None:
        if policies is None or self.policy_engine is None:
            return None
        modes = agentcore.PolicyEngineMode
        return agentcore.GatewayPolicyEngineConfig(
            policy_engine=self.policy_engine, mode=modes.ENFORCE if policies.mode == "enforce" else modes.LOG_ONLY
        )

    def _make_role(self, targets: Sequence[ToolTarget]) -> iam.Role:
        stack = cdk.Stack.of(self)
        functions = [target.function.function_arn for target in targets]
        own = stack.format_arn(service="bedrock-agentcore", resource="gateway", resource_name=f"{self._name}-*")
        engine = self.policy_engine
        evaluate = [] if engine is None else [engine.policy_engine_arn, own]
        role = make_role(
            self,
            "Role",
            description="Lets the gateway invoke its tools",
            principal=agentcore_principal(stack, "gateway", self._name),
            statements={
                "InvokeTools": [allow(INVOKE_FUNCTION, functions, sid="InvokeTools")],
                "Policies": [allow(permissions.EVALUATE_POLICIES, evaluate, sid="Evaluate")] if evaluate else [],
            },
        )
        if evaluate:
            acknowledge_wildcards(self, role, [own], _OWN_NAMES)
        return role

    def _add_target(self, target: ToolTarget) -> agentcore.GatewayTarget:
        parent = Construct(self, f"Target-{target.name}")
        permission = lambda_.CfnPermission(
            parent,
            "Permission",
            action=INVOKE_FUNCTION[0],
            function_name=target.function.function_arn,
            principal=self.role.role_arn,
        )
        resource = self.gateway.add_lambda_target(
            f"Target-{target.name}",
            gateway_target_name=target.name,
            description=target.description or f"Tools of {target.name}",
            lambda_function=target.function,
            tool_schema=agentcore.ToolSchema.from_inline([_definition(tool) for tool in target.tools]),
        )
        # AgentCore tries the function when the target is created (github.com/aws/aws-cdk/issues/36826).
        resource.node.add_dependency(permission, self.role)
        return resource

    def _make_policy(
        self,
        engine: agentcore.PolicyEngine,
        role: iam.IRole,
        name: str,
        tool_name: str,
        target: agentcore.GatewayTarget,
    ) -> None:
        """Permit a role one tool; removing the policy revokes the permission."""
        stack = cdk.Stack.of(self)
        caller = stack.format_arn(
            service="sts",
            region="",
            account=role.principal_account or stack.account,
            resource="assumed-role",
            resource_name=role.role_name,
        )
        policy = agentcore.Policy(
            self,
            f"Permit-{name}",
            policy_engine=engine,
            policy_name=policy_name(name),
            description=f"A caller of the gateway may use {tool_name}",
            # AgentCore reports a policy that names no caller as too permissive, and fails the deployment.
            statement=agentcore.PolicyStatement.from_cedar(
                f'permit(principal == {_ENTITY}::"{caller}", action == AgentCore::Action::"{tool_name}", '
                f'resource == AgentCore::Gateway::"{self.gateway.gateway_arn}");'
            ),
        )
        policy.node.add_dependency(target)  # a policy is checked against the tools that the gateway has


def _definition(tool: Tool) -> agentcore.ToolDefinition:
    return agentcore.ToolDefinition(
        name=tool.name,
        description=tool.description,
        input_schema=_schema(tool.input_schema),
        output_schema=None if tool.output_schema is None else _schema(tool.output_schema),
    )


def _schema(schema: Mapping[str, Any]) -> agentcore.SchemaDefinition:
    properties = schema.get("properties")
    items = schema.get("items")
    return agentcore.SchemaDefinition(
        type=agentcore.SchemaDefinitionType.of(schema["type"]),
        description=schema.get("description"),
        properties=None if properties is None else {name: _schema(value) for name, value in properties.items()},
        required=schema.get("required"),
        items=None if items is None else _schema(items),
    )
