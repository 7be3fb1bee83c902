"""Options of logs: retention, key and removal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_logs as logs

from cdk_sglang.arguments import checked_fields
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.tokens import is_token
from cdk_sglang.spec.log_retention import RETENTION_DAYS

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

_RETENTION: Final = dict(
    zip(RETENTION_DAYS, (days for days in logs.RetentionDays if days is not logs.RetentionDays.INFINITE), strict=True)
)


@checked_fields
@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """Retention, key and removal of logs.

    Args:
        retention_days: Days that logs are kept; one of the values that CloudWatch Logs allows.
        key: KMS key of the log groups; None for CloudWatch's own encryption.
        removal: Whether the logs outlive their stack.
    """

    retention_days: int
    key: kms.IKey | None
    removal: cdk.RemovalPolicy


def days_of(path: str, retention: int | logs.RetentionDays) -> int:
    """Return a retention as a number of days.

    Raises:
        ConfigurationError: The retention is unlimited.
    """
    if not isinstance(retention, logs.RetentionDays):
        return retention
    if retention is logs.RetentionDays.INFINITE:
        raise ConfigurationError(
            [Problem(path, "INFINITE is not allowed, retention must be limited; use up to TEN_YEARS (3653)")]
        )
    return next(days for days, name in _RETENTION.items() if name is retention)


def allowed_days(path: str, retention: int | logs.RetentionDays) -> int:
    """Return a retention that CloudWatch Logs allows as a number of days.

    Raises:
        ConfigurationError: The retention is unlimited, or CloudWatch Logs does not allow it.
    """
    days = days_of(path, retention)
    raise_if_any(retention_problems(path, days))
    return days


def retention_of(days: int) -> logs.RetentionDays:
    """Return CDK's enum value of a retention that CloudWatch Logs allows."""
    return _RETENTION[days]


def known_retention(days: int) -> logs.RetentionDays | None:
    """Return CDK's enum value of a retention; None if it is known only at deployment."""
    return _RETENTION.get(days)


def retention_problems(path: str, days: int) -> list[Problem]:
    """Return a problem if CloudWatch Logs does not allow a retention; an empty list if it does."""
    if days in RETENTION_DAYS or is_token(days):
        return []
    nearest = min(RETENTION_DAYS, key=lambda known: abs(known - days))
    return [Problem(path, f"{days} is not allowed; nearest allowed: {nearest}")]


def removal_problems(path: str, removal: cdk.RemovalPolicy) -> list[Problem]:
    """Return a problem if logs do not support a removal policy; an empty list if they do."""
    if removal is not cdk.RemovalPolicy.SNAPSHOT:
        return []
    return [Problem(path, "SNAPSHOT is not allowed, logs have none; use RETAIN or DESTROY")]
