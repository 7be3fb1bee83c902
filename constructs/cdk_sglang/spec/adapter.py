"""LoRA weights on top of a component, and the location of their files, for both environment files and `AdapterSource`."""

from __future__ import annotations

from typing import ClassVar, Final, Self

from pydantic import model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.alternatives import OneOf
from cdk_sglang.spec.kinds import Name
from cdk_sglang.spec.s3 import empty_part, odd_signs, place_of
from cdk_sglang.spec.secrets import KeyArn
from cdk_sglang.tokens import is_text_token

ARCHIVE_SUFFIX: Final = ".tar.gz"
"""Suffix that ArtifactUrl must have: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceComponentContainerSpecification.html"""


class Adapter(OneOf):
    """LoRA weights on top of a component; exactly one of folder, key and s3."""

    _noun: ClassVar[str] = "adapter"
    _alternatives: ClassVar[tuple[str, ...]] = ("folder", "key", "s3")

    folder: str | None = None
    """Folder that PEFT's save_pretrained wrote, relative to the repository: checked, packed and uploaded with the deployment."""
    key: str | None = None
    """Key of a tar.gz in the environment's own weights bucket, such as adapters/triage-v3.tar.gz. Use a new key for every version."""
    s3: str | None = None
    """S3 URI of a tar.gz in your own bucket, such as s3://models/adapters/triage-v3.tar.gz. Use a new key for every version."""
    kms_key: KeyArn | None = None
    """With s3: ARN of the KMS key that encrypts the archive, unless it is S3's own. The key policy must allow this account to use it."""
    config: str | None = None
    """With key or s3: path of the adapter's adapter_config.json, to check rank, modules and base model before anything is deployed."""
    base_model: str | None = None
    """Base model to accept if the adapter was trained on the component's weights under another name."""
    team: Name | None = None
    """Team that its cost is attributed to in the showback reports; the component's team by default."""

    @property
    def bucket_name(self) -> str | None:
        """Name of the bucket that `s3` names; None if the archive is in the author's own bucket."""
        place = None if self.s3 is None else place_of(self.s3)
        return None if place is None else place.bucket

    @property
    def object_key(self) -> str | None:
        """Key of the archive in its bucket; None for a folder, which the deployment uploads."""
        place = None if self.s3 is None else place_of(self.s3)
        return self.key if place is None else place.key

    @model_validator(mode="after")
    def _place_fits(self) -> Self:
        problems: list[Problem] = []
        if self.folder is not None and self.config is not None:
            problems.append(Problem("config", "the folder has its own; remove it"))
        if self.kms_key is not None and self.s3 is None:
            problems.append(Problem("kms_key", "goes with s3; remove it: other archives have the key of their bucket"))
        if self.s3 is not None:
            problems += (Problem("s3", text) for text in _uri_mistakes(self.s3))
        if self.key is not None:
            problems += (Problem("key", text) for text in _key_mistakes(self.key))
        raise_if_any(problems)
        return self


def _uri_mistakes(uri: str) -> list[str]:
    if is_text_token(uri):
        return ["the URI must be known at synth, got a token; use AdapterSource.from_bucket(bucket, key)"]
    place = place_of(uri)
    if place is None or not place.key:
        return [f"{uri!r} is not an S3 URI; use s3://bucket/adapters/name{ARCHIVE_SUFFIX}"]
    return _key_mistakes(place.key)


def _key_mistakes(key: str) -> list[str]:
    if not key.endswith(ARCHIVE_SUFFIX):
        return [
            f"{key!r} does not end in {ARCHIVE_SUFFIX}, as SageMaker requires; make one with `cdk-sglang adapters pack`"
        ]
    mistake = empty_part(key) or (None if is_text_token(key) else odd_signs(key))
    return [] if mistake is None else [mistake]
