"""The files of an adapter: an `Adapter` specification, bound to the bucket and key that only a CDK app has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_sglang.arguments import checked
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.keys import use_key
from cdk_sglang.serving.shared.other_accounts import share_with_account
from cdk_sglang.serving.shared.own_policy import give
from cdk_sglang.spec.adapter import ARCHIVE_SUFFIX, Adapter
from cdk_sglang.weights import AdapterConfig, AdapterFiles

_ONE_FOLDER: Final = (
    "adapters of one folder; one statement for hundreds of them keeps the role's policy within IAM's limit"
)


class AdapterSource:
    """An adapter's files; make one with a `from_*` method, or from an `Adapter` specification.

    Args:
        adapter: The specification; its `folder` or its `config` is read here.
        bucket: Bucket of its `key`; the KMS key is taken from the bucket.
        kms_key: KMS key of the bucket, if the bucket construct does not know it; with `s3`, the specification's by default.
        config: Rank, modules and base model, if they are known at synth; those of the specification by default.

    Attributes:
        config: Rank, modules and base model; None if unknown at synth.
        weights_bytes: Size of its tensors; None unless the files are in a folder.
        team: Team that its cost is attributed to; None if unspecified, then the component's.

    Raises:
        ConfigurationError: The bucket is missing; or a file of the folder or the config is missing, truncated, or of a kind that SGLang would
            not serve as it was trained.
    """

    @checked()
    def __init__(
        self,
        adapter: Adapter,
        *,
        bucket: s3.IBucket | None = None,
        kms_key: kms.IKey | None = None,
        config: AdapterConfig | None = None,
    ) -> None:
        if adapter.key is not None and bucket is None:
            raise ConfigurationError([Problem("adapter.bucket", "missing; give the bucket of key")])
        self._adapter = adapter
        self.team: str | None = adapter.team
        self._bucket = None if adapter.key is None else bucket
        self._key_arn = adapter.kms_key if kms_key is None else kms_key.key_arn
        self._files = None if adapter.folder is None else AdapterFiles.read(Path(adapter.folder))
        self.weights_bytes: int | None = None if self._files is None else self._files.weights_bytes
        if config is None and self._files is not None:
            config = self._files.config
        if config is None and adapter.config is not None:
            config = AdapterConfig.read(Path(adapter.config))
        self.config: AdapterConfig | None = config

    @staticmethod
    @checked()
    def from_s3(uri: str, *, config: AdapterConfig | None = None, key: kms.IKey | None = None) -> AdapterSource:
        """A tar.gz in S3, as created by `cdk-sglang adapters pack`.

        CloudFormation detects an update only if the URI changes: give every version of an adapter a new name.

        Args:
            uri: "s3://bucket/adapters/triage-v3.tar.gz".
            config: `AdapterConfig.read(...)` of its adapter_config.json, to check it at synth; by default nothing is checked until the
                container loads the adapter.
            key: KMS key of the bucket, if it has one of its own.

        Raises:
            ConfigurationError: The URI is not the S3 URI of a tar.gz.
        """
        return AdapterSource(Adapter(s3=uri), kms_key=key, config=config)

    @staticmethod
    @checked()
    def from_bucket(
        bucket: s3.IBucket, key: str, *, config: AdapterConfig | None = None, kms_key: kms.IKey | None = None
    ) -> AdapterSource:
        """A tar.gz in your own bucket; its KMS key is taken from the bucket.

        Args:
            bucket: The bucket.
            key: Key of the archive, such as "adapters/triage-v3.tar.gz"; use a new name for every version, as with `from_s3`.
            config: `AdapterConfig.read(...)` of its adapter_config.json, as with `from_s3`.
            kms_key: KMS key of the bucket, if the bucket construct does not know it, such as one that is imported by name.

        Raises:
            ConfigurationError: The key is not that of a tar.gz.
        """
        return AdapterSource(Adapter(key=key), bucket=bucket, kms_key=kms_key, config=config)

    @staticmethod
    @checked()
    def from_folder(folder: Path | str) -> AdapterSource:
        """A folder written by PEFT's `save_pretrained`: checked and packed at synth, uploaded with the deployment.

        A changed file results in a new archive, which updates the adapter. This suits a handful of adapters; hundreds belong in S3.

        Args:
            folder: The folder, relative to the working directory of the synth.

        Raises:
            ConfigurationError: A file is missing, truncated, or of a kind that SGLang would not serve as it was trained.
        """
        return AdapterSource(Adapter(folder=str(folder)))

    def bind(self, scope: Construct, role: iam.IRole, readable: set[str]) -> str:
        """Let the role read the archive, and return its S3 URI.

        Args:
            scope: The component.
            role: The endpoint's role.
            readable: Folders that the role may already read and keys that it may already use; extended by this call.
        """
        if self._files is not None:
            return _bind_files(self._files, scope, role, readable)
        key = self._adapter.object_key
        assert key is not None
        bucket = self._bucket
        name = self._adapter.bucket_name if bucket is None else bucket.bucket_name
        folder = key.rpartition("/")[0]
        place = f"{name}/{folder or key}"
        if place not in readable:
            readable.add(place)
            if bucket is None:
                arn = f"arn:{cdk.Stack.of(scope).partition}:s3:::{name}"
            else:
                arn = bucket.bucket_arn
                share_with_account(scope, bucket, prefix=f"{folder}/" if folder else key)
            _grant_read(scope, role, bucket_arn=arn, folder=folder, key=key)
        encrypted = None if bucket is None else bucket.encryption_key
        key_arn = self._key_arn if encrypted is None else encrypted.key_arn
        if key_arn is not None and key_arn not in readable:
            readable.add(key_arn)
            give(role, use_key(cdk.Stack.of(scope), key_arn, permissions.DECRYPT, through="s3"))
        return f"s3://{name}/{key}"


def _grant_read(scope: Construct, role: iam.IRole, *, bucket_arn: str, folder: str, key: str) -> None:
    files = f"{bucket_arn}/{folder}/*{ARCHIVE_SUFFIX}" if folder else f"{bucket_arn}/{key}"
    give(role, iam.PolicyStatement(actions=list(permissions.READ_WEIGHTS), resources=[files]))
    give(
        role,
        iam.PolicyStatement(
            actions=list(permissions.LIST_WEIGHTS),  # without it, a missing archive looks like a forbidden one
            resources=[bucket_arn],
            conditions={"StringLike": {"s3:prefix": [f"{folder}/*" if folder else key]}},
        ),
    )
    if folder:
        acknowledge_wildcards(scope, role, [files], _ONE_FOLDER)


def _bind_files(files: AdapterFiles, scope: Construct, role: iam.IRole, readable: set[str]) -> str:
    """Pack the files into an asset of the app, let the role read it, and return its S3 URI."""
    stage = cdk.Stage.of(scope)
    assert stage is not None
    digest = files.content_hash()
    archive = Path(stage.asset_outdir) / f"asset.{digest}{ARCHIVE_SUFFIX}"
    if not archive.is_file():
        files.pack(archive)
    stack = cdk.Stack.of(scope)
    # Not an aws_s3_assets.Asset: the name of its object would end in ".gz" only, and ArtifactUrl must end in ".tar.gz". The key of a file asset
    # is its hash and the last suffix of the file; the hash is computed from the contents, because compression differs between machines.
    asset = stack.synthesizer.add_file_asset(
        source_hash=f"{digest}{ARCHIVE_SUFFIX.removesuffix('.gz')}",
        file_name=os.path.relpath(archive, stage.outdir),
        packaging=cdk.FileAssetPackaging.FILE,
        display_name="adapter",
    )
    arn = f"arn:{stack.partition}:s3:::{asset.bucket_name}/{asset.object_key}"
    if arn not in readable:
        readable.add(arn)
        give(role, iam.PolicyStatement(actions=list(permissions.READ_WEIGHTS), resources=[arn]))
    return f"s3://{asset.bucket_name}/{asset.object_key}"
