"""The base model: its files, its hash, its licence, and whether the live component serves it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .clients import Aws
from .config import Config
from .ends import answered
from .store import File, content_hash, files, read, read_range

_RECORD = "cdk-sglang-manifest.json"
"""Record of a staged model, which belongs to its own prefix alone."""
_OPEN = frozenset(
    {"apache-2.0", "mit", "bsd-3-clause", "bsd-2-clause", "cc-by-4.0", "openrail", "bigscience-openrail-m"}
)
"""Licences that need no acceptance."""
_CARD_BYTES = 16_384


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """The base model.

    Attributes:
        prefix: Prefix of its files.
        files: Its files, without the record of their staging.
        hash: Hash over names, sizes and contents.
        config: Its config.json.
        licence: Licence that the owner has to accept; empty if there is none.
    """

    prefix: str
    files: tuple[File, ...] = ()
    hash: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    licence: str = ""

    def result(self) -> dict[str, Any]:
        """Return the model's data that the state keeps."""
        return {
            "prefix": self.prefix,
            "hash": self.hash,
            "files": len(self.files),
            "bytes": sum(file.size for file in self.files),
        }


def current_files(s3: Any, config: Config) -> list[File]:
    """Return the base model's files as they are now."""
    return [file for file in files(s3, config.base) if file.name != _RECORD]


def read_config(s3: Any, config: Config) -> dict[str, Any]:
    """Return the base's config.json; empty if it is missing or not a JSON object."""
    body = read(s3, config.base.bucket, f"{config.base.prefix}config.json")
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        return {}
    return dict(content) if isinstance(content, Mapping) else {}


def read_base(aws: Aws, config: Config) -> BaseModel:
    """Return the base model as it is now, without its licence."""
    found = current_files(aws.s3, config)
    return BaseModel(
        prefix=config.base.prefix, files=tuple(found), hash=content_hash(found), config=read_config(aws.s3, config)
    )


def read_checked(aws: Aws, config: Config, problems: list[str]) -> BaseModel:
    """Return the base model, and add what it lacks to the problems.

    Args:
        aws: Clients.
        config: Configuration.
        problems: Problems, which are added to.
    """
    model = read_base(aws, config)
    names = {file.name for file in model.files}
    if not names:
        problems.append(f"base model: {config.base.uri} is empty; stage the weights, and deploy again")
        return model
    if not model.config:
        problems.append(
            f"base model: {config.base.uri}config.json is missing or no JSON object; stage the weights again"
        )
    if config.kind in {"eagle", "draft"} and not any(name.endswith(".safetensors") for name in names):
        problems.append(f"base model: {config.base.uri} has no safetensors files; a draft needs them")
    if config.kind == "eagle" and not any(name.startswith("tokenizer") for name in names):
        problems.append(f"base model: {config.base.uri} has no tokenizer; a training job needs it")
    return BaseModel(
        prefix=model.prefix,
        files=model.files,
        hash=model.hash,
        config=model.config,
        licence=_licence(aws.s3, config, names),
    )


def _licence(s3: Any, config: Config, names: set[str]) -> str:
    """Return the licence that has to be accepted, from the model card's first lines or a terms-of-use file."""
    if "README.md" in names:
        first = read_range(s3, config.base.bucket, f"{config.base.prefix}README.md", first=0, size=_CARD_BYTES)
        for row in first.decode("utf-8", "replace").splitlines():
            key, colon, value = row.partition(":")
            if colon and key == "license" and value.strip():
                name = value.strip().strip("\"'").lower()
                return "" if name in _OPEN else name
    terms = sorted(name for name in names if name.upper().startswith("USE_POLICY"))
    return f"the terms of {terms[0]}" if terms else ""


def live_model(aws: Aws, config: Config) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the descriptions of the live component and its model; None if one does not exist."""
    component = answered(aws.sagemaker.describe_inference_component, InferenceComponentName=config.component)
    if component is None:
        return None
    name = specification_of(component, config.gate.instance).get("ModelName")
    model = answered(aws.sagemaker.describe_model, ModelName=name) if name else None
    return None if model is None else (component, model)


def specification_of(component: Mapping[str, Any], instance: str) -> dict[str, Any]:
    """Return a component's specification for an instance type; its only one if it has no others."""
    many = component.get("Specifications") or []
    if many:
        return dict(next((one for one in many if one.get("InstanceType") == instance), many[0]))
    return dict(component.get("Specification") or {})


def container_of(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the only container of a model."""
    return dict(model.get("PrimaryContainer") or (model.get("Containers") or [{}])[0])


def served_uri(model: Mapping[str, Any]) -> str:
    """Return where a model's files come from."""
    source = (container_of(model).get("ModelDataSource") or {}).get("S3DataSource") or {}
    return str(source.get("S3Uri", ""))


def check_live(aws: Aws, config: Config, problems: list[str]) -> None:
    """Add why the live component cannot be the base of this run to the problems.

    Args:
        aws: Clients.
        config: Configuration.
        problems: Problems, which are added to.
    """
    live = live_model(aws, config)
    if live is None:
        problems.append(f"component {config.component}: does not exist on endpoint {config.endpoint}; deploy it first")
        return
    component, model = live
    status = component.get("InferenceComponentStatus")
    if status != "InService":
        problems.append(f"component {config.component}: is {status}; start again when it is InService")
    if not serves_base(config, model):
        problems.append(
            f"component {config.component}: serves {served_uri(model) or 'a model outside of S3'}, and its base is {config.base.uri}; deploy again"
        )


def serves_base(config: Config, model: Mapping[str, Any]) -> bool:
    """Whether a live model is the base alone or one of the versions created from it."""
    uri = served_uri(model)
    versions = f"s3://{config.bucket}/{config.root}versions/"
    return uri.rstrip("/") == config.base.uri.rstrip("/") or uri.startswith(versions)
