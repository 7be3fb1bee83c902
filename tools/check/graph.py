"""A template as a graph: its resources, the references between them, and what an environment's other templates say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias

from tools.check.metric_uses import own_metrics
from tools.check.template_text import UNKNOWN, text_of

Template: TypeAlias = Mapping[str, Any]
Tree: TypeAlias = Any
"""A part of a template or of a schema: JSON of any shape."""
Path_: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from a resource's properties to a value."""

ENDPOINT: Final = "AWS::SageMaker::Endpoint"
COMPONENT: Final = "AWS::SageMaker::InferenceComponent"
CONFIG: Final = "AWS::SageMaker::EndpointConfig"


@dataclass(frozen=True)
class Reference:
    """A whole value that refers to a resource, a parameter or a pseudo parameter.

    Attributes:
        target: Logical id, or name of the pseudo parameter.
        attribute: Attribute of `Fn::GetAtt`; empty for `Ref`.
    """

    target: str
    attribute: str = ""


def reference(value: object) -> Reference | None:
    """Return the reference that a value is, or None."""
    match value:
        case {"Ref": str() as target, **others} if not others:
            return Reference(target)
        case {"Fn::GetAtt": [str() as target, str() as attribute], **others} if not others:
            return Reference(target, attribute)
        case _:
            return None


def references(value: object) -> Iterator[Reference]:
    """Yield every reference inside a value, those of intrinsic functions included."""
    found = reference(value)
    if found is not None:
        yield found
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def leaves(value: object, path: Path_ = ()) -> Iterator[tuple[Path_, object]]:
    """Yield path and value of each scalar and intrinsic function inside a value."""
    if isinstance(value, Mapping) and not is_intrinsic(value):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def is_intrinsic(value: object) -> bool:
    """Return whether a value is a reference or another function of CloudFormation."""
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def dotted(path: Path_) -> str:
    """Return a path as text, with `[]` for an index, such as `ProductionVariants[].InstanceType`."""
    return "".join("[]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def literal(value: object) -> str | None:
    """Return the text of a value all of whose parts are known before deployment, or None."""
    text = text_of(value)
    return None if UNKNOWN in text else text


def listed(value: object) -> list[Any]:
    """Return a value that may stand alone or in a list as a list; an absent one as an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the templates of one environment say together.

    Attributes:
        region: Region of its stacks.
        account: Account of its stacks; empty if the CLI decides.
        endpoints: Names of endpoints.
        components: Names of inference components.
        variants: Names of variants.
        parameters: Kind of value of each parameter of Systems Manager, by its name.
        published: Namespace and name of metrics that metric filters publish.
        keeps: Whether the environment keeps its data when a stack is deleted.
        folder: Cloud assembly, in which the assets lie.
    """

    region: str
    account: str
    endpoints: frozenset[str] = frozenset()
    components: frozenset[str] = frozenset()
    variants: frozenset[str] = frozenset()
    parameters: Mapping[str, str] = field(default_factory=dict)
    published: frozenset[tuple[str, str]] = frozenset()
    keeps: bool = True
    folder: Path | None = None


def environment_of(folder: Path) -> Environment:
    """Return what a cloud assembly says of its environment."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    stacks = [item for item in manifest["artifacts"].values() if item["type"] == "aws:cloudformation:stack"]
    account, region = stacks[0]["environment"].removeprefix("aws://").split("/")
    graphs = [
        Graph(json.loads((folder / item["properties"]["templateFile"]).read_text(encoding="utf-8"))) for item in stacks
    ]
    return Environment(
        region=region,
        account="" if account.startswith("unknown") else account,
        endpoints=frozenset(_names(graphs, ENDPOINT, "EndpointName")),
        components=frozenset(_names(graphs, COMPONENT, "InferenceComponentName")),
        variants=frozenset(
            variant["VariantName"]
            for graph in graphs
            for config in graph.of_type(CONFIG).values()
            for variant in config["Properties"]["ProductionVariants"]
        ),
        parameters={
            parameter["Properties"]["Name"]: graph.kind(found)
            for graph in graphs
            for parameter in graph.of_type("AWS::SSM::Parameter").values()
            if (found := reference(parameter["Properties"]["Value"])) is not None
        },
        published=frozenset[tuple[str, str]]().union(*(own_metrics(graph.template) for graph in graphs)),
        keeps=any(
            bucket.get("DeletionPolicy") != "Delete"
            for graph in graphs
            for bucket in graph.of_type("AWS::KMS::Key").values()
        ),
        folder=folder,
    )


def _names(graphs: list[Graph], resource_type: str, name: str) -> Iterator[str]:
    for graph in graphs:
        for resource in graph.of_type(resource_type).values():
            if isinstance(resource["Properties"].get(name), str):
                yield resource["Properties"][name]


@dataclass(frozen=True)
class Graph:
    """A template's resources and the edges between them."""

    template: Template

    @cached_property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """Resources by logical id."""
        resources: Mapping[str, Mapping[str, Any]] = self.template.get("Resources", {})
        return resources

    def of_type(self, resource_type: str) -> dict[str, Mapping[str, Any]]:
        """Return the resources of a type by logical id."""
        return {
            name: resource
            for name, resource in self.resources.items()
            if resource.get("Type") == resource_type and isinstance(resource.get("Properties"), Mapping)
        }

    def depends_on(self, name: str) -> list[str]:
        """Return what a resource names in `DependsOn`."""
        return listed(self.resources[name].get("DependsOn"))

    @cached_property
    def _direct(self) -> Mapping[str, frozenset[str]]:
        return {
            name: frozenset(found.target for found in references(resource.get("Properties", {})))
            & self.resources.keys()
            for name, resource in self.resources.items()
        }

    @cached_property
    def policies(self) -> Mapping[str, tuple[str, ...]]:
        """Logical ids of the policies of each role that are resources of their own."""
        found: dict[str, tuple[str, ...]] = {}
        for name, policy in self.of_type("AWS::IAM::Policy").items():
            for role in {one.target for one in references(policy["Properties"].get("Roles", []))}:
                found[role] = (*found.get(role, ()), name)
        return found

    @cached_property
    def users(self) -> Mapping[str, frozenset[str]]:
        """Logical ids of the resources that refer to each resource."""
        found: dict[str, set[str]] = {name: set() for name in self.resources}
        for name, others in self._direct.items():
            for other in others:
                found[other].add(name)
        return {name: frozenset(others) for name, others in found.items()}

    def comes_after(self, later: str, earlier: str, *, without: tuple[str, str] | None = None) -> bool:
        """Return whether a resource is made after another, by references and `DependsOn`, over any number of steps.

        Args:
            later: Logical id of the resource.
            earlier: Logical id of the other.
            without: An edge of `DependsOn` that does not count.
        """
        ancestors, todo = {later}, [later]
        while todo:
            name = todo.pop()
            stated = {one for one in self.depends_on(name) if (name, one) != without} & self.resources.keys()
            for other in self._direct[name] | stated:
                if other == earlier:
                    return True
                if other not in ancestors:
                    ancestors.add(other)
                    todo.append(other)
        return False

    def kind(self, found: Reference, parameters: Mapping[str, str] | None = None) -> str:
        """Return what a reference stands for, such as `AWS::IAM::Role.Arn`; the name of a parameter that nobody describes.

        Args:
            found: The reference.
            parameters: Kinds of the parameters of Systems Manager by name.
        """
        if found.target in self.resources:
            kind = str(self.resources[found.target].get("Type"))
            return f"{kind}.{found.attribute}" if found.attribute else kind
        default = self.template.get("Parameters", {}).get(found.target, {}).get("Default")
        return (
            (parameters or {}).get(str(default), f"parameter {str(default).rpartition('/')[2]}")
            if default
            else found.target
        )
