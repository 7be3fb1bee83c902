"""Where an adapter's files come from: a tar.gz in S3, or a folder that is packed at synth."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.tokens import is_token
from cdk_sglang.weights import AdapterConfig, AdapterFiles

_SUFFIX: Final = ".tar.gz"
"""ArtifactUrl must end so: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceComponentContainerSpecification.html"""

_URI: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>.+)")
_ONE_FOLDER: Final = (
    "adapters of one folder; one statement for hundreds of them keeps the role's policy within IAM's limit"
)


class AdapterSource(ABC):
    """An adapter's files; make one with a `from_*` method.

    Attributes:
        config: Rank, modules and base model, where they are known at synth.
        weights_bytes: Size of its tensors, where they are at hand.
    """

    def __init__(self, config: AdapterConfig | None, *, weights_bytes: int | None = None) -> None:
        self.config = config
        self.weights_bytes = weights_bytes

    @staticmethod
    @checked()
    def from_s3(uri: str, *, config: AdapterConfig | None = None, key: kms.IKey | None = None) -> AdapterSource:
        """A tar.gz in S3, as `cdk-sglang adapters pack` makes it.

        CloudFormation sees an update only when the URI changes: give every version of an adapter a name of its own.

        Args:
            uri: "s3://bucket/adapters/triage-v3.tar.gz".
            config: `AdapterConfig.read(...)` of its adapter_config.json, to be checked at synth; unchecked until the container
                loads it otherwise.
            key: KMS key of the bucket, when it has one of its own.

        Raises:
            ConfigurationError: Not an S3 URI of a tar.gz.
        """
        raise_if_any(adapter_uri_problems("source", uri))
        match = _URI.fullmatch(uri)
        assert match is not None
        return _S3Adapter(match["bucket"], match["key"], config, key)

    @staticmethod
    @checked()
    def from_bucket(bucket: s3.IBucket, key: str, *, config: AdapterConfig | None = None) -> AdapterSource:
        """A tar.gz in a bucket of yours; its KMS key comes with it.

        Args:
            bucket: The bucket.
            key: "adapters/triage-v3.tar.gz"; a new name for every version, as with `from_s3`.
            config: As with `from_s3`.

        Raises:
            ConfigurationError: The key is not that of a tar.gz.
        """
        raise_if_any(adapter_key_problems("source", key))
        return _BucketAdapter(bucket, key, config)

    @staticmethod
    @checked()
    def from_folder(folder: Path | str) -> AdapterSource:
        """The folder PEFT's `save_pretrained` wrote: checked and packed at synth, uploaded with the deployment.

        A changed file gives a new archive, which updates the adapter. For a handful of adapters; hundreds belong in S3.

        Args:
            folder: The folder, relative to the working directory of the synth.

        Raises:
            ConfigurationError: A file is missing, cut short, or of a kind SGLang would not serve as it was trained.
        """
        return _FolderAdapter(AdapterFiles.read(Path(folder)))

    @abstractmethod
    def bind(self, scope: Construct, role: iam.IRole, readable: set[str]) -> str:
        """Let the role read the archive and return its S3 URI.

        Args:
            scope: The component.
            role: The endpoint's role.
            readable: Folders the role may read already; added to.
        """


def adapter_uri_problems(path: str, uri: str) -> list[Problem]:
    """Say what is wrong with an adapter's S3 URI; an empty list when it is one."""
    if is_token(uri):
        return [
            Problem(path, "the URI must be known at synth, got a token; use AdapterSource.from_bucket(bucket, key)")
        ]
    match = _URI.fullmatch(uri)
    if match is None:
        return [Problem(path, f"{uri!r} is not an S3 URI; use s3://bucket/adapters/name{_SUFFIX}")]
    return adapter_key_problems(path, match["key"])


def adapter_key_problems(path: str, key: str) -> list[Problem]:
    """Say what is wrong with an adapter's key; an empty list when it is fine."""
    if not key.endswith(_SUFFIX):
        return [
            Problem(
                path, f"{key!r} does not end in {_SUFFIX}, as SageMaker wants; make one with `cdk-sglang adapters pack`"
            )
        ]
    if key.startswith("/") or "//" in key:
        return [Problem(path, f"{key!r} has an empty part; write it without leading or double slashes")]
    return []


def _grant_read(
    scope: Construct, role: iam.IRole, *, bucket_arn: str, folder: str, key: str, kms_key: kms.IKey | None
) -> None:
    files = f"{bucket_arn}/{folder}/*{_SUFFIX}" if folder else f"{bucket_arn}/{key}"
    role.add_to_principal_policy(iam.PolicyStatement(actions=list(permissions.READ_WEIGHTS), resources=[files]))
    if folder:
        acknowledge_wildcards(scope, role, [files], _ONE_FOLDER)
    if kms_key is not None:
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=list(permissions.DECRYPT), resources=[kms_key.key_arn])
        )


def _folder_of(key: str) -> str:
    return key.rpartition("/")[0]


class _S3Adapter(AdapterSource):
    def __init__(self, bucket: str, key: str, config: AdapterConfig | None, kms_key: kms.IKey | None) -> None:
        super().__init__(config)
        self._bucket = bucket
        self._key = key
        self._kms_key = kms_key

    def bind(self, scope: Construct, role: iam.IRole, readable: set[str]) -> str:
        folder = _folder_of(self._key)
        place = f"{self._bucket}/{folder or self._key}"
        if place not in readable:
            readable.add(place)
            arn = f"arn:{cdk.Stack.of(scope).partition}:s3:::{self._bucket}"
            _grant_read(scope, role, bucket_arn=arn, folder=folder, key=self._key, kms_key=self._kms_key)
        return f"s3://{self._bucket}/{self._key}"


class _BucketAdapter(AdapterSource):
    def __init__(self, bucket: s3.IBucket, key: str, config: AdapterConfig | None) -> None:
        super().__init__(config)
        self._bucket = bucket
        self._key = key

    def bind(self, scope: Construct, role: iam.IRole, readable: set[str]) -> str:
        bucket, folder = self._bucket, _folder_of(self._key)
        name = bucket.bucket_name
        place = f"{name}/{folder or self._key}"
        if place not in readable:
            readable.add(place)
            _grant_read(
                scope, role, bucket_arn=bucket.bucket_arn, folder=folder, key=self._key, kms_key=bucket.encryption_key
            )
        return f"s3://{name}/{self._key}"


class _FolderAdapter(AdapterSource):
    def __init__(self, files: AdapterFiles) -> None:
        super().__init__(files.config, weights_bytes=files.weights_bytes)
        self._files = files

    def bind(self, scope: Construct, role: iam.IRole, readable: set[str]) -> str:
        stage = cdk.Stage.of(scope)
        assert stage is not None
        digest = self._files.content_hash()
        archive = Path(stage.asset_outdir) / f"asset.{digest}{_SUFFIX}"
        if not archive.is_file():
            self._files.pack(archive)
        stack = cdk.Stack.of(scope)
        # Not an aws_s3_assets.Asset: its object would end in ".gz" alone, and ArtifactUrl must end in ".tar.gz". A file asset's key
        # is its hash and the last suffix of the file; the hash is of the contents, since compression differs between machines.
        asset = stack.synthesizer.add_file_asset(
            source_hash=f"{digest}{_SUFFIX.removesuffix('.gz')}",
            file_name=os.path.relpath(archive, stage.outdir),
            packaging=cdk.FileAssetPackaging.FILE,
            display_name="adapter",
        )
        arn = f"arn:{stack.partition}:s3:::{asset.bucket_name}/{asset.object_key}"
        if arn not in readable:
            readable.add(arn)
            role.add_to_principal_policy(iam.PolicyStatement(actions=list(permissions.READ_WEIGHTS), resources=[arn]))
        return f"s3://{asset.bucket_name}/{asset.object_key}"
