"""Lambda functions of the library, and the custom resources they answer: small, in Python, each with its own role and log group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import custom_resources
from constructs import Construct

from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.acknowledge import Accepted, acknowledge, acknowledge_all, in_packs, inline_policy
from cdk_sglang.serving.shared.acknowledge import wildcards as accepted_wildcards
from cdk_sglang.spec.log_retention import RETENTION_DAYS

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

_SOURCES: Final = Path(__file__).parents[2] / "_runtime"
_RUNTIME: Final = lambda_.Runtime.PYTHON_3_14
_MEMORY_MIB: Final = 256
_RETENTION: Final = dict(
    zip(RETENTION_DAYS, (days for days in logs.RetentionDays if days is not logs.RetentionDays.INFINITE), strict=True)
)

_FEW_AT_ONCE: Final = (
    "CloudFormation or a schedule calls it, one event at a time; reserving concurrency would take it from the account's pool, "
    "and fails in accounts that still have the initial quota of 10: "
    "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
)
_CALLER_SEES: Final = (
    "it is called synchronously: its failure is a failed deployment or a failed delivery, which has a queue"
)
_NO_VPC: Final = "it reads and calls AWS APIs with IAM alone and receives no traffic; the endpoint's subnets have no route to those APIs"
_STREAMS: Final = "streams of the function's own log group; Lambda chooses their names"
_VERSIONS: Final = "CDK's provider framework may invoke any version of the one function it is made for"
_FRAMEWORK_RUNTIME: Final = "CDK chooses the runtime of its provider framework, with the release of aws-cdk-lib"
_WAITER_LOGS: Final = (
    "log delivery to Step Functions has no resource types: "
    "https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy"
)
_NO_TRACES: Final = "it polls one custom resource during a deployment; its history shows every step"


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """What becomes of a function's logs: as those of the endpoint."""

    retention_days: int
    key: kms.IKey | None
    removal: cdk.RemovalPolicy


def days_of(path: str, retention: int | logs.RetentionDays) -> int:
    """Return a retention as a number of days.

    Raises:
        ConfigurationError: It has no end.
    """
    if not isinstance(retention, logs.RetentionDays):
        return retention
    if retention is logs.RetentionDays.INFINITE:
        raise ConfigurationError(
            [Problem(path, "INFINITE is not allowed, logs have an end here; use up to TEN_YEARS (3653)")]
        )
    return next(days for days, name in _RETENTION.items() if name is retention)


def make_log_group(scope: Construct, construct_id: str, options: LogOptions) -> logs.LogGroup:
    """Create a log group under a name CloudFormation makes."""
    retention = _RETENTION.get(options.retention_days)
    group = logs.LogGroup(
        scope, construct_id, encryption_key=options.key, removal_policy=options.removal, retention=retention
    )
    if retention is None:  # a number that is known at deployment
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
) -> lambda_.Function:
    """Create a function out of `_runtime/<source>`.

    Args:
        scope: Parent.
        construct_id: Id of the function.
        source: Folder under `_runtime`.
        entry: Function in its `handler.py`.
        description: What it does, for whoever finds it in the console.
        timeout: Of one invocation.
        log_options: What becomes of its logs.
        statements: What its role may do besides logging.
        wildcards: Resources in them that end in a wildcard.
        wildcard_reason: Why they do.
        environment: Settings of the function.
    """
    group = make_log_group(scope, f"{construct_id}Logs", log_options)
    role = iam.Role(
        scope,
        f"{construct_id}Role",
        description=description,
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
    )
    group.grant_write(role)
    for statement in statements:
        role.add_to_policy(statement)
    acknowledge_all(role, inline_policy(), accepted_wildcards(scope, wildcards, wildcard_reason))
    function = lambda_.Function(
        scope,
        construct_id,
        description=description,
        runtime=_RUNTIME,
        architecture=lambda_.Architecture.ARM_64,
        code=lambda_.Code.from_asset(
            str(_SOURCES),
            # Only this function's folder: a change to another one must not deploy this one anew.
            exclude=["*", f"!{source}", f"!{source}/*.py"],
            ignore_mode=cdk.IgnoreMode.GIT,
        ),
        handler=f"{source}.handler.{entry}",
        timeout=timeout,
        memory_size=_MEMORY_MIB,
        role=role,
        log_group=group,
        logging_format=lambda_.LoggingFormat.JSON,
        environment=environment,
    )
    acknowledge_all(function, *_of_a_function())
    return function


def make_provider(
    scope: Construct,
    construct_id: str,
    *,
    on_event: lambda_.IFunction,
    is_complete: lambda_.IFunction | None = None,
    query_interval: cdk.Duration | None = None,
    total_timeout: cdk.Duration | None = None,
    log_options: LogOptions,
) -> custom_resources.Provider:
    """Create CDK's provider framework around one function, or around one that begins and one that is asked until it is done."""
    group = make_log_group(scope, f"{construct_id}Logs", log_options)
    handlers = [on_event, *([is_complete] if is_complete else [])]
    versions = accepted_wildcards(scope, [f"{handler.function_arn}:*" for handler in handlers], _VERSIONS)
    roles = {}
    for part in ("OnEvent", *(("IsComplete",) if is_complete else ())):
        role = iam.Role(
            scope,
            f"{construct_id}{part}Role",
            description="Runs CDK's provider framework for one custom resource",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        group.grant_write(role)
        acknowledge_all(role, inline_policy(), versions)
        roles[part] = role
    provider = custom_resources.Provider(
        scope,
        construct_id,
        on_event_handler=on_event,
        is_complete_handler=is_complete,
        query_interval=query_interval,
        total_timeout=total_timeout,
        framework_on_event_role=roles["OnEvent"],
        framework_complete_and_timeout_role=roles.get("IsComplete"),
        log_group=group,
    )
    acknowledge_all(
        provider,
        *_of_a_function(),
        (["AwsSolutions-L1"], _FRAMEWORK_RUNTIME),
        (["AwsSolutions-SF2"], _NO_TRACES),
        (in_packs("IAMNoInlinePolicy"), "policies of the framework's own roles belong to those roles"),
        accepted_wildcards(scope, ["*"], _WAITER_LOGS),
    )
    return provider


def _of_a_function() -> list[Accepted]:
    return [
        (in_packs("LambdaConcurrency"), _FEW_AT_ONCE),
        (in_packs("LambdaDLQ"), _CALLER_SEES),
        (in_packs("LambdaInsideVPC"), _NO_VPC),
    ]
