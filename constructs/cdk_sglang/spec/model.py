"""The model that a component serves, and the location of its weights, for both environment files and `ModelSource`."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.alternatives import OneOf
from cdk_sglang.spec.s3 import empty_part, odd_signs, place_of
from cdk_sglang.spec.secrets import NAME_OR_ARN, KeyArn
from cdk_sglang.tokens import is_text_token

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_FILE_PATTERN: Final = re.compile(r"[\w./*?\[\]!-]+")
_ARCHIVES: Final = (".tar.gz", ".tgz", ".zip")
_STAGED: Final = "weights/"
"""Prefix of every model that is copied from Hugging Face."""

_HUB_TOKEN: Final = re.compile(r"hf_[A-Za-z0-9]{20,}")
_SECRET: Final = re.compile(NAME_OR_ARN)

_MAX_PREFIX_BYTES: Final = 900
"""The S3Uri of a model has at most 1,024 characters (botocore 1.44.5, S3ModelUri). Scheme and bucket take up to 69; the keys below need room."""

_GIB: Final = 2**30


def _secret(value: str) -> str:
    if _HUB_TOKEN.search(value):  # never repeated: it is a secret
        raise ValueError(
            "holds a Hugging Face token; files are read by many, so revoke it, store a new one in Secrets Manager, and name "
            "the secret here"
        )
    if not _SECRET.fullmatch(value):
        raise ValueError(f"{value!r} is neither name nor ARN of a secret in Secrets Manager")
    return value


class Model(OneOf):
    """The model that a component serves, and where its weights are; exactly one of hugging_face, prefix and s3."""

    _noun: ClassVar[str] = "model"
    _alternatives: ClassVar[tuple[str, ...]] = ("hugging_face", "prefix", "s3")

    id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """Catalogue id, such as Qwen/Qwen3-8B, which gives the planner the model's size and architecture; by default the repository of hugging_face.
    For a model that is not in the catalogue, little is checked, and no slo can be given."""
    hugging_face: str | None = None
    """Model on Hugging Face, such as Qwen/Qwen3-8B; the first deployment copies it into the environment's weights bucket."""
    revision: str | None = None
    """With hugging_face: a commit, 40 hexadecimal digits, in quotes."""
    token_secret: (
        Annotated[str, AfterValidator(_secret), WithJsonSchema({"type": "string", "maxLength": 2048})] | None
    ) = None
    """With hugging_face: name or ARN of the secret with a read token, for gated and private models."""
    token_kms_key: KeyArn | None = None
    """With token_secret: ARN of the KMS key that encrypts the secret, unless it is Secrets Manager's own (aws/secretsmanager)."""
    include: tuple[str, ...] = Field(default=(), strict=False)
    """With hugging_face: patterns of files to copy even if the rules would skip them."""
    exclude: tuple[str, ...] = Field(default=(), strict=False)
    """With hugging_face: patterns of files to skip in addition to duplicates, other formats and pickles."""
    s3: str | None = None
    """S3 URI of uncompressed files in your own bucket, such as s3://models/llama/."""
    kms_key: KeyArn | None = None
    """With s3: ARN of the KMS key that encrypts the files, unless it is S3's own. The key policy must allow this account to use it."""
    prefix: str | None = None
    """Prefix in the environment's own weights bucket, such as weights/meta-llama/Llama-3.2-3B-Instruct/."""
    weights_gib: float | None = Field(default=None, gt=0, le=4096, strict=False)
    """Size of the weights in GiB, if the model is not in the catalogue."""

    @property
    def catalogue_id(self) -> str | None:
        """Id under which to look up the model in the catalogue: `id`, else the repository; None for files in S3 without an id."""
        return self.id or self.hugging_face

    @property
    def weights_bytes(self) -> float | None:
        """Size of the weights in bytes; None if unspecified."""
        return None if self.weights_gib is None else self.weights_gib * _GIB

    @property
    def bucket_name(self) -> str | None:
        """Name of the bucket that `s3` names; None if the files are in the author's own bucket."""
        place = None if self.s3 is None else place_of(self.s3)
        return None if place is None else place.bucket

    @property
    def folder(self) -> str:
        """Prefix of all files in their bucket, ending in a slash, as an S3Prefix data source must."""
        if self.hugging_face is not None:  # a commit never changes, so neither do the files of its prefix
            return f"{_STAGED}{self.hugging_face}/{self.revision}/"
        place = None if self.s3 is None else place_of(self.s3)
        prefix = place.key if place is not None else self.prefix or ""
        return prefix if prefix.endswith("/") else f"{prefix}/"

    @model_validator(mode="after")
    def _place_fits(self) -> Self:
        if self.hugging_face is not None:
            problems = [*hub_problems(self.hugging_face, self.revision), *self._pattern_problems()]
        else:
            problems = [
                Problem(name, "goes with hugging_face; remove it")
                for name in ("revision", "token_secret", "include", "exclude")
                if getattr(self, name)
            ]
        if self.token_kms_key is not None and self.token_secret is None:
            problems.append(Problem("token_kms_key", "goes with token_secret; remove it, or name the secret"))
        if self.kms_key is not None and self.s3 is None:
            problems.append(
                Problem("kms_key", "goes with s3; remove it: the environment's own bucket has the environment's key")
            )
        if self.s3 is not None:
            problems += (Problem("s3", text) for text in uri_mistakes(self.s3))
        if self.prefix is not None:
            problems += (Problem("prefix", text) for text in _prefix_mistakes(self.prefix))
        raise_if_any(problems)
        return self

    def _pattern_problems(self) -> list[Problem]:
        return [
            Problem(name, f"{pattern!r} is not a pattern of file names; use letters, digits and . / * ? [ ] -")
            for name, patterns in (("include", self.include), ("exclude", self.exclude))
            for pattern in patterns
            if not _FILE_PATTERN.fullmatch(pattern)
        ]


def hub_problems(repository: str, revision: str | None) -> list[Problem]:
    """Return what is wrong with a Hugging Face repository and its revision; an empty list if nothing is.

    Args:
        repository: Repository, such as Qwen/Qwen3-8B.
        revision: A commit; None if unspecified.
    """
    problems = []
    if not _REPOSITORY.fullmatch(repository):
        problems.append(
            Problem(
                "hugging_face",
                f"{repository!r} is not a model of Hugging Face; use owner/name, such as Qwen/Qwen3-8B",
            )
        )
    commits = f"https://huggingface.co/{repository}/commits/main"
    if revision is None:
        problems.append(Problem("revision", f"missing; give the commit, 40 hexadecimal digits, from {commits}"))
    elif not _COMMIT.fullmatch(revision):
        problems.append(
            Problem(
                "revision",
                f"{revision!r} can move, so that two deployments would serve different weights; use the 40 hexadecimal "
                f"digits of a commit, from {commits}",
            )
        )
    return problems


def uri_mistakes(uri: str) -> list[str]:
    """Return what is wrong with the S3 URI of a prefix; an empty list if nothing is.

    Args:
        uri: URI of a prefix, such as s3://bucket/prefix/.
    """
    if is_text_token(uri):
        return ["the URI must be known at synth, got a token; use ModelSource.from_bucket(bucket, prefix)"]
    if uri.endswith(_ARCHIVES):
        return [f"{uri!r} is an archive; put the files uncompressed under a prefix, such as s3://bucket/model/"]
    place = place_of(uri)
    if place is None:
        return [f"{uri!r} is not an S3 URI; use s3://bucket/prefix/"]
    return _prefix_mistakes(place.key)


def _prefix_mistakes(prefix: str) -> list[str]:
    if is_text_token(prefix):
        return []
    if not prefix.strip("/"):
        return ["the prefix is empty, so the whole bucket would be the model; use one, such as 'weights/llama/'"]
    if (mistake := empty_part(prefix)) is not None:
        return [mistake]
    if (mistake := odd_signs(prefix)) is not None:
        return [mistake]
    if len(prefix.encode()) > _MAX_PREFIX_BYTES:
        return [f"the prefix has {len(prefix)} characters; use {_MAX_PREFIX_BYTES} or fewer"]
    return []
