"""Settings for the library's shared functions: retention, key and removal of their logs, and the network that functions join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct, IConstruct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.log_options import LogOptions, days_of, removal_problems, retention_problems

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_logs as logs

_DEFAULT: Final = LogOptions(retention_days=30, key=None, removal=cdk.RemovalPolicy.RETAIN)


@dataclass(frozen=True, kw_only=True)
class FunctionNetwork:
    """The network that functions join.

    Attributes:
        vpc: The VPC.
        subnets: Selection of its subnets; those with outbound access by default.
        groups: Their security groups.
    """

    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection | None
    groups: tuple[ec2.ISecurityGroup, ...]


@dataclass(frozen=True, kw_only=True)
class _Settings:
    path: str
    log_options: LogOptions
    network: FunctionNetwork | None


class HelperFunctions(Construct):
    """Settings of the library's own Lambda functions in a stack, or in all stacks of a stage or an app.

    Endpoints of a stack share functions that check weights, read the number of live copies and verify deployments. This construct sets the
    retention, key and removal of their logs, independently of the endpoints' own settings. Without it, logs are kept for 30 days, outlive the
    stack, and are encrypted by CloudWatch Logs itself. With `vpc`, every function of the library in the scope joins the VPC, including those of
    single endpoints and those that start builds; builds do not.

    Create it before the first endpoint. For each stack, the one in its nearest scope applies.

    Example:
        ```python
        HelperFunctions(stack, "Helpers", log_retention_days=365, log_key=key, vpc=vpc)
        ```

    Args:
        scope: The stack, stage or app that the settings apply to.
        construct_id: Id, unique in the parent.
        log_retention_days: 30 by default; one of the values that CloudWatch Logs allows, as a number or as CDK's enum.
        log_key: KMS key of the log groups; CloudWatch's own encryption by default.
        log_removal: Removal policy of the logs; they outlive the stack by default.
        vpc: VPC that the functions join; none by default. In it they need access to AWS's APIs: a NAT gateway, or interface endpoints for Lambda,
            SageMaker's API and runtime, Application Auto Scaling, CodeBuild and Step Functions (if anything is built), and a gateway endpoint
            for S3.
        vpc_subnets: Selection of its subnets; private ones with outbound access by default.
        security_groups: Security groups of the functions; by default this construct creates one that allows all outbound and no inbound traffic.

    Raises:
        ConfigurationError: It is created too late or twice, or `vpc` is missing; lists every problem, before any resource exists.
    """

    @checked("{construct_id}")
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        log_retention_days: int | logs.RetentionDays = 30,
        log_key: kms.IKey | None = None,
        log_removal: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] = (),
    ) -> None:
        days = days_of(f"{construct_id}.log_retention_days", log_retention_days)
        problems = [
            *retention_problems(f"{construct_id}.log_retention_days", days),
            *removal_problems(f"{construct_id}.log_removal", log_removal),
            *_place_problems(construct_id, scope),
        ]
        if vpc is None and (vpc_subnets is not None or security_groups):
            problems.append(
                Problem(f"{construct_id}.vpc", "missing; give the VPC that subnets and security groups are of")
            )
        if vpc is not None and not security_groups and not any(map(cdk.Stack.is_stack, scope.node.scopes)):
            text = "missing: only a stack can hold a security group; give one, or create this construct in each stack"
            problems.append(Problem(f"{construct_id}.security_groups", text))
        raise_if_any(problems)
        super().__init__(scope, construct_id)
        groups = tuple(security_groups)
        if vpc is not None and not groups:
            groups = (
                ec2.SecurityGroup(self, "SecurityGroup", vpc=vpc, description="Functions that deploy SGLang endpoints"),
            )
        self._groups = groups
        self.log_options: LogOptions = LogOptions(retention_days=days, key=log_key, removal=log_removal)
        """Retention, key and removal of the functions' logs."""
        _app_of(scope).stated[scope.node.path] = _Settings(
            path=self.node.path,
            log_options=self.log_options,
            network=None if vpc is None else FunctionNetwork(vpc=vpc, subnets=vpc_subnets, groups=groups),
        )

    @property
    def connections(self) -> ec2.Connections:
        """Network connections of the functions.

        Raises:
            ConfigurationError: The functions do not join a VPC.
        """
        if not self._groups:
            raise ConfigurationError([Problem(f"{self.node.id}.vpc", "missing: the functions join no VPC; give one")])
        return ec2.Connections(security_groups=list(self._groups))


def shared_log_options(scope: IConstruct) -> LogOptions:
    """Return retention, key and removal of the logs of the functions that a stack's endpoints share."""
    settings = _nearest(scope)
    return _DEFAULT if settings is None else settings.log_options


def function_network(scope: IConstruct) -> FunctionNetwork | None:
    """Return the network that functions join; None if there is none."""
    settings = _nearest(scope)
    return None if settings is None else settings.network


def warn_of_shared_logs(endpoint: Construct, log_options: LogOptions) -> None:
    """Warn if an endpoint's logs have a key but the logs of the shared functions have none."""
    if log_options.key is None:
        return
    stated = _app_of(endpoint).stated
    if not any(above.node.path in stated for above in endpoint.node.scopes):
        cdk.Annotations.of(endpoint).add_warning_v2(
            "cdk-sglang:shared-functions-without-key",
            "log_key encrypts this endpoint's logs, not those of the functions that endpoints share; before the first endpoint, create "
            "HelperFunctions(stack, ..., log_key=...)",
        )


class _App:
    """The settings of an app by the path of stack, stage or app, and the stacks that already have functions."""

    def __init__(self) -> None:
        self.stated: dict[str, _Settings] = {}
        self.used: dict[str, None] = {}


_APPS: WeakKeyDictionary[IConstruct, _App] = WeakKeyDictionary()


def _app_of(scope: IConstruct) -> _App:
    return _APPS.setdefault(scope.node.root, _App())


def _nearest(scope: IConstruct) -> _Settings | None:
    app = _app_of(scope)
    app.used[cdk.Stack.of(scope).node.path] = None
    if not app.stated:
        return None
    paths = [above.node.path for above in reversed(scope.node.scopes)]
    return next((app.stated[path] for path in paths if path in app.stated), None)


def _place_problems(construct_id: str, scope: Construct) -> list[Problem]:
    app, path = _app_of(scope), scope.node.path
    if path in app.stated:
        return [Problem(construct_id, f"{app.stated[path].path} says it already; keep one of them")]
    within = f"{path}/" if path else ""
    late = [used for used in app.used if used == path or used.startswith(within)]
    nearer = [other for other in app.stated if other.startswith(within)]
    late = [used for used in late if not any(used == other or used.startswith(f"{other}/") for other in nearer)]
    if not late:
        return []
    return [
        Problem(construct_id, f"{late[0] or 'the stack'} has functions already; create it before the first endpoint")
    ]
