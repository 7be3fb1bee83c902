"""Where a component's weights come from: an S3 prefix of uncompressed files, read by SageMaker itself."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from constructs import Construct, IConstruct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared.tokens import is_token
from cdk_sglang.serving.weights.access import KnownBucket, WeightsAccess
from cdk_sglang.serving.weights.hub import StagingOrder, hub_problems

if TYPE_CHECKING:  # loading a service's constructs takes time, and these are only named in annotations
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_secretsmanager as secretsmanager

    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.serving.shared.runtime_functions import LogOptions

_S3_URI: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<prefix>.*)")
"""Bucket names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (read 2026-10)."""

_NOT_IN_PREFIX: Final = re.compile(r"[^A-Za-z0-9!_.'()=+@,:&/-]")
"""`*`, `?` and `${…}` would widen the role's policy
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html); S3 advises against the others
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html, both read 2026-11)."""

_STAGING_WAIT: Final = cdk.Duration.hours(5)

_MAX_PREFIX_BYTES: Final = 900
"""S3Uri of a model is at most 1,024 long (botocore 1.44.5, S3ModelUri), of which scheme and bucket take up to 69; keys below need room."""


class ModelSource(ABC):
    """A model's weights; make one with a `from_*` method.

    SageMaker downloads every file under the prefix to `/opt/ml/model` before the container starts, so the container needs
    neither network nor credentials for it.

    Args:
        weights_size: Size of the files; unknown if None.

    Attributes:
        weights_bytes: Size of the files, for the start-up time-outs; None when not known.
        model_id: Catalogue id of the model, such as "Qwen/Qwen3-8B", for checks against it; None when not known.
        repository: Repository on Hugging Face that the files come from; None for files in S3.
        facts: What you know of the model, where the catalogue does not know it or says otherwise; None for the catalogue's.
    """

    def __init__(
        self,
        weights_size: cdk.Size | None,
        *,
        model_id: str | None = None,
        repository: str | None = None,
        facts: ModelFacts | None = None,
    ) -> None:
        raise_if_any(_facts_problems(facts))
        self.model_id = model_id or (repository if facts is None else facts.id)
        self.repository = repository
        self.facts = facts
        known = None if weights_size is None or weights_size.is_unresolved() else weights_size
        self.weights_bytes: float | None = None if known is None else float(known.to_bytes())

    @staticmethod
    @checked(but=("facts",))
    def from_s3(
        uri: str,
        *,
        weights_size: cdk.Size | None = None,
        key: kms.IKey | None = None,
        model_id: str | None = None,
        facts: ModelFacts | None = None,
        check: bool = True,
    ) -> ModelSource:
        """Weights under an S3 URI of any bucket the execution role may be let into.

        Args:
            uri: "s3://bucket/prefix/"; the slash at the end is added when it is missing.
            weights_size: Size of all files; unknown gives the longest start-up time-outs SageMaker allows.
            key: KMS key of the bucket, when it has one of its own.
            model_id: Catalogue id of the model (`cdk-sglang models list`), that of `facts` by default: what does not fit the GPUs is refused.
                Without it, nobody checks that.
            facts: What you know of the model, such as `catalogue("me/llama", also=[Path("models")])` of cdk_sglang.models, where
                `cdk-sglang models add` wrote it; the catalogue's by default.
            check: Whether the deployment first looks at config, tokenizer and the headers of all shards, and fails when one is
                missing or cut short.

        Raises:
            ConfigurationError: Not an S3 URI, or no prefix in it.
        """
        problems = s3_uri_problems("model", uri)
        if problems:
            raise ConfigurationError(problems)
        bucket, prefix = split_s3_uri(uri)
        return _S3Source(bucket, prefix, weights_size, key, model_id=model_id, facts=facts, check=check)

    @staticmethod
    @checked(but=("facts",))
    def from_bucket(
        bucket: s3.IBucket,
        prefix: str,
        *,
        weights_size: cdk.Size | None = None,
        model_id: str | None = None,
        facts: ModelFacts | None = None,
        check: bool = True,
    ) -> ModelSource:
        """Weights under a prefix of a bucket of yours; its KMS key comes with it.

        Args:
            bucket: The bucket.
            prefix: Such as "weights/Qwen/Qwen3-8B/"; the slash at the end is added when it is missing.
            weights_size: Size of all files; unknown gives the longest start-up time-outs SageMaker allows.
            model_id: Catalogue id of the model (`cdk-sglang models list`), that of `facts` by default: what does not fit the GPUs is refused.
                Without it, nobody checks that.
            facts: What you know of the model, such as `catalogue("me/llama", also=[Path("models")])` of cdk_sglang.models, where
                `cdk-sglang models add` wrote it; the catalogue's by default.
            check: Whether the deployment first looks at config, tokenizer and the headers of all shards, and fails when one is
                missing or cut short.

        Raises:
            ConfigurationError: The prefix is empty or begins with a slash.
        """
        problems = prefix_problems("model.prefix", prefix)
        if problems:
            raise ConfigurationError(problems)
        return _BucketSource(bucket, _with_slash(prefix), weights_size, model_id=model_id, facts=facts, check=check)

    @staticmethod
    @checked(but=("token", "facts"))
    def from_hugging_face(
        repo: str,
        *,
        revision: str,
        bucket: s3.IBucket,
        token: secretsmanager.ISecret | None = None,
        weights_size: cdk.Size | None = None,
        facts: ModelFacts | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        wait: cdk.Duration | None = None,
        model_id: str | None = None,
    ) -> ModelSource:
        """A model of Hugging Face, copied to S3 during the deployment: once, with every file held to the hub's hash.

        Duplicates (`original/`), other formats (GGUF, ONNX) and pickles beside safetensors are left out.

        Args:
            repo: "owner/name", such as "Qwen/Qwen3-8B".
            revision: A commit, 40 hexadecimal digits: a branch would move under the endpoint.
            bucket: Where the files go, below "weights/<repo>/<revision>/"; they stay when the stack is deleted.
            token: Secret with a read token, for gated and private models: its text, or the key "token" of its JSON.
            weights_size: Size of all files; unknown gives the longest start-up time-outs SageMaker allows.
            facts: What you know of the model, as for `from_s3`; the catalogue's of the repository by default.
            include: Patterns of files to take whatever the rules say.
            exclude: Patterns of files to leave out besides.
            wait: How long the deployment waits, rounded up to stages of 50 minutes; five hours by default.
            model_id: Catalogue id of a model of the same architecture, for a repository that the catalogue does not know; the repository
                by default.

        Raises:
            ConfigurationError: The revision can move, the token is text, or a name has the wrong form.
        """
        problems = hub_problems("model", repo=repo, revision=revision, token=token, include=include, exclude=exclude)
        if problems:
            raise ConfigurationError(problems)
        order = StagingOrder(
            repo=repo,
            revision=revision,
            bucket=bucket,
            token=token,
            include=tuple(include),
            exclude=tuple(exclude),
            wait=wait or _STAGING_WAIT,
        )
        return _HubSource(order, weights_size, model_id, facts)

    @abstractmethod
    def bind(self, access: WeightsAccess) -> str:
        """Let the endpoint's role read the prefix and return the S3 URI, ending in a slash.

        Args:
            access: Reading rights of the endpoint's role, which the prefix is added to.
        """

    def prepare(self, scope: Construct, access: WeightsAccess, log_options: LogOptions) -> IConstruct | None:  # noqa: ARG002
        """Have the files put in place or checked before they are served; return what has to come first.

        Args:
            scope: The component.
            access: What is known of the buckets.
            log_options: What becomes of the logs of whatever does it.
        """
        return None


def _facts_problems(facts: object) -> list[Problem]:
    if facts is None:
        return []
    from cdk_sglang.models.facts import ModelFacts  # noqa: PLC0415  few models bring facts of their own

    if isinstance(facts, ModelFacts):
        return []
    return [
        (
            Problem(
                "model.facts",
                f"{facts!r} is a {type(facts).__name__}, not a model's facts; read them with "
                "cdk_sglang.models.catalogue(id, also=[Path(...)]) from what cdk-sglang models add wrote",
            )
        )
    ]


def s3_uri_problems(path: str, uri: str) -> list[Problem]:
    """Say what is wrong with an S3 URI of a model; an empty list when it is one."""
    if is_token(uri):
        return [
            Problem(path, "the URI must be known at synth, got a token; use ModelSource.from_bucket(bucket, prefix)")
        ]
    if uri.endswith((".tar.gz", ".tgz", ".zip")):
        return [
            Problem(
                path, f"{uri!r} is an archive; put the files uncompressed under a prefix, such as s3://bucket/model/"
            )
        ]
    match = _S3_URI.fullmatch(uri)
    if match is None:
        return [Problem(path, f"{uri!r} is not an S3 URI; use s3://bucket/prefix/")]
    return prefix_problems(path, match["prefix"])


def prefix_problems(path: str, prefix: str) -> list[Problem]:
    """Say what is wrong with a prefix; an empty list when it is fine."""
    if is_token(prefix):
        return []
    if not prefix.strip("/"):
        return [
            Problem(
                path, "the prefix is empty, so the whole bucket would be the model; use one, such as 'weights/llama/'"
            )
        ]
    if prefix.startswith("/") or "//" in prefix:
        return [Problem(path, f"{prefix!r} has an empty part; write it without leading or double slashes")]
    odd = sorted(set(_NOT_IN_PREFIX.findall(prefix)))
    if odd:
        return [
            (
                Problem(
                    path,
                    f"{prefix!r} has {' '.join(map(repr, odd))}, which IAM policies or S3 clients read as something else; "
                    "use letters, digits and ! - _ . ' ( ) = + @ , : &",
                )
            )
        ]
    if len(prefix.encode()) > _MAX_PREFIX_BYTES:
        return [Problem(path, f"the prefix has {len(prefix)} characters; use {_MAX_PREFIX_BYTES} or fewer")]
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
    def __init__(
        self,
        bucket: str,
        prefix: str,
        weights_size: cdk.Size | None,
        key: kms.IKey | None,
        *,
        model_id: str | None,
        facts: ModelFacts | None,
        check: bool,
    ) -> None:
        super().__init__(weights_size, model_id=model_id, facts=facts)
        self._bucket = bucket
        self._prefix = prefix
        self._key = key
        self._check = check

    def bind(self, access: WeightsAccess) -> str:
        access.read(f"arn:{access.partition}:s3:::{self._bucket}", self._prefix, self._key)
        return f"s3://{self._bucket}/{self._prefix}"

    def prepare(self, scope: Construct, access: WeightsAccess, log_options: LogOptions) -> IConstruct | None:
        arn = f"arn:{access.partition}:s3:::{self._bucket}"
        bucket = KnownBucket(name=self._bucket, arn=arn, key=self._key)
        if not self._check:
            return None
        return _checked(scope, access, log_options, bucket, self._prefix, expected_bytes=self.weights_bytes)


class _BucketSource(ModelSource):
    def __init__(
        self,
        bucket: s3.IBucket,
        prefix: str,
        weights_size: cdk.Size | None,
        *,
        model_id: str | None,
        facts: ModelFacts | None,
        check: bool,
    ) -> None:
        super().__init__(weights_size, model_id=model_id, facts=facts)
        self._bucket = bucket
        self._prefix = prefix
        self._check = check

    def bind(self, access: WeightsAccess) -> str:
        bucket = access.known(self._bucket)
        access.read(bucket.arn, self._prefix, bucket.key)
        return f"s3://{bucket.name}/{self._prefix}"

    def prepare(self, scope: Construct, access: WeightsAccess, log_options: LogOptions) -> IConstruct | None:
        bucket = access.known(self._bucket)
        if not self._check:
            return None
        return _checked(scope, access, log_options, bucket, self._prefix, expected_bytes=self.weights_bytes)


class _HubSource(ModelSource):
    def __init__(
        self, order: StagingOrder, weights_size: cdk.Size | None, model_id: str | None, facts: ModelFacts | None
    ) -> None:
        super().__init__(weights_size, model_id=model_id, repository=order.repo, facts=facts)
        self._order = order

    def bind(self, access: WeightsAccess) -> str:
        bucket = access.known(self._order.bucket)
        access.read(bucket.arn, self._order.prefix, bucket.key)
        return f"s3://{bucket.name}/{self._order.prefix}"

    def prepare(self, scope: Construct, access: WeightsAccess, log_options: LogOptions) -> IConstruct | None:  # noqa: ARG002
        from cdk_sglang.serving.weights.staging import WeightsStaging  # noqa: PLC0415  loading CodeBuild takes time, and few need it

        return WeightsStaging.of(scope, log_options=log_options).stage(self._order)


def _checked(
    scope: Construct,
    access: WeightsAccess,
    log_options: LogOptions,
    bucket: KnownBucket,
    prefix: str,
    *,
    expected_bytes: float | None,
) -> IConstruct:
    from cdk_sglang.serving.weights.check import WeightsCheck  # noqa: PLC0415  loading Lambda takes time

    if access.check is None:  # one of the stack, looked for once by each endpoint
        access.check = WeightsCheck.of(scope, log_options=log_options)
    return access.check.check(bucket, prefix, expected_bytes=expected_bytes)
