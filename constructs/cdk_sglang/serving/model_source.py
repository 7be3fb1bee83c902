"""Where a component's weights come from: an S3 prefix of uncompressed files, read by SageMaker itself."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.serving.tokens import is_token
from cdk_sglang.serving.weights_access import WeightsAccess

_S3_URI: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<prefix>.*)")
"""Bucket names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (read 2026-10)."""

_NOT_IN_PREFIX: Final = re.compile(r"[^A-Za-z0-9!_.'()=+@,:&/-]")
"""`*`, `?` and `${…}` would widen the role's policy
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html); S3 advises against the others
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html, both read 2026-11)."""

_MAX_PREFIX_BYTES: Final = 900
"""S3Uri of a model is at most 1,024 long (botocore 1.44.5, S3ModelUri), of which scheme and bucket take up to 69; keys below need room."""


class ModelSource(ABC):
    """A model's weights; make one with a `from_*` method.

    SageMaker downloads every file under the prefix to `/opt/ml/model` before the container starts, so the container needs
    neither network nor credentials for it.

    Attributes:
        weights_bytes: Size of the files, for the start-up time-outs; None when not known.
    """

    def __init__(self, weights_size: cdk.Size | None) -> None:
        known = None if weights_size is None or weights_size.is_unresolved() else weights_size
        self.weights_bytes: float | None = None if known is None else float(known.to_bytes())

    @staticmethod
    def from_s3(uri: str, *, weights_size: cdk.Size | None = None, key: kms.IKey | None = None) -> ModelSource:
        """Weights under an S3 URI of any bucket the execution role may be let into.

        Args:
            uri: "s3://bucket/prefix/"; the slash at the end is added when it is missing.
            weights_size: Size of all files; unknown gives the longest start-up time-outs SageMaker allows.
            key: KMS key of the bucket, when it has one of its own.

        Raises:
            ConfigurationError: Not an S3 URI, or no prefix in it.
        """
        problems = s3_uri_problems("model", uri)
        if problems:
            raise ConfigurationError(problems)
        bucket, prefix = split_s3_uri(uri)
        return _S3Source(bucket, prefix, weights_size, key)

    @staticmethod
    def from_bucket(bucket: s3.IBucket, prefix: str, *, weights_size: cdk.Size | None = None) -> ModelSource:
        """Weights under a prefix of a bucket of yours; its KMS key comes with it.

        Args:
            bucket: The bucket.
            prefix: Such as "weights/Qwen/Qwen3-8B/"; the slash at the end is added when it is missing.
            weights_size: Size of all files; unknown gives the longest start-up time-outs SageMaker allows.

        Raises:
            ConfigurationError: The prefix is empty or begins with a slash.
        """
        problems = prefix_problems("model.prefix", prefix)
        if problems:
            raise ConfigurationError(problems)
        return _BucketSource(bucket, _with_slash(prefix), weights_size)

    @abstractmethod
    def bind(self, access: WeightsAccess) -> str:
        """Let the endpoint's role read the prefix and return the S3 URI, ending in a slash."""


def s3_uri_problems(path: str, uri: str) -> list[str]:
    """Say what is wrong with an S3 URI of a model; an empty list when it is one."""
    if is_token(uri):
        return [f"{path}: the URI must be known at synth, got a token; use ModelSource.from_bucket(bucket, prefix)"]
    if uri.endswith((".tar.gz", ".tgz", ".zip")):
        return [f"{path}: {uri!r} is an archive; put the files uncompressed under a prefix, such as s3://bucket/model/"]
    match = _S3_URI.fullmatch(uri)
    if match is None:
        return [f"{path}: {uri!r} is not an S3 URI; use s3://bucket/prefix/"]
    return prefix_problems(path, match["prefix"])


def prefix_problems(path: str, prefix: str) -> list[str]:
    """Say what is wrong with a prefix; an empty list when it is fine."""
    if is_token(prefix):
        return []
    if not prefix.strip("/"):
        return [
            f"{path}: the prefix is empty, so the whole bucket would be the model; use one, such as 'weights/llama/'"
        ]
    if prefix.startswith("/") or "//" in prefix:
        return [f"{path}: {prefix!r} has an empty part; write it without leading or double slashes"]
    odd = sorted(set(_NOT_IN_PREFIX.findall(prefix)))
    if odd:
        return [
            (
                f"{path}: {prefix!r} has {' '.join(map(repr, odd))}, which IAM policies or S3 clients read as something else; "
                "use letters, digits and ! - _ . ' ( ) = + @ , : &"
            )
        ]
    if len(prefix.encode()) > _MAX_PREFIX_BYTES:
        return [f"{path}: the prefix has {len(prefix)} characters; use {_MAX_PREFIX_BYTES} or fewer"]
    return []


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Return bucket and prefix of a checked S3 URI; the prefix ends in a slash, as an S3Prefix data source must."""
    match = _S3_URI.fullmatch(uri)
    if match is None:
        raise ConfigurationError(s3_uri_problems("model", uri))
    return match["bucket"], _with_slash(match["prefix"])


def _with_slash(prefix: str) -> str:
    return prefix if prefix.endswith("/") else f"{prefix}/"


class _S3Source(ModelSource):
    def __init__(self, bucket: str, prefix: str, weights_size: cdk.Size | None, key: kms.IKey | None) -> None:
        super().__init__(weights_size)
        self._bucket = bucket
        self._prefix = prefix
        self._key = key

    def bind(self, access: WeightsAccess) -> str:
        access.read(f"arn:{access.partition}:s3:::{self._bucket}", self._prefix, self._key)
        return f"s3://{self._bucket}/{self._prefix}"


class _BucketSource(ModelSource):
    def __init__(self, bucket: s3.IBucket, prefix: str, weights_size: cdk.Size | None) -> None:
        super().__init__(weights_size)
        self._bucket = bucket
        self._prefix = prefix

    def bind(self, access: WeightsAccess) -> str:
        bucket = access.known(self._bucket)
        access.read(bucket.arn, self._prefix, bucket.key)
        return f"s3://{bucket.name}/{self._prefix}"
