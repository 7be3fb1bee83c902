"""What `environments/local.yaml` serves: the names and prefixes that `make local` reads from it, so that the file may be edited."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from cdk_sglang.environments.layers import read_layers
from cdk_sglang.errors import ConfigurationError
from localcloud.background import ROOT, LocalError

FILE: Final = ROOT / "environments" / "local.yaml"
_ENVIRONMENT: Final = "local"
_STACK: Final = "aws:cloudformation:stack"
"""Type of a stack in the manifest of a cloud assembly."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """The component that answers the first question: the first whose model is a prefix of the environment's bucket.

    Attributes:
        endpoint: Its endpoint in the file.
        component: Its name in the file.
        prefixes: Prefixes of all such components, to which the small model is uploaded.
    """

    endpoint: str
    component: str
    prefixes: tuple[str, ...]

    @property
    def endpoint_name(self) -> str:
        """SageMaker's name of the endpoint."""
        return f"{_ENVIRONMENT}-{self.endpoint}"

    @property
    def component_name(self) -> str:
        """SageMaker's name of the component."""
        return f"{self.endpoint_name}-{self.component}"


def read_environment(file: Path = FILE) -> dict[str, Any]:
    """Return the settings of an environment file, with those of the files that it extends.

    Args:
        file: The environment.

    Raises:
        LocalError: A file cannot be read.
    """
    try:
        return read_layers(
            file, folder=file.parent, read=lambda path: yaml.safe_load(path.read_text(encoding="utf-8"))
        ).merged
    except (OSError, ValueError, yaml.YAMLError, ConfigurationError) as error:
        raise LocalError(f"{file.name} cannot be read: {' '.join(str(error).split())}") from None


def served(file: Path = FILE) -> Served:
    """Return what an environment file serves.

    Args:
        file: The environment.

    Raises:
        LocalError: The file cannot be read, or no component has a model that `make local` could upload.
    """
    settings = read_environment(file)
    found = [
        (endpoint, component, str(prefix))
        for endpoint, components in _members(settings, "endpoints", "components")
        for component, content in _mapping(components).items()
        if (prefix := _mapping(_mapping(content).get("model")).get("prefix"))
    ]
    if not found:
        raise LocalError(
            f"{file.name}: no component has a model below a prefix, such as model: {{prefix: weights/llama/, weights_gib: 1}}; "
            "`make local` uploads its small model there"
        )
    endpoint, component, _ = found[0]
    prefixes = tuple(dict.fromkeys(prefix.strip("/") + "/" for _, _, prefix in found))
    return Served(endpoint=endpoint, component=component, prefixes=prefixes)


def stacks(assembly: Path, *, without: tuple[str, ...]) -> tuple[str, ...]:
    """Return the stacks of a cloud assembly, as the CDK CLI names them.

    Args:
        assembly: Folder of the templates.
        without: Stacks to leave out.
    """
    artifacts = json.loads((assembly / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    names = [one.get("displayName", key) for key, one in artifacts.items() if one["type"] == _STACK]
    return tuple(name for name in names if name not in without)


def _members(settings: object, outer: str, inner: str) -> list[tuple[str, object]]:
    return [
        (str(name), _mapping(content).get(inner)) for name, content in _mapping(_mapping(settings).get(outer)).items()
    ]


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
