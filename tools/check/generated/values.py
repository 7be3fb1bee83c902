"""Faults of values: bounds and required members, drawn from CloudFormation's schemas and from botocore's models.

The operation behind a type is found here by the overlap of names, not by the checker's table, so that a gap or an error in that table shows.
A value that either source refuses is a fault: CloudFormation checks the schema, and the API that it calls checks its model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import botocore.session
from botocore.model import ListShape, Shape, StringShape, StructureShape
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tools.check.generated.model import Candidate, Source, removal, setting
from tools.check.graph import Path_, Tree, is_intrinsic

SCHEMA_BOUNDS: Final = "bounds of schemas"
API_BOUNDS: Final = "bounds of APIs"
REQUIRED: Final = "required member removed"

_REGION: Final = "us-east-1"
_WRITES: Final = re.compile(r"Add|Authorize|Create|Put|Register")
_LEAST_OVERLAP: Final = 3
"""Names that a type and an operation have in common at least; with fewer, the operation is not the type's."""

_SERVICES: Final = {"bedrockagentcore": "bedrock-agentcore-control", "events": "events"}
"""Services whose name in botocore is not that of CloudFormation, in lower case."""


def bounds(source: Source) -> Iterator[Candidate]:
    """Yield values out of the range, length, pattern or enum of a schema or a model."""
    for name, resource in source.template["Resources"].items():
        schema = _schema(resource["Type"])
        if schema is not None:
            for path, value, leaf in _of_schema(resource.get("Properties", {}), schema, schema, ("Properties",)):
                for bad in _bad(value, _limits_of_schema(leaf)):
                    yield setting(SCHEMA_BOUNDS, source, name, path, bad)
        shape = operation(resource["Type"])
        if shape is not None:
            for path, value, member in _of_shape(resource.get("Properties", {}), shape, ("Properties",)):
                for bad in _bad(value, _limits_of_shape(member)):
                    yield setting(API_BOUNDS, source, name, path, bad)


def required(source: Source) -> Iterator[Candidate]:
    """Yield required members that are removed, by the schema or by the model.

    A name at the top that the schema does not require is no fault: CloudFormation makes one.
    """
    for name, resource in source.template["Resources"].items():
        schema, shape = _schema(resource["Type"]), operation(resource["Type"])
        properties = resource.get("Properties", {})
        paths: dict[Path_, None] = {}
        if schema is not None:
            paths |= dict.fromkeys(_required_of_schema(properties, schema, schema, ("Properties",)))
        if shape is not None:
            schema_names = set(schema.get("required", [])) if schema else set()
            for path in _required_of_shape(properties, shape, ("Properties",)):
                has_default_name = len(path) == 2 and str(path[-1]).endswith("Name") and path[-1] not in schema_names
                if not has_default_name:
                    paths[path] = None
        yield from (removal(REQUIRED, source, name, path) for path in paths)


@cache
def _schema(resource_type: str) -> Mapping[str, Any] | None:
    if not resource_type.startswith("AWS::"):
        return None
    schema: Mapping[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_REGION, resource_type).schema
    return schema


@cache
def operation(resource_type: str) -> StructureShape | None:
    """Return the input of the operation whose names overlap most with a type's properties; None if none fits."""
    schema = _schema(resource_type)
    session = botocore.session.get_session()
    names = {norm(service): service for service in session.get_available_services()} | _SERVICES
    service = names.get(norm(resource_type.split("::")[1]))
    if schema is None or service is None:
        return None
    properties, noun = {norm(name) for name in schema["properties"]}, norm(resource_type.split("::")[2])
    model = session.get_service_model(service)
    best: tuple[float, StructureShape | None] = (0.0, None)
    for name in filter(_WRITES.match, model.operation_names):
        shape = model.operation_model(name).input_shape
        if isinstance(shape, StructureShape):
            members = {norm(member) for member in shape.members}
            common = len(members & properties)
            score = common / (len(members) + len(properties)) + (noun in norm(name))
            if common >= _LEAST_OVERLAP and score > best[0]:
                best = (score, shape)
    return best[1]


def norm(name: str) -> str:
    """Return a name by which a property of CloudFormation and a member of an API are compared."""
    return re.sub("[^a-z0-9]", "", name.lower())


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema


def _of_schema(
    value: Tree, schema: Mapping[str, Any], root: Mapping[str, Any], path: Path_
) -> Iterator[tuple[Path_, Any, Mapping[str, Any]]]:
    """Yield path, value and schema of each literal scalar."""
    schema = _resolve(schema, root)
    if is_intrinsic(value):
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in schema.get("properties", {}):
                yield from _of_schema(item, schema["properties"][key], root, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _of_schema(item, schema.get("items", {}), root, (*path, index))
    else:
        yield path, value, schema


def _required_of_schema(
    value: Tree, schema: Mapping[str, Any], root: Mapping[str, Any], path: Path_
) -> Iterator[Path_]:
    schema = _resolve(schema, root)
    if isinstance(value, Mapping) and not is_intrinsic(value):
        for key, item in value.items():
            if key in schema.get("required", []):
                yield (*path, key)
            yield from _required_of_schema(item, schema.get("properties", {}).get(key, {}), root, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _required_of_schema(item, schema.get("items", {}), root, (*path, index))


def _of_shape(value: Tree, shape: Shape, path: Path_) -> Iterator[tuple[Path_, Any, Shape]]:
    """Yield path, value and shape of each literal scalar whose form is the API's."""
    if is_intrinsic(value):
        return
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        members = {norm(name): member for name, member in shape.members.items()}
        for key, item in value.items():
            if norm(key) in members:
                yield from _of_shape(item, members[norm(key)], (*path, key))
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _of_shape(item, shape.member, (*path, index))
    elif (isinstance(value, str) and shape.type_name == "string") or (
        isinstance(value, int) and shape.type_name in {"integer", "long", "float", "double"}
    ):
        yield path, value, shape


def _required_of_shape(value: Tree, shape: Shape, path: Path_) -> Iterator[Path_]:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping) and not is_intrinsic(value):
        members = {norm(name): (name, member) for name, member in shape.members.items()}
        for key, item in value.items():
            name, member = members.get(norm(key), ("", shape))
            if name:
                if name in shape.required_members:
                    yield (*path, key)
                yield from _required_of_shape(item, member, (*path, key))
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _required_of_shape(item, shape.member, (*path, index))


Limits = tuple[Any, Any, str, list[Any], bool]
"""Least, most, pattern, enum, and whether least and most are of a length."""


def _limits_of_schema(schema: Mapping[str, Any]) -> Limits:
    text = "minLength" in schema or "maxLength" in schema
    least, most = (
        (schema.get("minLength"), schema.get("maxLength")) if text else (schema.get("minimum"), schema.get("maximum"))
    )
    return least, most, str(schema.get("pattern", "")), list(schema.get("enum", [])), text


def _limits_of_shape(shape: Shape) -> Limits:
    enum = list(shape.enum) if isinstance(shape, StringShape) else []
    metadata = shape.metadata
    pattern = "" if enum else str(metadata.get("pattern", ""))
    return metadata.get("min"), metadata.get("max"), pattern, enum, shape.type_name == "string"


def _bad(value: Tree, limits: Limits) -> Iterator[object]:
    """Yield values like a literal one that its limits refuse."""
    least, most, pattern, enum, text = limits
    if isinstance(value, bool):
        return
    if enum and isinstance(value, str):
        yield f"{value}X"
        return
    if enum and isinstance(value, int):
        yield max(enum) + 1
        return
    if isinstance(value, str) and text:
        if most is not None and most < 100_000:
            yield (value or "a") * (most // len(value or "a") + 1)
        if least:
            yield ""
    elif isinstance(value, (int, float)) and not text:
        if most is not None and abs(most) < 2**31 - 1:
            yield most + 1
        if least is not None and abs(least) < 2**31 - 1:
            yield least - 1
    if isinstance(value, str) and pattern:
        yield from _unmatched(value, pattern)


def _unmatched(value: str, pattern: str) -> Iterator[str]:
    matcher = _matcher(pattern)
    if matcher is not None and matcher.search(value):
        bad = next(
            (
                text
                for text in (f"{value} !", f"\u00fc{value}", f"{value}\u0007")
                if not matcher.fullmatch(text) and not matcher.search(text)
            ),
            None,
        )
        if bad is not None:
            yield bad


@cache
def _matcher(pattern: str) -> re.Pattern[str] | None:
    """Return a pattern, or None where Python cannot read it: no mutant is drawn from it then."""
    try:
        return re.compile(pattern)
    except re.error:
        return None
