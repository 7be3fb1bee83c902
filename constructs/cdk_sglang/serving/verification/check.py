"""What is compared with what was asked before a deployment counts as done, and what a component is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cdk_sglang.arguments import checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.tokens import is_token

# CloudFormation waits an hour for a custom resource and no longer
# (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-customresource.html); the check ends by
# itself before that, since CDK's provider framework gives no reason when its own time is over.
TIMEOUT_MIN_MINUTES: Final = 5
TIMEOUT_MAX_MINUTES: Final = 55

SMOKE_MAX_SECONDS: Final = 60
"""SageMaker gives a model 60 s to answer InvokeEndpoint
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html)."""


def _say_ok() -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Say OK."}], "max_tokens": 16, "temperature": 0}


@checked_fields
@dataclass(frozen=True, kw_only=True)
class SmokeRequest:
    """The request that shows that a component answers.

    Args:
        body: JSON body of a chat request; a short one by default. Neither it nor the answer is ever logged.
        expect: Where the answer must hold something, as a path with dots; one of them is enough. The message's content or its
            reasoning by default, since a model that thinks first may think through all of a short answer.
        timeout_seconds: How long one request may take, 1 to 60; 60 by default.

    Raises:
        ConfigurationError: No path, a path that is not one, or a time-out out of bounds.
    """

    body: Mapping[str, Any] = field(default_factory=_say_ok)
    expect: tuple[str, ...] = (
        "choices.0.message.content",
        "choices.0.message.reasoning_content",
        "choices.0.message.tool_calls",
    )
    timeout_seconds: int = SMOKE_MAX_SECONDS

    def __post_init__(self) -> None:
        problems = []
        if not self.expect:
            problems.append(
                Problem("smoke.expect", "empty; name a field of the answer, such as choices.0.message.content")
            )
        problems += [
            Problem(
                "smoke.expect",
                f"{path!r} is not a path; write field names and positions with dots, such as choices.0.message.content",
            )
            for path in self.expect
            if not path or not all(path.split("."))
        ]
        if not is_token(self.timeout_seconds) and not 1 <= self.timeout_seconds <= SMOKE_MAX_SECONDS:
            problems.append(
                Problem(
                    "smoke.timeout_seconds",
                    f"{self.timeout_seconds} is not allowed; use 1 to {SMOKE_MAX_SECONDS}, which is what SageMaker waits",
                )
            )
        if self.body.get("stream"):
            problems.append(Problem("smoke.body.stream", "streams are not read by the check; leave it out"))
        if problems:
            raise ConfigurationError(problems)

    def render(self) -> dict[str, Any]:
        """Return it as the function reads it."""
        return {"body": dict(self.body), "expect": list(self.expect), "timeout_seconds": self.timeout_seconds}


@checked_fields
@dataclass(frozen=True, kw_only=True)
class TruthCheck:
    """After a deployment, compare what is live with what was asked, and ask every component one question.

    The deployment fails, and CloudFormation rolls it back, when the endpoint serves with another configuration than asked, a component
    with another model, image or environment, copies or scaling bounds are others, or a component does not answer; also
    when that could not be found out. Components at zero copies are woken for it.

    Args:
        timeout_minutes: How long what is on its way is waited for, 5 to 55; 55 by default.
        smoke: The question; a short chat by default. A component may have its own.

    Raises:
        ConfigurationError: The time is out of bounds.
    """

    timeout_minutes: int = TIMEOUT_MAX_MINUTES
    smoke: SmokeRequest = field(default_factory=SmokeRequest)

    def __post_init__(self) -> None:
        if (
            not is_token(self.timeout_minutes)
            and not TIMEOUT_MIN_MINUTES <= self.timeout_minutes <= TIMEOUT_MAX_MINUTES
        ):
            problem = Problem(
                "truth_check.timeout_minutes",
                f"{self.timeout_minutes} is not allowed; use {TIMEOUT_MIN_MINUTES} to {TIMEOUT_MAX_MINUTES}: "
                "CloudFormation waits an hour for it and no longer",
            )
            raise ConfigurationError([problem])


@checked_fields
@dataclass(frozen=True, kw_only=True)
class NoTruthCheck:
    """Take CloudFormation's word for it, and say why.

    Args:
        reason: Written into the endpoint's metadata.

    Raises:
        ConfigurationError: The reason is empty.
    """

    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ConfigurationError(
                [Problem("truth_check", "no reason given; say why a deployment need not be checked")]
            )
