"""The request bodies that SGLang takes, by path, from the OpenAPI document of its own application.

    python -m tools.requests.schema 127.0.0.1:8080    # a running copy's; `make local` starts one

writes `sglang.json` beside this file; a test compares it with the engine's.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any, Final

SCHEMA_FILE: Final = Path(__file__).with_name("sglang.json")

Schema = dict[str, Any]

OPERATORS: Final = (
    "abort_request",
    "add_external_corpus",
    "begin_weight_update",
    "configure_logging",
    "continue_generation",
    "destroy_weights_update_group",
    "end_weight_update",
    "get_weights_by_name",
    "hicache/",
    "init_weights_",
    "load_lora_adapter",
    "pause_generation",
    "pd_role_switch",
    "release_memory_occupation",
    "remove_external_corpus",
    "resume_memory_occupation",
    "send_weights_",
    "set_internal_state",
    "slow_down",
    "start_profile",
    "unload_lora_adapter",
    "update_weight",
    "weights_checker",
)
"""Beginnings of paths that stop, replace or slow down an engine on purpose. SageMaker lets no caller reach them."""

_KEPT: Final = frozenset({"$ref", "anyOf", "oneOf", "allOf", "type", "items", "enum", "const", "required"})


def caller_bodies(document: Schema) -> Schema:
    """Return the schemas of JSON bodies that are for callers, and those they refer to.

    Args:
        document: OpenAPI document of SGLang's application.

    Returns:
        `paths`, the name of each path's schema, and `schemas` by name, without texts and defaults.
    """
    paths = {}
    for path, operations in document["paths"].items():
        name = _body(operations.get("post", {}))
        if name is not None and not path.lstrip("/").startswith(OPERATORS):
            paths[path] = name
    schemas: Schema = {}
    waiting = sorted(set(paths.values()))
    while waiting:
        name = waiting.pop()
        if name not in schemas:
            schemas[name] = _pruned(document["components"]["schemas"][name])
            waiting += sorted(_references(schemas[name]))
    return {"paths": dict(sorted(paths.items())), "schemas": dict(sorted(schemas.items()))}


@cache
def known_bodies() -> Schema:
    """Return what `caller_bodies` returned for the pinned SGLang."""
    content: Schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return content


def fields_of(bodies: Schema) -> frozenset[str]:
    """Return the names of the fields of all bodies, without those of the objects in them."""
    return frozenset(
        field for name in bodies["paths"].values() for field in bodies["schemas"][name].get("properties", {})
    )


def _body(operation: Schema) -> str | None:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    reference = schema.get("$ref")
    return None if reference is None else _last(reference)


def _last(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]


def _pruned(schema: Schema) -> Schema:
    kept = {key: _part(key, value) for key, value in schema.items() if key in _KEPT}
    if "properties" in schema:
        kept["properties"] = {name: _pruned(part) for name, part in sorted(schema["properties"].items())}
    if isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = _pruned(schema["additionalProperties"])
    return kept


def _part(key: str, value: Any) -> Any:
    if key == "$ref":
        return _last(value)
    if isinstance(value, dict):
        return _pruned(value)
    return [_pruned(part) if isinstance(part, dict) else part for part in value] if isinstance(value, list) else value


def _references(schema: object) -> set[str]:
    if isinstance(schema, list):
        return {name for part in schema for name in _references(part)}
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
    return own | {name for part in schema.values() for name in _references(part)}


def write(bodies: Schema) -> None:
    """Write `sglang.json`, a line for each schema."""
    lines = [f" {json.dumps(name)}: {json.dumps(schema, sort_keys=True)}" for name, schema in bodies["schemas"].items()]
    text = f'{{"paths": {json.dumps(bodies["paths"], indent=1)},\n"schemas": {{\n' + ",\n".join(lines) + "\n}}\n"
    SCHEMA_FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with urllib.request.urlopen(f"http://{sys.argv[1]}/openapi.json") as response:
        write(caller_bodies(json.load(response)))
