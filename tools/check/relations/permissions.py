"""Whose role trusts which service, and what its consumer has to be allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tools.check.graph import CONFIG, Environment, Graph, listed, references
from tools.check.relations.calls import calls
from tools.check.relations.grants import Grant, at, grants
from tools.check.relations.order import role_of
from tools.check.template_text import text_of

_MODEL: Final = "AWS::SageMaker::Model"
_FUNCTION: Final = "AWS::Lambda::Function"
_RUNTIME: Final = "AWS::BedrockAgentCore::Runtime"
_MACHINE: Final = "AWS::StepFunctions::StateMachine"

TRUSTS: Final[tuple[tuple[str, str, str], ...]] = (
    (_FUNCTION, "Role", "lambda.amazonaws.com"),
    (_MODEL, "ExecutionRoleArn", "sagemaker.amazonaws.com"),
    (CONFIG, "ExecutionRoleArn", "sagemaker.amazonaws.com"),
    ("AWS::Scheduler::Schedule", "Target.RoleArn", "scheduler.amazonaws.com"),
    (_MACHINE, "RoleArn", "states.amazonaws.com"),
    ("AWS::EC2::FlowLog", "DeliverLogsPermissionArn", "vpc-flow-logs.amazonaws.com"),
    ("AWS::BedrockAgentCore::Gateway", "RoleArn", "bedrock-agentcore.amazonaws.com"),
    (_RUNTIME, "RoleArn", "bedrock-agentcore.amazonaws.com"),
)
"""Type, path of its role, and the service that takes the role: the service principals in
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html and the types' pages (read 2026-11)."""

_LOGS: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
_TRACES: Final = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
_PULL: Final = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_SAMPLING: Final = ("xray:GetSamplingRules", "xray:GetSamplingTargets")
_JOIN: Final = tuple(
    f"ec2:{verb}{noun}" for verb in ("Create", "Delete") for noun in ("NetworkInterface", "NetworkInterfacePermission")
) + tuple(
    f"ec2:Describe{noun}"
    for noun in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "VpcEndpoints", "Vpcs")
)
_DELIVER: Final = (
    *(f"logs:{verb}LogDelivery" for verb in ("Create", "Delete", "Get", "Update")),
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
)


@dataclass(frozen=True, kw_only=True)
class Need:
    """Actions that a resource's role has to be allowed.

    Attributes:
        type: Type of the resource.
        role: Path of its role.
        when: Path whose presence asks for the actions.
        actions: The actions.
        on: Path of the value they are needed on; empty for any resource.
    """

    type: str
    role: str
    when: str
    actions: tuple[str, ...]
    on: str = ""


NEEDS: Final = (
    Need(type=_MODEL, role="ExecutionRoleArn", when="PrimaryContainer.Image", actions=(*_PULL, "ecr:GetAuthorizationToken")),
    Need(type=_MODEL, role="ExecutionRoleArn", when="PrimaryContainer.ModelDataSource.S3DataSource",
         actions=("s3:GetObject", "s3:ListBucket", "kms:Decrypt")),
    Need(type=_MODEL, role="ExecutionRoleArn", when="VpcConfig", actions=_JOIN),
    Need(type=_MODEL, role="ExecutionRoleArn", when="PrimaryContainer", actions=("cloudwatch:PutMetricData", "logs:DescribeLogStreams", *_LOGS)),
    Need(type=_FUNCTION, role="Role", when="LoggingConfig.LogGroup", on="LoggingConfig.LogGroup", actions=_LOGS),
    Need(type=_FUNCTION, role="Role", when="DeadLetterConfig.TargetArn", on="DeadLetterConfig.TargetArn", actions=("sqs:SendMessage",)),
    Need(type=_FUNCTION, role="Role", when="TracingConfig", actions=_TRACES),
    Need(type=_FUNCTION, role="Role", when="Environment.Variables.USER_ON_EVENT_FUNCTION_ARN",
         on="Environment.Variables.USER_ON_EVENT_FUNCTION_ARN", actions=("lambda:InvokeFunction", "lambda:GetFunction")),
    Need(type=_FUNCTION, role="Role", when="Environment.Variables.USER_IS_COMPLETE_FUNCTION_ARN",
         on="Environment.Variables.USER_IS_COMPLETE_FUNCTION_ARN", actions=("lambda:InvokeFunction", "lambda:GetFunction")),
    Need(type=_FUNCTION, role="Role", when="Environment.Variables.WAITER_STATE_MACHINE_ARN",
         on="Environment.Variables.WAITER_STATE_MACHINE_ARN", actions=("states:StartExecution",)),
    Need(type=_FUNCTION, role="Role", when="Environment.Variables.KEY_ARN", on="Environment.Variables.KEY_ARN", actions=("kms:Decrypt", "kms:GenerateDataKey")),
    Need(type="AWS::Scheduler::Schedule", role="Target.RoleArn", when="Target.Arn", on="Target.Arn", actions=("lambda:InvokeFunction",)),
    Need(type="AWS::Scheduler::Schedule", role="Target.RoleArn", when="Target.DeadLetterConfig.Arn",
         on="Target.DeadLetterConfig.Arn", actions=("sqs:SendMessage",)),
    Need(type="AWS::EC2::FlowLog", role="DeliverLogsPermissionArn", when="LogGroupName", on="LogGroupName",
         actions=(*_LOGS, "logs:DescribeLogStreams")),
    Need(type=_MACHINE, role="RoleArn", when="LoggingConfiguration", actions=_DELIVER),
    Need(type=_MACHINE, role="RoleArn", when="TracingConfiguration", actions=(*_TRACES, *_SAMPLING)),
    Need(type=_RUNTIME, role="RoleArn", when="AgentRuntimeArtifact.CodeConfiguration.Code.S3", actions=("s3:GetObject",)),
    Need(type=_RUNTIME, role="RoleArn", when="EnvironmentVariables.CDK_SGLANG_ENDPOINT",
         actions=("sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream")),
    Need(type=_RUNTIME, role="RoleArn", when="EnvironmentVariables.CDK_SGLANG_GATEWAY_URL",
         on="EnvironmentVariables.CDK_SGLANG_GATEWAY_URL", actions=("bedrock-agentcore:InvokeGateway",)),
    Need(type=_RUNTIME, role="RoleArn", when="RoleArn",
         actions=("logs:CreateLogGroup", "logs:DescribeLogGroups", "logs:DescribeLogStreams", *_LOGS, "cloudwatch:PutMetricData", *_TRACES, *_SAMPLING)),
    Need(type="AWS::SageMaker::InferenceComponent", role="", when="DeploymentConfig.AutoRollbackConfiguration.Alarms",
         actions=("cloudwatch:DescribeAlarms",)),
)  # fmt: skip
"""https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html (CreateModel), https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html,
https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html, https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html,
https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html and https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-permissions.html
(read 2026-11). An empty path of the role stands for that of the template's endpoint configurations."""

IMPLIES: Final[tuple[tuple[str, tuple[str, ...], bool], ...]] = (
    ("logs:CreateLogStream", ("logs:PutLogEvents",), True),
    ("logs:PutLogEvents", ("logs:CreateLogStream",), True),
    ("ecr:BatchGetImage", (*_PULL, "ecr:GetAuthorizationToken"), False),
    ("ecr:GetAuthorizationToken", _PULL, False),
    ("s3:PutObject", ("kms:GenerateDataKey",), False),
    ("s3:GetObject", ("kms:Decrypt",), False),
    ("kms:GenerateDataKey", ("kms:Decrypt",), True),
    ("sagemaker:CreateModel", ("iam:PassRole", "sagemaker:AddTags"), False),
    ("sagemaker:CreateEndpointConfig", ("iam:PassRole", "sagemaker:AddTags"), False),
    ("sagemaker:CreateOptimizationJob", ("iam:PassRole", "sagemaker:AddTags"), False),
    ("sagemaker:CreateAIBenchmarkJob", ("iam:PassRole", "sagemaker:AddTags"), False),
    ("sagemaker:CreateModelPackage", ("sagemaker:AddTags",), False),
    ("cloudformation:UpdateStack", ("ssm:GetParameters",), False),
)
"""Action, those that it needs beside it, and whether on the same resources: dependent actions of the Service Authorization Reference, the key
of this project's buckets, and tags, which everything here has."""

_STATEMENTS_OF_ASSETS: Final = "-assets-"


def findings(graph: Graph, environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield place and message of each role that its consumer cannot use, or not enough."""
    for resource_type, path, service in TRUSTS:
        for name, resource in graph.of_type(resource_type).items():
            role = role_of(resource, tuple(path.split(".")))
            if role in graph.resources:
                yield from (
                    (role, f"{name} takes it: {message}") for message in _untrusting(graph, role, service, environment)
                )
    yield from _unmet(graph)
    types = {resource["Type"] for resource in graph.resources.values()}
    for name, function in graph.of_type(_FUNCTION).items():
        role = role_of(function, ("Role",))
        if role in graph.resources:
            allowed = grants(role, graph)
            for choice in calls(function["Properties"], environment.folder, types=types):
                if not any(grant.names(action) for grant in allowed for action in choice):
                    yield role, f"the code of {name} needs {' or '.join(sorted(choice))}, which the role does not allow"
    for role in graph.of_type("AWS::IAM::Role"):
        yield from _of_role(role, graph, environment)
    yield from _invoked(graph)


def _untrusting(graph: Graph, role: str, service: str, environment: Environment) -> Iterator[str]:
    document = graph.resources[role].get("Properties", {}).get("AssumeRolePolicyDocument", {})
    for statement in listed(document.get("Statement")):
        principals = listed(
            statement.get("Principal", {}).get("Service") if isinstance(statement.get("Principal"), Mapping) else None
        )
        if (
            statement.get("Effect") == "Allow"
            and "sts:AssumeRole" in listed(statement.get("Action"))
            and service in principals
        ):
            yield from _shut_out(statement.get("Condition", {}), environment)
            return
    yield f"its trust does not allow {service} sts:AssumeRole"


def _shut_out(condition: Mapping[str, Any], environment: Environment) -> Iterator[str]:
    """Yield the conditions of a trust that no request of the environment's account and Region meets."""
    for operator, keys in condition.items():
        for key, values in keys.items():
            for text in map(text_of, listed(values)):
                if (
                    key == "aws:SourceAccount"
                    and environment.account
                    and re.fullmatch(r"\d{12}", text)
                    and text != environment.account
                ):
                    yield f"{operator} {key} is {text}, and requests come from {environment.account}"


def _unmet(graph: Graph) -> Iterator[tuple[str, str]]:
    for need in NEEDS:
        for name, resource in graph.of_type(need.type).items():
            if not any(True for _ in at(resource["Properties"], need.when)):
                continue
            holders = [resource] if need.role else list(graph.of_type(CONFIG).values())
            for role in {role_of(holder, tuple((need.role or "ExecutionRoleArn").split("."))) for holder in holders}:
                if role in graph.resources:
                    targets = list(at(resource["Properties"], need.on)) if need.on else [None]
                    allowed = grants(role, graph)
                    for action in need.actions:
                        for target in targets:
                            if not any(grant.allows(action, target) for grant in allowed):
                                yield (
                                    role,
                                    f"{name} needs {action}{f' on {target}' if target else ''}: the role does not allow it",
                                )


def _of_role(role: str, graph: Graph, environment: Environment) -> Iterator[tuple[str, str]]:
    allowed = grants(role, graph)
    keyed = bool(graph.template.get("Parameters")) and "AWS::KMS::Key.Arn" in environment.parameters.values()
    for action, needed, same in IMPLIES:
        for grant in allowed:
            if not grant.names(action) or all(_STATEMENTS_OF_ASSETS in text_of(one) for one in grant.resources):
                continue
            for other in needed:
                if other.startswith("kms:") and not keyed:
                    continue
                targets = grant.resources if same else (None,)
                if not all(any(one.allows(other, target) for one in allowed) for target in targets):
                    yield role, f"{action} is allowed without {other}, which it needs"
    for grant in allowed:
        passed = listed(grant.conditions.get("StringEquals", {}).get("iam:PassedToService"))
        for found in (found for one in grant.resources for found in references(one)):
            if grant.names("iam:PassRole") and found.target in graph.of_type("AWS::IAM::Role"):
                for service in passed:
                    yield from (
                        (found.target, f"{role} passes it: {message}")
                        for message in _untrusting(graph, found.target, str(service), environment)
                    )
    yield from _log_groups(role, allowed, graph)
    yield from _tasks(role, allowed, graph)


def _log_groups(role: str, allowed: list[Grant], graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield the log groups of the template's endpoints and components that their role may not write."""
    takers = {role_of(config, ("ExecutionRoleArn",)) for config in graph.of_type(CONFIG).values()}
    if role not in takers:
        return
    for group in graph.of_type("AWS::Logs::LogGroup").values():
        name = group["Properties"].get("LogGroupName")
        if isinstance(name, str) and name.startswith("/aws/sagemaker/"):
            for action in (*_LOGS, "logs:DescribeLogStreams"):
                if not any(
                    grant.names(action) and any(f":{name}" in text_of(one) for one in grant.resources)
                    for grant in allowed
                ):
                    yield role, f"{name} is written by SageMaker: the role does not allow {action} on it"


def _tasks(role: str, allowed: list[Grant], graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield the functions of a state machine's tasks that its role may not invoke."""
    for name, machine in graph.of_type(_MACHINE).items():
        if role_of(machine, ("RoleArn",)) != role:
            continue
        for found in references(machine["Properties"].get("DefinitionString", {})):
            if found.target in graph.of_type(_FUNCTION) and not any(
                grant.allows("lambda:InvokeFunction", {"Ref": found.target}) for grant in allowed
            ):
                yield role, f"{name} calls {found.target}: the role does not allow lambda:InvokeFunction on it"


def _invoked(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield the roles that may invoke a component and not its endpoint, or the reverse: SageMaker asks for both.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html (read 2026-11)
    """
    for role in graph.of_type("AWS::IAM::Role"):
        for action in ("sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"):
            resources = [
                text_of(one) for grant in grants(role, graph) if grant.names(action) for one in grant.resources
            ]
            kinds = {text.rpartition(":")[2].partition("/")[0] for text in resources}
            for missing in {"endpoint", "inference-component"} - kinds:
                if kinds & {"endpoint", "inference-component"}:
                    yield role, f"{action} is not allowed on any {missing}, and SageMaker asks for both"
