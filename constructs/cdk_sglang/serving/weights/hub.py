"""What a model of Hugging Face may be called here: by a commit, and never with a token in text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk

from cdk_sglang.argument_kinds import kind_of
from cdk_sglang.errors import Problem

if TYPE_CHECKING:  # loading a service's constructs takes time, and these are only named in annotations
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_secretsmanager as secretsmanager

STAGED_PREFIX: Final = "weights/"

_REPO: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_REVISION: Final = re.compile(r"[0-9a-f]{40}")
_PATTERN: Final = re.compile(r"[\w./*?\[\]!-]+")
_SECRET: Final = kind_of("secretsmanager.ISecret", {})


@dataclass(frozen=True, kw_only=True)
class StagingOrder:
    """What is copied from Hugging Face.

    Attributes:
        repo: "owner/name".
        revision: Commit, 40 hexadecimal digits.
        bucket: Where to.
        token: Secret with a read token, for gated and private models.
        include: Patterns of files to take whatever the rules say.
        exclude: Patterns of files to leave out besides.
        wait: How long a deployment waits.
    """

    repo: str
    revision: str
    bucket: s3.IBucket
    token: secretsmanager.ISecret | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    wait: cdk.Duration

    @property
    def prefix(self) -> str:
        """Where the files go: a commit never changes, so neither does what is below."""
        return f"{STAGED_PREFIX}{self.repo}/{self.revision}/"


def hub_problems(
    path: str,
    *,
    repo: str,
    revision: str,
    token: object,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> list[Problem]:
    """Say what is wrong with a model of Hugging Face; an empty list when nothing is.

    Args:
        path: Begins every line.
        repo: As given.
        revision: As given.
        token: As given; text is refused, whatever it is.
        include: As given.
        exclude: As given.
    """
    problems = []
    if not _REPO.fullmatch(repo):
        problems.append(
            Problem(path, f"{repo!r} is not a model of Hugging Face; use owner/name, such as Qwen/Qwen3-8B")
        )
    if not _REVISION.fullmatch(revision):
        problems.append(
            Problem(
                f"{path}.revision",
                f"{revision!r} can move, so that two deployments would serve different weights; use the 40 hexadecimal "
                f"digits of a commit, from https://huggingface.co/{repo}/commits/main",
            )
        )
    if isinstance(token, str):
        problems.append(
            Problem(
                f"{path}.token",
                "got text; a token in a template or an environment is readable for whoever may read the stack, "
                "so store it in Secrets Manager and give the secret, such as Secret.from_secret_name_v2(self, 'Hub', 'hugging-face')",
            )
        )
    elif token is not None and not _SECRET.takes(token):
        problems += _SECRET.problems(f"{path}.token", token)
    for name, patterns in (("include", include), ("exclude", exclude)):
        problems += [
            Problem(
                f"{path}.{name}", f"{pattern!r} is not a pattern of file names; use letters, digits and . / * ? [ ] -"
            )
            for pattern in patterns
            if not _PATTERN.fullmatch(pattern)
        ]
    return problems
