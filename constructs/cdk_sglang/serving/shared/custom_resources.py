"""Functions that answer CloudFormation's requests for custom resources, directly or behind CDK's provider framework (docs/adr/0045)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import custom_resources
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_all, in_packs, inline_policy
from cdk_sglang.serving.shared.acknowledge import wildcards as accepted_wildcards
from cdk_sglang.serving.shared.helper_functions import function_network
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.serving.shared.own_policy import give
from cdk_sglang.serving.shared.runtime_functions import (
    joined,
    let_join,
    make_log_group,
    make_role,
    of_a_function,
    place_function,
)
from cdk_sglang.serving.shared.trust import trust_account_alone

_PROVIDER: Final = "Provider"
_ON_EVENT: Final = "framework-onEvent"
"""Ids of the functions that CloudFormation calls. Functions that answer directly have the id of CDK's provider framework too: CloudFormation refuses
another `ServiceToken` for an existing resource (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/802, read 2026-12), and
endpoints were deployed with the framework."""

_VERSIONS: Final = "CDK's provider framework may invoke any version of the one function it is made for"
_FRAMEWORK_RUNTIME: Final = "CDK chooses the runtime of its provider framework, with the release of aws-cdk-lib"
_NO_LOG_OF_THE_WAITER: Final = (
    "the framework's functions, which are all that it calls, log every poll and every error in a group of their own; a log of the machine "
    "itself would repeat the resource's properties, and needs rights on every log delivery of the account: "
    "https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy"
)
_NO_TRACES: Final = "it polls one custom resource during a deployment; its history shows every step"


def make_answering_function(
    scope: Construct,
    construct_id: str,
    *,
    source: str,
    description: str,
    timeout: cdk.Duration,
    log_options: LogOptions,
    statements: Sequence[iam.PolicyStatement] = (),
    wildcards: Sequence[str] = (),
    wildcard_reason: str = "",
) -> lambda_.Function:
    """Create a function from `_runtime/<source>` whose entry `answer` answers CloudFormation directly; its ARN is the service token.

    Args:
        scope: Parent.
        construct_id: Prefix of the ids of its role and its log group.
        source: Folder under `_runtime`.
        description: What it does, shown in the console.
        timeout: Time-out of one invocation.
        log_options: Retention, key and removal of its logs.
        statements: Permissions of its role, in addition to logging.
        wildcards: Resources in them that end in a wildcard.
        wildcard_reason: Reason for the wildcards.
    """
    group = make_log_group(scope, f"{construct_id}Logs", log_options)
    role = make_role(scope, f"{construct_id}Role", description=description, group=group, statements=statements)
    accepted = [accepted_wildcards(scope, wildcards, wildcard_reason)] if wildcards else []
    acknowledge_all(role, inline_policy(), *accepted)
    return place_function(
        Construct(scope, _PROVIDER),
        _ON_EVENT,
        source=source,
        entry="answer",
        description=description,
        timeout=timeout,
        role=role,
        group=group,
    )


def let_invoke_itself(scope: Construct, construct_id: str, function: lambda_.Function) -> iam.Policy:
    """Let a function continue in another invocation of itself; return the policy, which the function's custom resources must depend on.

    The policy is separate from the role: in the role, it would depend on the function, which depends on the role.
    """
    role = function.role
    assert role is not None
    statement = iam.PolicyStatement(actions=list(permissions.INVOKE_FUNCTION), resources=[function.function_arn])
    policy = iam.Policy(scope, construct_id, statements=[statement], roles=[role])
    acknowledge_all(policy, inline_policy())
    return policy


def make_provider(
    scope: Construct,
    construct_id: str,
    *,
    on_event: lambda_.IFunction,
    is_complete: lambda_.IFunction,
    query_interval: cdk.Duration,
    total_timeout: cdk.Duration,
    log_options: LogOptions,
) -> custom_resources.Provider:
    """Create CDK's provider framework around a function that starts a job, and one that is polled until the job is complete."""
    group = make_log_group(scope, f"{construct_id}Logs", log_options)
    handlers = (on_event, is_complete)
    versions = accepted_wildcards(scope, [f"{handler.function_arn}:*" for handler in handlers], _VERSIONS)
    roles: dict[str, iam.Role] = {}
    network = function_network(scope)
    for part in ("OnEvent", "IsComplete"):
        role = make_role(
            scope,
            f"{construct_id}{part}Role",
            description="Runs CDK's provider framework for one custom resource",
            group=group,
            statements=[statement for handler in handlers for statement in _call(handler)],
        )
        acknowledge_all(role, inline_policy(), versions)
        if network is not None:
            let_join(scope, role)
        roles[part] = role
    provider = custom_resources.Provider(
        scope,
        construct_id,
        on_event_handler=on_event,
        is_complete_handler=is_complete,
        query_interval=query_interval,
        total_timeout=total_timeout,
        # The roles already contain the permissions that CDK adds, so that these need no separate policies.
        framework_on_event_role=roles["OnEvent"].without_policy_updates(),
        framework_complete_and_timeout_role=roles["IsComplete"].without_policy_updates(),
        log_group=group,
        **joined(network),
    )
    acknowledge_all(
        provider,
        *of_a_function(network),
        (["AwsSolutions-L1"], _FRAMEWORK_RUNTIME),
        (["AwsSolutions-SF1"], _NO_LOG_OF_THE_WAITER),
        (["AwsSolutions-SF2"], _NO_TRACES),
        (in_packs("IAMNoInlinePolicy"), "policies of the framework's own roles belong to those roles"),
    )
    waiter = provider.node.find_child("waiter-state-machine")
    trust_account_alone(waiter.node.find_child("Role"))
    machine = waiter.node.find_child("Resource")
    assert isinstance(machine, cdk.CfnResource)
    give(roles["OnEvent"], iam.PolicyStatement(actions=list(permissions.START_WAITER), resources=[machine.ref]))
    return provider


def _call(handler: lambda_.IFunction) -> list[iam.PolicyStatement]:
    """Return the permissions of CDK's provider framework on a function that it calls, as `Provider` would add them."""
    arn = handler.function_arn
    return [
        iam.PolicyStatement(actions=list(permissions.INVOKE_FUNCTION), resources=[arn, f"{arn}:*"]),
        iam.PolicyStatement(actions=list(permissions.LOOK_AT_FUNCTION), resources=[arn]),
    ]
