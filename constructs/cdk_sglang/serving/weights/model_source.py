"""The weights of a component: a `Model` specification, bound to the bucket, key and secret that only a CDK app has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.planning.own import NOTHING_OWN, KnownModel
from cdk_sglang.serving.weights.access import KnownBucket, WeightsAccess
from cdk_sglang.serving.weights.hub import StagingOrder, token_problems
from cdk_sglang.spec.model import Model

if TYPE_CHECKING:  # loading a service's constructs takes time, and these are only named in annotations
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_secretsmanager as secretsmanager

    from cdk_sglang.models.facts import ModelFacts
    from cdk_sglang.serving.weights.prepared import PreparedModel

_STAGING_WAIT: Final = cdk.Duration.hours(5)
_BYTES_PER_GIB: Final = 2**30


class ModelSource:
    """A model's weights; make one with a `from_*` method, or from a `Model` specification.

    SageMaker downloads every file under the prefix to `/opt/ml/model` before the container starts, so the container needs
    neither network access nor credentials for it.

    Args:
        model: The specification.
        bucket: Bucket that contains `prefix`, or that `hugging_face` is copied to; required for both. With `s3`: bucket of the drafts that the
            component's `speculative` promotes; required only for that.
        key: KMS key of the bucket, if the bucket construct does not know it; with `s3`, the specification's `kms_key` by default.
        token: With `hugging_face`: secret with a read token, for gated and private models. Its KMS key is taken from the secret, or from the
            specification's `token_kms_key`.
        facts: Your own facts about the model; the catalogue's by default.
        check: Whether the deployment first checks config, tokenizer and the headers of all shards; has no effect with `hugging_face`,
            whose files are checked while they are copied.
        wait: With `hugging_face`: maximum time that the deployment waits for the copy; five hours by default.

    Attributes:
        weights_bytes: Size of the files, for the start-up time-outs; None if unknown.
        model_id: Catalogue id of the model, such as "Qwen/Qwen3-8B", for checks against it; None if unknown.
        repository: Repository on Hugging Face that the files come from; None for files in S3.
        facts: Your own facts about the model, if it is not in the catalogue or differs from it; None for the catalogue's.
        specification: The specification that it was created from.
        bucket: Bucket of its files, or of its drafts; None if unspecified.

    Raises:
        ConfigurationError: The bucket is missing, the token is text, or `facts` is not a model's facts.
    """

    @checked(but=("token", "facts"))
    def __init__(
        self,
        model: Model,
        *,
        bucket: s3.IBucket | None = None,
        key: kms.IKey | None = None,
        token: secretsmanager.ISecret | None = None,
        facts: ModelFacts | None = None,
        check: bool = True,
        wait: cdk.Duration | None = None,
    ) -> None:
        raise_if_any([*_bucket_problems(model, bucket), *token_problems(token), *_facts_problems(facts)])
        self.repository: str | None = model.hugging_face
        self.model_id: str | None = model.id or (model.hugging_face if facts is None else facts.id)
        self.facts = facts
        self.weights_bytes: float | None = model.weights_bytes
        self.specification = model
        self.bucket: s3.IBucket | None = bucket
        self._key_arn = model.kms_key if key is None else key.key_arn
        self._token = token
        self._check = check
        self._wait = wait or _STAGING_WAIT

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
        bucket: s3.IBucket | None = None,
    ) -> ModelSource:
        """Weights under an S3 URI, in any bucket that the execution role can be given access to.

        Args:
            uri: "s3://bucket/prefix/"; a missing slash at the end is added.
            weights_size: Size of all files; if unknown, the start-up time-outs are the longest that SageMaker allows.
            key: KMS key of the bucket, if it has one of its own.
            model_id: Catalogue id of the model (`cdk-sglang models list`), that of `facts` by default. A model that does not fit the GPUs
                is refused; without an id, this is not checked.
            facts: Your own facts about the model, as written by `cdk-sglang models add` and read by cdk_sglang.models, for example with
                `catalogue("me/llama", also=[Path("models")])`; the catalogue's by default.
            check: Whether the deployment first checks config, tokenizer and the headers of all shards, and fails if one is
                missing or truncated.
            bucket: Bucket of the drafts that the component's `speculative` promotes; required only for that.

        Raises:
            ConfigurationError: The URI is not an S3 URI, or has no prefix.
        """
        model = Model(id=model_id, s3=uri, weights_gib=_gib(weights_size))
        return ModelSource(model, bucket=bucket, key=key, facts=facts, check=check)

    @staticmethod
    @checked(but=("facts",))
    def from_bucket(
        bucket: s3.IBucket,
        prefix: str,
        *,
        weights_size: cdk.Size | None = None,
        key: kms.IKey | None = None,
        model_id: str | None = None,
        facts: ModelFacts | None = None,
        check: bool = True,
    ) -> ModelSource:
        """Weights under a prefix of your own bucket; its KMS key is taken from the bucket.

        Args:
            bucket: The bucket.
            prefix: Prefix of the files, such as "weights/Qwen/Qwen3-8B/"; a missing slash at the end is added.
            weights_size: Size of all files; if unknown, the start-up time-outs are the longest that SageMaker allows.
            key: KMS key of the bucket, if the bucket construct does not know it, such as one that is imported by name.
            model_id: Catalogue id of the model, as for `from_s3`.
            facts: Your own facts about the model, as for `from_s3`.
            check: Whether the deployment first checks the files, as for `from_s3`.

        Raises:
            ConfigurationError: The prefix is empty or begins with a slash.
        """
        model = Model(id=model_id, prefix=prefix, weights_gib=_gib(weights_size))
        return ModelSource(model, bucket=bucket, key=key, facts=facts, check=check)

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
        """A model on Hugging Face, copied to S3 once during the deployment; every file is checked against the hub's hash.

        Duplicates (`original/`), other formats (GGUF, ONNX) and pickles next to safetensors are skipped.

        Args:
            repo: "owner/name", such as "Qwen/Qwen3-8B".
            revision: A commit, 40 hexadecimal digits; a branch could move under the endpoint.
            bucket: Bucket for the copy, which is stored under "weights/<repo>/<revision>/" and kept when the stack is deleted.
            token: Secret with a read token, for gated and private models: its text, or the key "token" of its JSON.
            weights_size: Size of all files; if unknown, the start-up time-outs are the longest that SageMaker allows.
            facts: Your own facts about the model, as for `from_s3`; by default the catalogue's for the repository.
            include: Patterns of files to copy even if the rules would skip them.
            exclude: Patterns of additional files to skip.
            wait: How long the deployment waits, rounded up to stages of 50 minutes; five hours by default.
            model_id: Catalogue id of a model of the same architecture, for a repository that is not in the catalogue; the repository
                by default.

        Raises:
            ConfigurationError: The revision can move, the token is text, or a name has the wrong form.
        """
        try:
            model = Model(
                id=model_id,
                hugging_face=repo,
                revision=revision,
                include=tuple(include),
                exclude=tuple(exclude),
                weights_gib=_gib(weights_size),
            )
        except ConfigurationError as error:
            raise ConfigurationError([*error.problems, *token_problems(token)]) from None
        return ModelSource(model, bucket=bucket, token=token, facts=facts, wait=wait)

    @property
    def known(self) -> KnownModel:
        """Facts about the model: your own, else the catalogue's."""
        if self.facts is None:
            return NOTHING_OWN.known(self.specification)
        return KnownModel(model=self.specification, facts=self.facts)

    def bind(self, access: WeightsAccess) -> str:
        """Let the endpoint's role read the prefix, and return the S3 URI, ending in a slash.

        Args:
            access: Read permissions of the endpoint's role, to which the prefix is added.
        """
        bucket, folder = self._known_bucket(access), self.specification.folder
        access.read(bucket.arn, folder, bucket.key_arn)
        if self.specification.prefix is not None and self.bucket is not None:
            access.share(self.bucket, folder)
        return f"s3://{bucket.name}/{folder}"

    def prepare(self, scope: Construct, access: WeightsAccess) -> PreparedModel | None:
        """Have the files copied or checked before they are served.

        Args:
            scope: The component.
            access: Read access of the endpoint's role, which knows the buckets.
        """
        if self.specification.hugging_face is not None:
            from cdk_sglang.serving.weights.staging import WeightsStaging

            return WeightsStaging.of(scope).stage(self._order())
        if not self._check:
            return None
        if access.check is None:  # one per stack; each endpoint looks it up once
            from cdk_sglang.serving.weights.check import WeightsCheck

            access.check = WeightsCheck.of(scope)
        return access.check.check(
            self._known_bucket(access), self.specification.folder, expected_bytes=self.specification.weights_bytes
        )

    def _known_bucket(self, access: WeightsAccess) -> KnownBucket:
        if self.specification.bucket_name is not None:
            return access.named(self.specification.bucket_name, self._key_arn)
        assert self.bucket is not None
        return access.known(self.bucket, self._key_arn)

    def _order(self) -> StagingOrder:
        model = self.specification
        assert model.hugging_face is not None
        assert model.revision is not None
        assert self.bucket is not None
        return StagingOrder(
            repository=model.hugging_face,
            revision=model.revision,
            prefix=model.folder,
            include=model.include,
            exclude=model.exclude,
            bucket=self.bucket,
            token=self._token,
            token_key_arn=model.token_kms_key,
            wait=self._wait,
        )


def _gib(size: cdk.Size | None) -> float | None:
    """Return a size in GiB; None if it is unspecified or known only at deployment."""
    return None if size is None or size.is_unresolved() else float(size.to_bytes()) / _BYTES_PER_GIB


def _bucket_problems(model: Model, bucket: s3.IBucket | None) -> list[Problem]:
    if bucket is not None or model.s3 is not None:
        return []
    return [Problem("model.bucket", "missing; give the bucket of prefix, or that hugging_face is copied to")]


def _facts_problems(facts: object) -> list[Problem]:
    if facts is None:
        return []
    from cdk_sglang.models.facts import ModelFacts

    if isinstance(facts, ModelFacts):
        return []
    return [
        Problem(
            "model.facts",
            f"{facts!r} is a {type(facts).__name__}, not a model's facts; read them with "
            "cdk_sglang.models.catalogue(id, also=[Path(...)]) from what cdk-sglang models add wrote",
        )
    ]
