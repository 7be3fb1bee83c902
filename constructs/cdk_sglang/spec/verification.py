"""What is compared with the specification before a deployment is complete, and which request every component must answer."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, JsonValue, StringConstraints, WithJsonSchema, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.task import IMAGE_BODY, TASK_SHAPES, Task
from cdk_sglang.tokens import OrToken
from cdk_sglang.validation import Spec

SMOKE_MAX_SECONDS: Final = 60
"""SageMaker allows a model 60 s to answer InvokeEndpoint
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html)."""

TIMEOUT_MAX_MINUTES: Final = 55
"""CloudFormation waits at most one hour for a custom resource
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-customresource.html). The verification ends before
that, because CloudFormation states no reason when it times out itself."""

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class SmokeRequest(Spec):
    """The request that verifies that a component answers; neither the request nor the answer is ever logged."""

    _noun: ClassVar[str] = "smoke"

    body: (
        Annotated[
            dict[str, JsonValue],
            Field(min_length=1, strict=False),
            WithJsonSchema({"type": "object", "minProperties": 1}),
        ]
        | None
    ) = None
    """JSON body of the request, which must fit the component's task: messages of a chat, a prompt, or the input of embeddings. By default a short
    request, with a tiny image in a chat with a model that takes images."""
    expect: Annotated[tuple[str, ...], Field(min_length=1, max_length=10, strict=False)] | None = None
    """Paths of fields in the answer, such as [choices.0.message.content], at least one of which must have a value; by default those of the
    component's task. For a chat these are the message's content, its reasoning and its tool calls, because a model that thinks first may spend all
    of a short answer on thinking."""
    timeout_seconds: Annotated[int, Field(ge=1, le=SMOKE_MAX_SECONDS), OrToken] = SMOKE_MAX_SECONDS
    """Maximum time for the answer to one request, in seconds."""

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        problems = [
            Problem(
                "expect",
                f"{path!r} is not a path; write field names and positions with dots, such as choices.0.message.content",
            )
            for path in self.expect or ()
            if not all(path.split("."))
        ]
        if self.body is not None and self.body.get("stream"):
            problems.append(Problem("body.stream", "streams are not read by the check; leave it out"))
        raise_if_any(problems)
        return self

    def as_sent(self, task: Task = "chat", *, sees: bool = False) -> dict[str, Any]:
        """Return the request with its defaults, as JSON.

        Args:
            task: Task of the component, which decides the defaults.
            sees: Whether a chat takes images; the default body then contains a tiny one.
        """
        shape = TASK_SHAPES[task]
        body = IMAGE_BODY if sees and task == "chat" else shape.body
        return {
            "body": dict(body) if self.body is None else self.body,
            "expect": list(shape.expect if self.expect is None else self.expect),
            "timeout_seconds": self.timeout_seconds,
        }


class Verification(Spec):
    """What is compared with the specification before a deployment is complete.

    The deployment fails, and CloudFormation rolls it back, if the endpoint does not serve with the specified configuration, if a component
    has another model, image, environment, number of copies or scaling bounds or does not answer, or if any of this cannot be determined.
    Components at zero copies are woken for the check.
    """

    _noun: ClassVar[str] = "verification"

    timeout_minutes: Annotated[int, Field(ge=5, le=TIMEOUT_MAX_MINUTES)] | None = None
    """Maximum time for a change in progress to finish, in minutes; 55 by default, because CloudFormation waits at most one hour."""
    smoke: SmokeRequest | None = None
    """The request to every component; by default a short one for its task. A component may have its own."""
    none: Reason | None = None
    """Why nothing is compared and CloudFormation's result is trusted."""

    @model_validator(mode="after")
    def _none_stands_alone(self) -> Self:
        if self.none is not None and (self.timeout_minutes is not None or self.smoke is not None):
            raise ConfigurationError([Problem("none", "goes without timeout_minutes and smoke; remove them, or check")])
        return self

    @property
    def timeout_seconds(self) -> int:
        """Maximum time for a change in progress to finish, in seconds."""
        return 60 * (TIMEOUT_MAX_MINUTES if self.timeout_minutes is None else self.timeout_minutes)


class NoVerification(Spec):
    """Trust CloudFormation's result without verification, for a stated reason."""

    _noun: ClassVar[str] = "verification"

    reason: Reason
    """Why a deployment need not be verified; written into the endpoint's metadata."""


TruthCheck = Verification
"""Earlier name of `Verification`."""
NoTruthCheck = NoVerification
"""Earlier name of `NoVerification`."""


def chosen_verification(
    path: str, verification: Verification | NoVerification | None, truth_check: Verification | NoVerification | None
) -> Verification:
    """Return the chosen verification, or the default if there is none.

    Args:
        path: Path of the endpoint, for messages.
        verification: The choice.
        truth_check: The choice, given by the argument's earlier name.

    Raises:
        ConfigurationError: Both are given.
    """
    if verification is not None and truth_check is not None:
        raise ConfigurationError(
            [Problem(f"{path}.truth_check", "is the earlier name of verification; give verification alone")]
        )
    choice = verification or truth_check or Verification()
    return Verification(none=choice.reason) if isinstance(choice, NoVerification) else choice
