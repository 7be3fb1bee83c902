"""Lambda functions of the library: small, in Python, each with its own role and log group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import Accepted, acknowledge, acknowledge_all, in_packs, inline_policy
from cdk_sglang.serving.shared.acknowledge import wildcards as accepted_wildcards
from cdk_sglang.serving.shared.helper_functions import FunctionNetwork, function_network
from cdk_sglang.serving.shared.log_keys import let_logs_use
from cdk_sglang.serving.shared.log_options import LogOptions, known_retention
from cdk_sglang.serving.shared.own_policy import give, keep_rights_inside

_SOURCES: Final = Path(__file__).parents[2] / "_runtime"
_RUNTIME: Final = lambda_.Runtime.PYTHON_3_14
_MEMORY_MIB: Final = 256

_FEW_AT_ONCE: Final = (
    "CloudFormation or a schedule calls it, one event at a time; reserving concurrency would take it from the account's pool, "
    "and fails in accounts that still have the initial quota of 10: "
    "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
)
_CALLER_SEES: Final = (
    "no failure of it is lost: CloudFormation waits for its answer and fails the deployment without one, Step Functions and gateways get the error, and "
    "a call of a schedule or a rule that fails is kept in a queue"
)
_NO_VPC: Final = (
    "it calls AWS APIs with IAM alone, reaches nothing inside a VPC, and nothing reaches it but its caller's invocation"
)
_STREAMS: Final = "streams of the function's own log group; Lambda chooses their names"
_INTERFACES: Final = (
    "Lambda makes the network interfaces of a function, whose ids are unknown beforehand: "
    "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions"
)


def runtime_file(source: str, name: str) -> Path:
    """Return the path of a file that a function reads, such as the schemas of its tools."""
    return _SOURCES / source / name


def make_log_group(scope: Construct, construct_id: str, options: LogOptions) -> logs.LogGroup:
    """Create a log group with a name that CloudFormation generates."""
    if options.key is not None:
        let_logs_use(scope, options.key)
    retention = known_retention(options.retention_days)
    group = logs.LogGroup(
        scope, construct_id, encryption_key=options.key, removal_policy=options.removal, retention=retention
    )
    if retention is None:  # a number that is known only at deployment
        resource = group.node.default_child
        assert isinstance(resource, logs.CfnLogGroup)
        resource.retention_in_days = options.retention_days
    if options.key is None:
        acknowledge(
            group, in_packs("CloudWatchLogGroupEncrypted"), "no key was given: CloudWatch Logs encrypts with its own"
        )
    return group


def make_function(
    scope: Construct,
    construct_id: str,
    *,
    source: str,
    entry: str,
    description: str,
    timeout: cdk.Duration,
    log_options: LogOptions,
    statements: Sequence[iam.PolicyStatement],
    wildcards: Sequence[str] = (),
    wildcard_reason: str = "",
    environment: dict[str, str] | None = None,
    files: Sequence[str] = (),
    principal: iam.IPrincipal | None = None,
) -> lambda_.Function:
    """Create a function from `_runtime/<source>`.

    Args:
        scope: Parent.
        construct_id: Id of the function.
        source: Folder under `_runtime`.
        entry: Function in its `handler.py`.
        description: What it does, shown in the console.
        timeout: Time-out of one invocation.
        log_options: Retention, key and removal of its logs.
        statements: Permissions of its role, in addition to logging.
        wildcards: Resources in them that end in a wildcard.
        wildcard_reason: Reason for the wildcards.
        environment: Environment variables of the function.
        files: Patterns of files that the function reads in addition to its modules, such as `*.json`.
        principal: Who may assume its role; Lambda by default.
    """
    group = make_log_group(scope, f"{construct_id}Logs", log_options)
    role = make_role(
        scope, f"{construct_id}Role", description=description, group=group, statements=statements, principal=principal
    )
    acknowledge_all(role, inline_policy(), accepted_wildcards(scope, wildcards, wildcard_reason))
    return place_function(
        scope,
        construct_id,
        source=source,
        entry=entry,
        description=description,
        timeout=timeout,
        role=role,
        group=group,
        environment=environment,
        files=files,
    )


def make_role(
    scope: Construct,
    construct_id: str,
    *,
    description: str,
    group: logs.LogGroup,
    statements: Sequence[iam.PolicyStatement],
    principal: iam.IPrincipal | None = None,
) -> iam.Role:
    """Create the role of one function, or of several that need the same permissions.

    Args:
        scope: Parent.
        construct_id: Id of the role.
        description: What its functions do.
        group: Their log group.
        statements: Their permissions, in addition to logging.
        principal: Who may assume it; Lambda by default.
    """
    assumed_by = principal or iam.ServicePrincipal("lambda.amazonaws.com")
    role = keep_rights_inside(iam.Role(scope, construct_id, description=description, assumed_by=assumed_by))
    for statement in (_write_logs(group), *statements):
        give(role, statement)
    return role


def place_function(
    scope: Construct,
    construct_id: str,
    *,
    source: str,
    entry: str,
    description: str,
    timeout: cdk.Duration,
    role: iam.Role,
    group: logs.LogGroup,
    environment: dict[str, str] | None = None,
    memory_mib: int = _MEMORY_MIB,
    files: Sequence[str] = (),
) -> lambda_.Function:
    """Create a function from `_runtime/<source>` with an existing role and log group.

    Args:
        scope: Parent.
        construct_id: Id of the function.
        source: Folder under `_runtime`.
        entry: Function in its `handler.py`.
        description: What it does, shown in the console.
        timeout: Time-out of one invocation.
        role: Its role.
        group: Its log group.
        environment: Environment variables of the function.
        memory_mib: Memory in MiB, which also determines the share of a processor.
        files: Patterns of files that the function reads in addition to its modules, such as `*.json`.
    """
    network = function_network(scope)
    if network is not None:
        let_join(scope, role)
    function = lambda_.Function(
        scope,
        construct_id,
        description=description,
        runtime=_RUNTIME,
        architecture=lambda_.Architecture.ARM_64,
        code=lambda_.Code.from_asset(
            str(_SOURCES),
            # Only this function's folder: a change to another function must not redeploy this one.
            exclude=["*", f"!{source}", *(f"!{source}/{pattern}" for pattern in ("*.py", *files))],
            ignore_mode=cdk.IgnoreMode.GIT,
        ),
        handler=f"{source}.handler.{entry}",
        timeout=timeout,
        memory_size=memory_mib,
        role=role,
        log_group=group,
        logging_format=lambda_.LoggingFormat.JSON,
        environment=environment,
        **joined(network),
    )
    acknowledge_all(function, *of_a_function(network))
    return function


def _write_logs(group: logs.LogGroup) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(permissions.WRITE_FUNCTION_LOGS), resources=[group.log_group_arn])


def of_a_function(network: FunctionNetwork | None) -> list[Accepted]:
    """Return the findings that are accepted for every function."""
    accepted: list[Accepted] = [(in_packs("LambdaConcurrency"), _FEW_AT_ONCE), (in_packs("LambdaDLQ"), _CALLER_SEES)]
    return accepted if network is not None else [*accepted, (in_packs("LambdaInsideVPC"), _NO_VPC)]


def let_join(scope: Construct, role: iam.Role) -> None:
    """Let Lambda use a function's role to attach the function to a VPC."""
    give(role, iam.PolicyStatement(actions=list(permissions.JOIN_FUNCTION_NETWORK), resources=["*"]))
    acknowledge_all(role, accepted_wildcards(scope, ["*"], _INTERFACES))


def joined(network: FunctionNetwork | None) -> dict[str, Any]:
    """Return the arguments with which a function or a provider joins a network."""
    if network is None:
        return {}
    return {"vpc": network.vpc, "vpc_subnets": network.subnets, "security_groups": list(network.groups)}
