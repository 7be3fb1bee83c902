"""What the user and CloudFormation's role may do, according to IAM's own simulation of their policies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, CouldNotCheckError, code_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok, warning
from cdk_sglang.environments.account_needs import AgentNeeds, Needs

_ASSUMED: Final = re.compile(r"arn:[\w-]+:sts::[0-9]{12}:assumed-role/([^/]+)/.+")
_SCALING_ROLE: Final = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
"""https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-service-linked-roles.html, read 2026-11."""
_SIMULATED: Final = "the simulation knows no resource policies and no session policies"


def checks(needs: Needs, account: Account) -> Iterator[Check]:
    """Yield the checks of what the user and CloudFormation's role may do.

    Args:
        needs: What the environment needs.
        account: The account.
    """
    yield Check(name="permissions: you", look=partial(_caller, needs, account))
    yield Check(name="permissions: CloudFormation", look=partial(_cloudformation, needs, account))
    yield Check(name="service-linked role: scaling", look=partial(_scaling_role, account))


def _caller(needs: Needs, account: Account) -> Finding:
    """Check that the user may assume the roles with which the CDK CLI deploys."""
    arn = str(account.identity()["Arn"])
    if arn.endswith(":root"):
        return ok("the root user may do everything that its organization allows")
    assumed = _ASSUMED.fullmatch(arn)
    if assumed is not None:  # of an assumed role, only its own ARN has the path
        arn = str(account.call("iam", "get_role", RoleName=assumed[1])["Role"]["Arn"])
    roles = [_bootstrap_role(needs, account, part) for part in ("deploy-role", "file-publishing-role")]
    denied, depends = _denied(account, arn, {role: ["sts:AssumeRole"] for role in roles})
    if denied:
        return failure(
            f"{arn} may not assume {', '.join(role for role, _ in denied)}",
            "ask whoever grants permissions for sts:AssumeRole on arn:*:iam::*:role/cdk-*",
        )
    return _allowed(f"{arn} may assume the roles with which the CDK CLI deploys", depends)


def _cloudformation(needs: Needs, account: Account) -> Finding:
    """Check that CloudFormation's role may create what the stacks hold."""
    arn = _bootstrap_role(needs, account, "cfn-exec-role")
    try:
        denied, depends = _denied(account, arn, _deployment_actions(needs, account))
    except ClientError as error:
        if code_of(error) not in {"NoSuchEntity", "NoSuchEntityException"}:
            raise
        raise CouldNotCheckError(
            f"there is no role {arn}",
            "bootstrap first; a bootstrap of another qualifier is named in cdk.json: @aws-cdk/core:bootstrapQualifier",
        ) from None
    if denied:
        actions = sorted({action for _, action in denied})
        return failure(
            f"CloudFormation's role may not: {', '.join(actions)}",
            f"grant {arn} these: cdk bootstrap --cloudformation-execution-policies <ARN of a policy>",
        )
    return _allowed("CloudFormation's role may create what the stacks hold", depends)


def _allowed(text: str, depends: Sequence[str]) -> Finding:
    if depends:
        return warning(
            f"{text}, under conditions that cannot be simulated: {', '.join(sorted(set(depends)))}",
            "compare the conditions of its policies with docs/security.md",
        )
    return ok(f"{text}; {_SIMULATED}")


def _deployment_actions(needs: Needs, account: Account) -> Mapping[str, Sequence[str]]:
    """Return a small set of actions that a deployment needs, by resource: one for each service, and those that create endpoints."""

    def arn(service: str, resource: str, *, region: str = account.region, owner: str = account.id) -> str:
        return f"arn:{account.partition}:{service}:{region}:{owner}:{resource}"

    unnamed = ["kms:CreateKey", "application-autoscaling:RegisterScalableTarget"]
    if needs.network.vpc == "create":
        unnamed += ["ec2:CreateVpc", "ec2:CreateVpcEndpoint"]
    prefix = f"cdk-sglang-{needs.environment}-foundation"
    actions: dict[str, Sequence[str]] = {
        "*": unnamed,
        arn("iam", f"role/{prefix}-doctor", region=""): ["iam:CreateRole", "iam:PutRolePolicy", "iam:PassRole"],
        arn("s3", f"{prefix}-doctor", region="", owner=""): ["s3:CreateBucket"],
        arn("ssm", f"parameter{needs.bucket_parameter}"): ["ssm:PutParameter"],
        arn("ecr", f"repository/{needs.images_repository}"): ["ecr:CreateRepository"],
        arn("lambda", f"function:{prefix}-doctor"): ["lambda:CreateFunction"],
        arn("cloudwatch", f"alarm:{prefix}-doctor"): ["cloudwatch:PutMetricAlarm"],
    }
    for endpoint in needs.endpoints:
        name = endpoint.endpoint_name
        actions[arn("sagemaker", f"endpoint/{name}")] = ["sagemaker:CreateEndpoint"]
        actions[arn("sagemaker", f"endpoint-config/{name}")] = ["sagemaker:CreateEndpointConfig"]
        for component in endpoint.component_names[:1]:
            actions[arn("sagemaker", f"inference-component/{component}")] = ["sagemaker:CreateInferenceComponent"]
            actions[arn("sagemaker", f"model/{component}")] = ["sagemaker:CreateModel"]
        for group in endpoint.log_groups[:1]:
            actions[arn("logs", f"log-group:{group}")] = ["logs:CreateLogGroup"]
    if needs.agent is not None:
        actions |= _agent_actions(needs.agent, arn)
    return actions


def _agent_actions(agent: AgentNeeds, arn: Callable[..., str]) -> Mapping[str, Sequence[str]]:
    """Return what CloudFormation needs for the agent: to create its parts and their roles, and to pass the roles."""
    service = "bedrock-agentcore"
    actions: dict[str, Sequence[str]] = {
        arn("iam", f"role/{agent.stack_name}-doctor", region=""): [
            "iam:CreateRole",
            "iam:PutRolePolicy",
            "iam:PassRole",
        ],
        arn(service, f"runtime/{agent.runtime_name}-doctor"): [f"{service}:CreateAgentRuntime"],
    }
    if agent.gateway_name:
        creating = [f"{service}:CreateGateway", f"{service}:CreateGatewayTarget"]
        # CreatePolicy validates a policy against the gateway, as its caller.
        invoking = [f"{service}:InvokeGateway"] if agent.has_policies else []
        actions[arn(service, f"gateway/{agent.gateway_name}-doctor")] = [*creating, *invoking]
    if agent.memory_name:
        actions[arn(service, f"memory/{agent.memory_name}-doctor")] = [f"{service}:CreateMemory"]
    if agent.has_policies:
        actions[arn(service, f"policy-engine/{agent.stack_name}-doctor")] = [f"{service}:CreatePolicyEngine"]
    return actions


def _denied(
    account: Account, principal: str, actions: Mapping[str, Sequence[str]]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the refused actions, each with its resource, and those that depend on a condition's values."""
    denied: list[tuple[str, str]] = []
    depends: list[str] = []
    for resource, names in actions.items():
        results = account.pages(
            "iam",
            "simulate_principal_policy",
            "EvaluationResults",
            PolicySourceArn=principal,
            ActionNames=list(names),
            ResourceArns=[resource],
        )
        for result in results:
            if result["EvalDecision"] == "allowed":
                continue
            if result["EvalDecision"] == "implicitDeny" and _misses_context(result):
                depends.append(str(result["EvalActionName"]))
            else:
                denied.append((resource, str(result["EvalActionName"])))
    return denied, depends


def _misses_context(result: Mapping[str, Any]) -> bool:
    """Whether a decision depends on a condition, which IAM reports with each resource.

    https://docs.aws.amazon.com/sdk-for-python/v4/reference/clients/iam/structures/EvaluationResult/ (read 2026-11).
    """
    return any(one.get("MissingContextValues") for one in [result, *result.get("ResourceSpecificResults", ())])


def _scaling_role(account: Account) -> Finding:
    try:
        account.call("iam", "get_role", RoleName=_SCALING_ROLE)
    except ClientError as error:
        if code_of(error) not in {"NoSuchEntity", "NoSuchEntityException"}:
            raise
        return warning(
            f"{_SCALING_ROLE} is not there yet; the first scaling target makes it, if iam:CreateServiceLinkedRole is allowed",
            "aws iam create-service-linked-role --aws-service-name sagemaker.application-autoscaling.amazonaws.com",
        )
    return ok(f"{_SCALING_ROLE} is there")


def _bootstrap_role(needs: Needs, account: Account, part: str) -> str:
    name = f"cdk-{needs.qualifier}-{part}-{account.id}-{account.region}"
    return f"arn:{account.partition}:iam::{account.id}:role/{name}"
