"""A model to copy from Hugging Face: the specification's values, and the bucket and secret that only a CDK app has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk

from cdk_sglang.argument_kinds import kind_of
from cdk_sglang.errors import Problem

if TYPE_CHECKING:  # loading a service's constructs takes time, and these are only named in annotations
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_secretsmanager as secretsmanager

_SECRET: Final = kind_of("secretsmanager.ISecret", {})


@dataclass(frozen=True, kw_only=True)
class StagingOrder:
    """A model to copy from Hugging Face.

    Attributes:
        repository: Repository on Hugging Face, "owner/name".
        revision: Commit, 40 hexadecimal digits.
        prefix: Prefix of the copied files, ending in a slash.
        include: Patterns of files to copy even if the rules would skip them.
        exclude: Patterns of additional files to skip.
        bucket: Bucket of the copied files.
        token: Secret with a read token, for gated and private models.
        wait: Maximum time that a deployment waits for the copy.
        draft: Whether the model only drafts for another one, whose tokenizer it uses.
        token_key_arn: ARN of the KMS key of that secret, if the secret construct does not know it; None for Secrets Manager's own.
    """

    repository: str
    revision: str
    prefix: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    bucket: s3.IBucket
    token: secretsmanager.ISecret | None
    wait: cdk.Duration
    draft: bool = False
    token_key_arn: str | None = None


def token_problems(token: object) -> list[Problem]:
    """Return a problem if a token is not a Secrets Manager secret, for example if it is the token's text, which is never repeated."""
    if isinstance(token, str):
        return [
            Problem(
                "model.token",
                "got text; a token in a template or an environment is readable for whoever may read the stack, "
                "so store it in Secrets Manager and give the secret, such as Secret.from_secret_name_v2(self, 'Hub', 'hugging-face')",
            )
        ]
    return [] if token is None or _SECRET.takes(token) else _SECRET.problems("model.token", token)
