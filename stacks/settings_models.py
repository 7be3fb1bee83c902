"""Models, adapters and images of an environment: where each comes from."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.adapters.source import adapter_key_problems, adapter_uri_problems
from cdk_sglang.serving.image.container_base import pin_problems
from cdk_sglang.serving.weights.hub import hub_problems
from cdk_sglang.serving.weights.model_source import prefix_problems, s3_uri_problems
from stacks.settings_base import Settings, exactly_one_of

_TOKEN: Final = re.compile(r"hf_[A-Za-z0-9]{20,}")
_SECRET: Final = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[\w/+=.@-]+|[\w/+=.@-]{1,512}")
"""Names and ARNs of secrets (botocore 1.44.5, secretsmanager CreateSecret)."""


def _digest(value: str) -> str:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
        raise ValueError(f"{value!r} is not a digest; use 'sha256:' and 64 hexadecimal digits")
    return value


Digest = Annotated[str, AfterValidator(_digest), WithJsonSchema({"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"})]


def _secret(value: str) -> str:
    if _TOKEN.search(value):  # never repeated: it is a secret
        raise ValueError(
            "holds a Hugging Face token; files are read by many, so revoke it, store a new one in Secrets Manager, and name "
            "the secret here"
        )
    if not _SECRET.fullmatch(value):
        raise ValueError(f"{value!r} is neither name nor ARN of a secret in Secrets Manager")
    return value


class Model(Settings):
    """Whose weights a component serves, and where they are; exactly one of hugging_face, prefix and s3."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("hugging_face", "prefix", "s3"))

    id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """Catalogue id, such as Qwen/Qwen3-8B: tells the planner size and shape. The repository of hugging_face by default. Of a model that
    the catalogue does not know, little is checked, and neither slo nor a budget can be given."""
    hugging_face: str | None = None
    """Model of Hugging Face, such as Qwen/Qwen3-8B: copied into the environment's weights bucket by the first deployment."""
    revision: str | None = None
    """With hugging_face: a commit, 40 hexadecimal digits, in quotes."""
    token_secret: (
        Annotated[str, AfterValidator(_secret), WithJsonSchema({"type": "string", "maxLength": 2048})] | None
    ) = None
    """With hugging_face: name or ARN of the secret with a read token, for gated and private models."""
    include: tuple[str, ...] = Field(default=(), strict=False)
    """With hugging_face: patterns of files to take whatever the rules say."""
    exclude: tuple[str, ...] = Field(default=(), strict=False)
    """With hugging_face: patterns of files to leave out besides duplicates, other formats and pickles."""
    s3: str | None = None
    """S3 URI of uncompressed files in a bucket of yours, such as s3://models/llama/."""
    prefix: str | None = None
    """Prefix in the environment's own weights bucket, such as weights/meta-llama/Llama-3.2-3B-Instruct/."""
    weights_gib: float | None = Field(default=None, gt=0, le=4096, strict=False)
    """Size of the weights in GiB, where the catalogue does not know the model."""

    @property
    def catalogue_id(self) -> str | None:
        """Id under which the catalogue may know the model: as given, else the repository; None for files in S3 without an id."""
        return self.id or self.hugging_face

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = (self.hugging_face, self.prefix, self.s3)
        if sum(place is not None for place in places) != 1:
            raise ValueError("give exactly one of hugging_face, prefix and s3")
        problems: list[Problem] = []
        if self.hugging_face is None:
            problems += [
                Problem(name, "goes with hugging_face; remove it")
                for name, value in (
                    ("revision", self.revision),
                    ("token_secret", self.token_secret),
                    ("include", self.include),
                    ("exclude", self.exclude),
                )
                if value
            ]
        elif self.revision is None:
            problems.append(
                Problem(
                    "revision",
                    "missing; give the commit, 40 hexadecimal digits, from "
                    f"https://huggingface.co/{self.hugging_face}/commits/main",
                )
            )
        else:
            problems += hub_problems(
                "hugging_face",
                repo=self.hugging_face,
                revision=self.revision,
                token=None,
                include=self.include,
                exclude=self.exclude,
            )
        if self.s3 is not None:
            problems += s3_uri_problems("s3", self.s3)
        if self.prefix is not None:
            problems += prefix_problems("prefix", self.prefix)
        raise_if_any(problems)
        return self


class Adapter(Settings):
    """LoRA weights on top of a component; exactly one of folder, key and s3."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("folder", "key", "s3"))

    folder: str | None = None
    """Folder that PEFT's save_pretrained wrote, relative to the repository: checked, packed and uploaded with the deployment."""
    key: str | None = None
    """Key of a tar.gz in the environment's own weights bucket, such as adapters/triage-v3.tar.gz; a new name for every version."""
    s3: str | None = None
    """S3 URI of a tar.gz in a bucket of yours, such as s3://models/adapters/triage-v3.tar.gz; a new name for every version."""
    config: str | None = None
    """With key or s3: path of the adapter's adapter_config.json, to check rank, modules and base model before anything is deployed."""
    base_model: str | None = None
    """The base model to accept, when the adapter was trained on the component's weights under another name."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.folder, self.key, self.s3)) != 1:
            raise ValueError("give exactly one of folder, key and s3")
        problems: list[Problem] = []
        if self.folder is not None and self.config is not None:
            problems.append(Problem("config", "the folder has its own; remove it"))
        if self.s3 is not None:
            problems += adapter_uri_problems("s3", self.s3)
        if self.key is not None:
            problems += adapter_key_problems("key", self.key)
        raise_if_any(problems)
        return self


class ImageBuild(Settings):
    """This project's image, built by CodeBuild when its content has changed; exactly one of digest and unpinned."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("digest", "unpinned"))

    base: Literal["upstream", "dlc"] = "upstream"
    """What it is built on: SGLang's own image, or AWS's, which is some releases behind and patched by AWS."""
    digest: Digest | None = None
    """Digest of the base, so that it cannot move; `cdk-sglang image pin` looks it up."""
    unpinned: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """Without a digest: why the base may move between two builds."""

    @model_validator(mode="after")
    def _held_fast(self) -> Self:
        for problem in pin_problems("build", digest=self.digest, unpinned=self.unpinned):
            raise ConfigurationError([problem.inside("build")])
        return self


class RepositoryImage(Settings):
    """An image in an ECR repository of the account and Region, built on this project's container."""

    name: Annotated[str, StringConstraints(min_length=2, max_length=256)]
    """Name of the repository."""
    digest: Digest
    """Digest of the image."""
    cuda: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+$")]
    """CUDA toolkit of the image, such as "13.0", in quotes."""
    sglang_version: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    """SGLang inside the image."""


class Image(Settings):
    """The serving container; exactly one of build, dlc and repository."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("build", "dlc", "repository"))

    build: ImageBuild | None = None
    """This project's image: adapters, sticky sessions, deep health checks."""
    dlc: Literal["0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker", "server-sagemaker-cuda-v1.3"] | None = None
    """Tag of AWS's own SGLang container: no adapters, no sessions, nothing to build."""
    repository: RepositoryImage | None = None
    """An image you built."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.build, self.dlc, self.repository)) != 1:
            raise ValueError("give exactly one of build, dlc and repository")
        return self
