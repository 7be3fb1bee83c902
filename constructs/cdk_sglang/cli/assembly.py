"""The output of `cdk synth`: its stacks, and the weights that must be in the environment's bucket before a stack is deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cdk_sglang.errors import ConfigurationError, Problem

FOUNDATION: Final = "Foundation"
"""Construct id of the stack that the others read their bucket from."""
_STACK: Final = "aws:cloudformation:stack"
_CHECK: Final = "Custom::CdkSglangWeights"
"""Type of the resource that fails a deployment with incomplete models (serving/weights/check.py)."""
_COMPONENT: Final = "AWS::SageMaker::InferenceComponent"
_UNKNOWN: Final = {"unknown-account", "unknown-region"}
_WARNING: Final = "aws:cdk:warning"
_ACKNOWLEDGED_BY: Final = " [ack: "
"""What CDK appends to a warning: the name by which an app acknowledges it."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Files that a stack needs; their bucket is known only after the foundation is deployed.

    Attributes:
        stack: Name of the stack.
        bucket_parameter: SSM parameter that holds the bucket's name.
        key: Prefix of a model, ending in a slash, or key of an adapter's archive.
    """

    stack: str
    bucket_parameter: str
    key: str

    @property
    def is_model(self) -> bool:
        """Whether the weights are a model's folder, not an adapter's archive."""
        return self.key.endswith("/")


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack of a cloud assembly."""

    id: str
    name: str
    region: str | None
    template: Mapping[str, Any]
    account: str | None = None

    @property
    def stages_models(self) -> bool:
        """Whether the deployment of the stack copies models from Hugging Face."""
        return any("CdkSglangStaging" in name for name in self.template.get("Resources", {}))

    def weights(self) -> Iterator[Weights]:
        """Yield the weights that the stack needs from the environment's own bucket."""
        for resource in self.template.get("Resources", {}).values():
            properties = resource.get("Properties", {})
            if resource["Type"] == _CHECK:
                for model in properties.get("Models", ()):
                    text, parameter = self._resolved(model)
                    if parameter is not None:
                        yield Weights(stack=self.name, bucket_parameter=parameter, key=json.loads(text)["prefix"])
            elif resource["Type"] == _COMPONENT:
                container = properties.get("Specification", {}).get("Container", {})
                text, parameter = self._resolved(container.get("ArtifactUrl"))
                if parameter is not None:
                    key = text.removeprefix("s3://").partition("/")[2]
                    yield Weights(stack=self.name, bucket_parameter=parameter, key=key)

    def _resolved(self, value: object) -> tuple[str, str | None]:
        """Return a text with a placeholder for the bucket, and the SSM parameter that names the bucket.

        Without such a parameter, the bucket is outside of the environment, or is that of assets, which the CDK CLI fills.
        """
        if not isinstance(value, dict) or list(value) != ["Fn::Join"]:
            return "", None
        parameters: list[str] = []
        text = ""
        for part in value["Fn::Join"][1]:
            if isinstance(part, str):
                text += part
                continue
            declaration = self.template.get("Parameters", {}).get(part.get("Ref"), {})
            if not str(declaration.get("Type", "")).startswith("AWS::SSM::Parameter::Value"):
                return "", None
            parameters.append(str(declaration["Default"]))
            text += "bucket"
        return (text, parameters[0]) if len(parameters) == 1 else ("", None)


def read_assembly(folder: Path) -> list[Stack]:
    """Read the stacks of an assembly.

    Raises:
        ConfigurationError: The folder has no assembly.
    """
    try:
        artifacts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(
            [Problem(folder, f"holds no cloud assembly ({error}); does cdk.json name the app?")]
        ) from None
    stacks = []
    for name, artifact in artifacts.items():
        if artifact["type"] != _STACK:
            continue
        properties = artifact["properties"]
        account, _, region = str(artifact["environment"]).removeprefix("aws://").partition("/")
        stacks.append(
            Stack(
                id=artifact.get("displayName", name),
                name=properties.get("stackName", name),
                region=None if region in _UNKNOWN else region,
                account=None if account in _UNKNOWN else account,
                template=json.loads((folder / properties["templateFile"]).read_text(encoding="utf-8")),
            )
        )
    return stacks


def read_warnings(folder: Path) -> list[str]:
    """Return the warnings of constructs, each with its construct's path, in the order of the stacks.

    Args:
        folder: Folder of an assembly.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    warnings: dict[str, None] = {}
    for artifact in manifest["artifacts"].values():
        metadata = dict(artifact.get("metadata", {}))
        file = artifact.get("additionalMetadataFile")  # newer releases of aws-cdk-lib write them next to the manifest
        if file is not None:
            metadata |= json.loads((folder / file).read_text(encoding="utf-8"))
        for path, entries in metadata.items():
            for entry in entries:
                if entry["type"] == _WARNING:
                    warnings[f"{path.strip('/')}: {str(entry['data']).partition(_ACKNOWLEDGED_BY)[0]}"] = None
    return list(warnings)
