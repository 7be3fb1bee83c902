"""Differences between CloudFormation's schemas and the APIs behind them, pinned in api_drift.txt.

A member that only the API requires is a fault that no schema finds; a member that only the API has is out of reach of templates. Each
difference that a new release of either side brings is one line here. `python -m tools.check.drift --write` accepts the current differences.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore.model import ListShape, Shape, StringShape, StructureShape
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tools.check.outcomes import Outcome

SNAPSHOT: Final = Path(__file__).with_name("api_drift.txt")
_REGION: Final = "us-east-1"
_DEPTH: Final = 12
"""Depth of nesting that is compared. No type used here nests deeper; the bound ends recursive shapes."""

_WORDS_SHOWN: Final = 12

COMPARED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "AWS::SageMaker::EndpointConfig": ("sagemaker", ("CreateEndpointConfig",)),
    "AWS::SageMaker::Endpoint": ("sagemaker", ("CreateEndpoint", "UpdateEndpoint")),
    "AWS::SageMaker::InferenceComponent": ("sagemaker", ("CreateInferenceComponent", "UpdateInferenceComponent")),
    "AWS::SageMaker::Model": ("sagemaker", ("CreateModel",)),
    "AWS::ApplicationAutoScaling::ScalableTarget": ("application-autoscaling", ("RegisterScalableTarget",)),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ("application-autoscaling", ("PutScalingPolicy",)),
}
"""Service and operations that create and update each resource type; the first operation alone decides which members are required."""


def check() -> Outcome:
    """Compare today's differences with the pinned ones."""
    pinned, current = read_snapshot(SNAPSHOT.read_text(encoding="utf-8")), differences()
    return Outcome(
        figures=f"{len(current)} known differences in {len(COMPARED)} types", problems=moved(pinned, current)
    )


def moved(pinned: list[str], current: list[str]) -> list[str]:
    """Return one line per new or vanished difference."""
    accept = f"then `python -m {__spec__.name} --write`" if __spec__ else "then rewrite the snapshot"
    return [
        *(
            f"{SNAPSHOT.name}: new: {line}; decide what it means for the constructs and rules.guard, {accept}"
            for line in current
            if line not in pinned
        ),
        *(
            f"{SNAPSHOT.name}: gone: {line}; see whether the constructs can use it now, {accept}"
            for line in pinned
            if line not in current
        ),
    ]


def differences() -> list[str]:
    """Return every difference, sorted."""
    session = botocore.session.get_session()
    found: set[str] = set()
    for resource_type, (service, operations) in COMPARED.items():
        model = session.get_service_model(service)
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_REGION, resource_type).schema
        inputs = [model.operation_model(operation).input_shape for operation in operations]
        found |= set(_top(resource_type, [shape for shape in inputs if isinstance(shape, StructureShape)], schema))
    return sorted(found)


def _top(resource_type: str, inputs: list[StructureShape], schema: Mapping[str, Any]) -> Iterator[str]:
    """Compare a resource with all operations that write it."""
    members: dict[str, Shape] = {}
    for shape in reversed(inputs):
        members |= shape.members
    yield from _structure(resource_type, members, inputs[0].required_members, schema=schema, root=schema, depth=_DEPTH)


def _structure(
    path: str,
    members: Mapping[str, Shape],
    required_members: list[str],
    *,
    schema: Mapping[str, Any],
    root: Mapping[str, Any],
    depth: int,
) -> Iterator[str]:
    required = schema.get("required", [])
    read_only = _read_only(path, root)
    properties = {name: value for name, value in schema.get("properties", {}).items() if name not in read_only}
    for name in sorted(members.keys() - properties.keys()):
        yield f"{path}.{name}: in the API only"
    for name in sorted(properties.keys() - members.keys()):
        yield f"{path}.{name}: in CloudFormation only"
    for name in sorted(members.keys() & properties.keys()):
        if (name in required_members) != (name in required):
            side = "the API" if name in required_members else "CloudFormation"
            yield f"{path}.{name}: required by {side} only"
        yield from _value(f"{path}.{name}", members[name], _dereferenced(properties[name], root), root, depth - 1)


def _value(path: str, shape: Shape, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Iterator[str]:
    if depth == 0:
        return
    match shape.type_name:
        case "structure" if isinstance(shape, StructureShape):
            yield from _structure(path, shape.members, shape.required_members, schema=schema, root=root, depth=depth)
        case "list" if isinstance(shape, ListShape):
            yield from _bounds(path, shape, schema, "minItems", "maxItems")
            yield from _value(f"{path}[]", shape.member, _dereferenced(schema.get("items", {}), root), root, depth - 1)
        case "integer" | "long" | "float" | "double":
            yield from _bounds(path, shape, schema, "minimum", "maximum")
            yield from _words(path, [], schema.get("enum", []))
        case "string" if isinstance(shape, StringShape):
            yield from _words(path, list(shape.enum), schema.get("enum", []))
            if not shape.enum:
                yield from _bounds(path, shape, schema, "minLength", "maxLength")


def _words(path: str, api: list[str], cloudformation: list[Any]) -> Iterator[str]:
    """Compare enums; an enum that only one side has is one difference, else each differing word is one."""
    if bool(api) != bool(cloudformation):
        side, words = ("the API", api) if api else ("CloudFormation", cloudformation)
        values = ", ".join(map(str, sorted(words))) if len(words) <= _WORDS_SHOWN else f"{len(words)} values"
        yield f"{path}: only {side} lists values: {values}"
        return
    for word in sorted(set(api) - set(cloudformation)):
        yield f"{path}: {word} in the API only"
    for word in sorted(set(cloudformation) - set(api)):
        yield f"{path}: {word} in CloudFormation only"


def _bounds(path: str, shape: Shape, schema: Mapping[str, Any], minimum: str, maximum: str) -> Iterator[str]:
    for side, keyword in (("min", minimum), ("max", maximum)):
        api, cloudformation = shape.metadata.get(side), schema.get(keyword)
        harmless = side == "min" and not api and not cloudformation
        if api != cloudformation and not harmless:
            yield f"{path}: {keyword} {_number(api)} in the API, {_number(cloudformation)} in CloudFormation"


def _number(value: object) -> str:
    return "none" if value is None else str(value)


def _read_only(path: str, root: Mapping[str, Any]) -> set[str]:
    """Return the read-only properties at a path of a resource."""
    place = "/properties" + "".join(f"/{part}" for part in path.replace("[]", ".*").split(".")[1:])
    pointers = (pointer.rpartition("/") for pointer in root.get("readOnlyProperties", []))
    return {name for parent, _, name in pointers if parent == place}


def _dereferenced(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema


def read_snapshot(text: str) -> list[str]:
    """Return the differences of a snapshot, without its comments."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _write() -> None:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("botocore", "cfn-lint"))
    header = (
        "# Where CloudFormation's schemas and the APIs behind them disagree. Written by `python -m tools.check.drift --write`\n"
        f"# with {versions} ({_REGION}); `make check-all` compares.\n"
    )
    lines = differences()
    SNAPSHOT.write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{SNAPSHOT}: {len(lines)} differences")


def main() -> int:
    """Print new and vanished differences; with --write, pin the current ones."""
    if sys.argv[1:] == ["--write"]:
        _write()
        return 0
    problems = check().problems
    print("\n".join(problems) or "no new differences")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
