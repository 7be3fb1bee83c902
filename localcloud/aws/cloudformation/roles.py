"""What services check in a role before they create a resource with it: that they may assume it, and its permissions at that moment.

A role that the embedded AWS does not have is not checked, since it may belong to the user. Whether the deployer may pass a role is not checked either.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moto.awslambda.utils import get_backend
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.utilities.utils import get_partition

from localcloud.aws.door import permissions

_REGISTRY: Final = ".dkr.ecr."
_ARN_FIELDS: Final = 5
"""Fields of an ARN before its resource: arn, partition, service, Region and account."""


class RoleError(Exception):
    """A service refuses a role."""


@dataclass(frozen=True)
class Trust:
    """A property with a role that a service assumes, and the service's refusal.

    Attributes:
        path: Path of the role's ARN in the properties.
        service: Prefix of the service: its principal is this with `.amazonaws.com`.
        refusal: Message, with `{role}` for the ARN.
    """

    path: str
    service: str
    refusal: str


@dataclass(frozen=True)
class Need:
    """Actions that a service tries, or checks with IAM, while it creates a resource.

    Attributes:
        when: Path in the properties that requires the actions if it exists.
        actions: The actions.
        refusal: Message, with `{role}`, `{verb}` for the action without its prefix, and `{value}` for the value at the path.
        starts: Prefix or part of the value, for values of several kinds.
    """

    when: str
    actions: tuple[str, ...]
    refusal: str
    starts: str = ""


_SAGEMAKER: Final = "Could not assume role {role}. Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com' to assume the role."
_AGENTS: Final = "Role validation failed for '{role}'. Please verify that the role exists and its trust policy allows assumption by this service"

TRUSTS: Final[Mapping[str, Trust]] = {
    "AWS::Lambda::Function": Trust("Role", "lambda", "The role defined for the function cannot be assumed by Lambda."),
    "AWS::SageMaker::Model": Trust("ExecutionRoleArn", "sagemaker", _SAGEMAKER),
    "AWS::SageMaker::EndpointConfig": Trust("ExecutionRoleArn", "sagemaker", _SAGEMAKER),
    "AWS::StepFunctions::StateMachine": Trust(
        "RoleArn",
        "states",
        "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role.",
    ),
    "AWS::Scheduler::Schedule": Trust(
        "Target.RoleArn",
        "scheduler",
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
    ),
    "AWS::CodeBuild::Project": Trust(
        "ServiceRole", "codebuild", "CodeBuild is not authorized to perform: sts:AssumeRole on service role {role}"
    ),
    "AWS::EC2::FlowLog": Trust(
        "DeliverLogsPermissionArn", "vpc-flow-logs", "Unable to assume the role {role}: Access error of the flow log"
    ),
    "AWS::BedrockAgentCore::Runtime": Trust("RoleArn", "bedrock-agentcore", _AGENTS),
    "AWS::BedrockAgentCore::Gateway": Trust("RoleArn", "bedrock-agentcore", _AGENTS),
    "AWS::BedrockAgentCore::Memory": Trust("MemoryExecutionRoleArn", "bedrock-agentcore", _AGENTS),
}
"""By type: the services' principals are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html (read 2026-12); the messages those of the services'
own refusals as users report them. A flow log is created all the same, and then has an access error and no data."""

_PULL: Final = (
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetAuthorizationToken",
)
_LOG_DELIVERY: Final = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
_INTERFACES: Final = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DeleteNetworkInterface",
)
_NO_DATA: Final = (
    "Could not access model data at {value}. Please ensure that the role {role} exists and that its trust relationship policy allows the "
    'action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure that the role has "{action}" permissions.'
)
_FUNCTION: Final = "The provided execution role does not have permissions to call {verb} on {service}"

NEEDS: Final[Mapping[str, tuple[Need, ...]]] = {
    "AWS::Lambda::Function": (
        Need("DeadLetterConfig.TargetArn", ("sqs:SendMessage",), _FUNCTION, "arn:aws:sqs:"),
        Need("DeadLetterConfig.TargetArn", ("sns:Publish",), _FUNCTION, "arn:aws:sns:"),
        Need("VpcConfig.SubnetIds", _INTERFACES, _FUNCTION),
    ),
    "AWS::SageMaker::Model": (
        Need("PrimaryContainer.ModelDataSource.S3DataSource.S3Uri", ("s3:GetObject", "s3:ListBucket"), _NO_DATA),
        Need("PrimaryContainer.ModelDataUrl", ("s3:GetObject",), _NO_DATA),
        Need(
            "PrimaryContainer.Image",
            _PULL,
            "The role {role} does not have {verb} permission for the image: {value}",
            _REGISTRY,
        ),
        Need(
            "VpcConfig.Subnets",
            (*_INTERFACES, "ec2:CreateNetworkInterfacePermission"),
            "The role {role} does not have {action} permission for the subnets of VpcConfig",
        ),
    ),
    "AWS::StepFunctions::StateMachine": (
        Need(
            "LoggingConfiguration.Destinations",
            _LOG_DELIVERY,
            "The state machine IAM Role is not authorized to access the Log Destination",
        ),
    ),
}
"""By type: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html, .../configuration-vpc.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html (CreateModel) and
https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html (read 2026-12). Problems that SageMaker finds when it starts the first copy, such as a subnet
that it may not join, are found here with the model."""


def check(resource_type: str, properties: Mapping[str, Any], *, account: str, region: str) -> None:
    """Refuse a resource whose role the service cannot assume, or that may not do what the service tries at once.

    Args:
        resource_type: Type of the resource.
        properties: Its properties, without intrinsic functions.
        account: The stack's account.
        region: The stack's Region.

    Raises:
        RoleError: The service refuses the role, in its words.
    """
    trust = TRUSTS.get(resource_type)
    if trust is not None:
        role = _at(properties, trust.path)
        document = _trust_policy(role, region)
        if document is not None:
            if problem := _untrusting(document, trust.service, account=account, region=region):
                raise RoleError(f"{trust.refusal.format(role=role)} ({problem})")
            for need in NEEDS.get(resource_type, ()):
                _check_need(need, properties, role)
    elif resource_type == "AWS::Lambda::EventInvokeConfig":
        _check_destinations(properties, account=account, region=region)


def _check_need(need: Need, properties: Mapping[str, Any], role: str) -> None:
    value = _at(properties, need.when)
    if not value or (need.starts and need.starts not in str(value)):
        return
    for action in need.actions:
        if not permissions.allows(role, action, _resource(action, value)):
            service, _, verb = action.partition(":")
            raise RoleError(
                need.refusal.format(role=role, action=action, verb=verb, service=service.upper(), value=value)
            )


def _resource(action: str, value: Any) -> str:
    """Return the ARN that an action is on, for queues, topics and data in S3; for others any of the role's resources is enough."""
    if isinstance(value, str) and value.startswith("s3://"):
        bucket, _, key = value.removeprefix("s3://").partition("/")
        return f"arn:aws:s3:::{bucket}" if action == "s3:ListBucket" else f"arn:aws:s3:::{bucket}/{key}x"
    return value if isinstance(value, str) and value.startswith("arn:") else ""


def _check_destinations(properties: Mapping[str, Any], *, account: str, region: str) -> None:
    """Refuse a destination of a function's asynchronous invocations that its role may not send to."""
    function = get_backend(account, region).get_function(properties["FunctionName"])
    for end in ("OnFailure", "OnSuccess"):
        target = _at(properties, f"DestinationConfig.{end}.Destination")
        action = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction"}.get(
            str(target).split(":")[2] if target else ""
        )
        if action and not permissions.allows(str(function.role), action, target):
            verb = action.partition(":")[2]
            raise RoleError(f"The function's execution role does not have permissions to call {verb} on {target}")


def _at(properties: Any, path: str) -> Any:
    for part in path.split("."):
        properties = properties.get(part) if isinstance(properties, Mapping) else None
    return properties


def _trust_policy(role: Any, region: str) -> Mapping[str, Any] | None:
    """Return a role's trust policy; None for a role that does not exist here."""
    if not isinstance(role, str) or not role.startswith("arn:"):
        return None
    try:
        found = iam_backends[role.split(":")[4]][get_partition(region)].get_role_by_arn(role)
    except (IndexError, NotFoundException):
        return None
    document: Any = found.assume_role_policy_document
    parsed: Any = json.loads(document) if isinstance(document, str) else document
    return parsed if isinstance(parsed, Mapping) else {}


def _untrusting(document: Mapping[str, Any], service: str, *, account: str, region: str) -> str:
    """Return why a trust policy does not let a service assume the role; empty if it does."""
    problems: list[str] = []
    allowed = False
    for statement in _listed(document.get("Statement")):
        if not _is_about(statement, service):
            continue
        unmet = list(_unmet(statement.get("Condition", {}), service, account=account, region=region))
        if statement.get("Effect") == "Deny" and not unmet:
            return f"its trust policy denies {service}.amazonaws.com sts:AssumeRole"
        if statement.get("Effect") == "Allow":
            allowed = allowed or not unmet
            problems += unmet
    if allowed:
        return ""
    return problems[0] if problems else f"its trust policy does not allow {service}.amazonaws.com sts:AssumeRole"


def _is_about(statement: Mapping[str, Any], service: str) -> bool:
    principal = statement.get("Principal")
    services = (
        ["*"] if principal == "*" else _listed(principal.get("Service") if isinstance(principal, Mapping) else [])
    )
    actions = [str(action).lower() for action in _listed(statement.get("Action"))]
    return any(one in {"*", f"{service}.amazonaws.com"} for one in services) and any(
        fnmatch.fnmatchcase("sts:assumerole", action) for action in actions
    )


def _unmet(condition: Mapping[str, Any], service: str, *, account: str, region: str) -> Iterator[str]:
    """Yield the conditions that no request of a service for this account and Region meets."""
    for operator, keys in condition.items():
        negated = "Not" in operator
        for key, values in keys.items():
            texts = [str(value) for value in _listed(values)]
            if key.lower() == "aws:sourceaccount":
                met = any(fnmatch.fnmatchcase(account, text) for text in texts)
            elif key.lower() == "aws:sourcearn":
                met = any(_from_here(text, service, account=account, region=region) for text in texts)
            elif key.lower() == "sts:externalid":
                met = False  # services send none
            else:
                continue
            if met == negated:
                yield f"its trust policy wants {key} {operator} {', '.join(texts)}"


def _from_here(pattern: str, service: str, *, account: str, region: str) -> bool:
    """Whether a pattern of ARNs may match one of a service's resources in an account and Region; the rest of the ARN is not compared."""
    fields = pattern.split(":", _ARN_FIELDS)
    own = ("arn", get_partition(region), service, region, account)
    return all(fnmatch.fnmatchcase(value, field) for value, field in zip(own, fields, strict=False))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
