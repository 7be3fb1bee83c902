"""What is compared with the specification before a deployment counts as done, and which request every component must answer."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, JsonValue, StringConstraints, WithJsonSchema, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.task import IMAGE_BODY, TASK_SHAPES, Task
from cdk_sglang.tokens import OrToken
from cdk_sglang.validation import Spec

SMOKE_MAX_SECONDS: Final = 60
"""SageMaker gives a model 60 s to answer InvokeEndpoint
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html)."""

TIMEOUT_MAX_MINUTES: Final = 55
"""CloudFormation waits an hour for a custom resource and no longer
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-customresource.html); the verification ends by
itself before that, since CloudFormation gives no reason when its own time is over."""

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class SmokeRequest(Spec):
    """The request that shows that a component answers; neither the request nor the answer is ever logged."""

    _noun: ClassVar[str] = "smoke"

    body: (
        Annotated[
            dict[str, JsonValue],
            Field(min_length=1, strict=False),
            WithJsonSchema({"type": "object", "minProperties": 1}),
        ]
        | None
    ) = None
    """JSON body of the request, of the component's task: messages of a chat, a prompt, or the input of embeddings; a short one by default, with a tiny
    image in a chat with a model that takes images."""
    expect: Annotated[tuple[str, ...], Field(min_length=1, max_length=10, strict=False)] | None = None
    """Paths of fields in the answer, such as [choices.0.message.content], of which one must hold something; by default those of the
    component's task. Of a chat that is the message's content, its reasoning or its tool calls, since a model that thinks first may spend all of a
    short answer on thinking."""
    timeout_seconds: Annotated[int, Field(ge=1, le=SMOKE_MAX_SECONDS), OrToken] = SMOKE_MAX_SECONDS
    """Longest time for the answer to one request, in seconds."""

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
            sees: Whether a chat takes images; then the default body holds a tiny one.
        """
        shape = TASK_SHAPES[task]
        body = IMAGE_BODY if sees and task == "chat" else shape.body
        return {
            "body": dict(body) if self.body is None else self.body,
            "expect": list(shape.expect if self.expect is None else self.expect),
            "timeout_seconds": self.timeout_seconds,
        }


class Verification(Spec):
    """What is compared with the specification before a deployment counts as done.

    The deployment fails, and CloudFormation rolls it back, when the endpoint serves with another configuration than specified, a component
    has another model, image, environment, number of copies or scaling bounds, or does not answer; also when that could not be found out.
    Components at zero copies are woken for it.
    """

    _noun: ClassVar[str] = "verification"

    timeout_minutes: Annotated[int, Field(ge=5, le=TIMEOUT_MAX_MINUTES)] | None = None
    """Longest time for a change in progress to finish, in minutes; 55 by default, since CloudFormation waits an hour and no longer."""
    smoke: SmokeRequest | None = None
    """The request to every component; a short one of its task by default. A component may have its own."""
    none: Reason | None = None
    """Why nothing is compared and CloudFormation's word is taken."""

    @model_validator(mode="after")
    def _none_stands_alone(self) -> Self:
        if self.none is not None and (self.timeout_minutes is not None or self.smoke is not None):
            raise ConfigurationError([Problem("none", "goes without timeout_minutes and smoke; remove them, or check")])
        return self

    @property
    def timeout_seconds(self) -> int:
        """Longest time for a change in progress to finish, in seconds."""
        return 60 * (TIMEOUT_MAX_MINUTES if self.timeout_minutes is None else self.timeout_minutes)


class NoVerification(Spec):
    """Take CloudFormation's word for it, and say why."""

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
    """Return the one verification that was chosen; the default one if none was.

    Args:
        path: Path of the endpoint, for messages.
        verification: The choice.
        truth_check: The choice under the argument's earlier name.

    Raises:
        ConfigurationError: Both are given.
    """
    if verification is not None and truth_check is not None:
        raise ConfigurationError(
            [Problem(f"{path}.truth_check", "is the earlier name of verification; give verification alone")]
        )
    choice = verification or truth_check or Verification()
    return Verification(none=choice.reason) if isinstance(choice, NoVerification) else choice
