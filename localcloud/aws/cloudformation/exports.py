"""Outputs of stacks, and those that other stacks import: as on AWS, imported ones can be neither changed nor removed.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html (read 2026-12)
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from moto.cloudformation import models, parsing
from moto.cloudformation.exceptions import ValidationError


def imported(node: Any, resources: Any) -> set[str]:
    """Names of the exports that a part of a template imports; the branch that an `Fn::If` does not take imports nothing.

    Args:
        node: The part.
        resources: moto's map of the stack's resources, with its parameters and conditions.
    """
    if isinstance(node, list):
        return set[str]().union(*(imported(one, resources) for one in node))
    if not isinstance(node, dict):
        return set()
    if "Fn::If" in node:
        condition, then, otherwise = node["Fn::If"]
        return imported(then if resources.lazy_condition_map[condition] else otherwise, resources)
    if "Fn::ImportValue" in node:
        return {str(parsing.clean_json(copy.deepcopy(node["Fn::ImportValue"]), resources))}
    return set[str]().union(*(imported(one, resources) for one in node.values()))


def importers(backend: Any, name: str) -> list[str]:
    """Names of the stacks that import an export of this account and Region."""
    return sorted(one.name for one in list(backend.stacks.values()) if name in _imports(one))


def refusal_of_removal(stack: Any) -> str:
    """Why a stack cannot be deleted, in AWS's words; empty if no other stack imports its outputs."""
    return next((f"Delete canceled. Cannot delete export {one}" for one in _in_use(stack, _own(stack))), "")


def publish(stack: Any, template: dict[str, Any]) -> None:
    """Resolve the outputs of a stack whose resources all exist, and export them.

    Args:
        stack: The stack.
        template: Its new template.

    Raises:
        ValidationError: Another stack imports what would change or be removed, or exports the same name.
    """
    resources, conditions = stack.resource_map, stack.resource_map.lazy_condition_map
    shown = {
        key: output
        for key, output in (template.get("Outputs") or {}).items()
        if "Condition" not in output or conditions[output["Condition"]]
    }
    outputs = parsing.OutputMap(resources, {**template, "Outputs": shown}, stack.stack_id)
    values = {key: output for key, output in outputs.items() if output}
    names = {
        key: str(parsing.clean_json(copy.deepcopy(shown[key]["Export"]["Name"]), resources))
        for key in values
        if shown[key].get("Export")
    }
    exports = {name: parsing.Export(stack.stack_id, name, values[key].value) for key, name in names.items()}
    _refuse(stack, exports)
    stack.output_map = outputs
    stack.resolved_outputs = [
        {
            "OutputKey": key,
            "OutputValue": str(output.value),
            "Description": output.description,
            "ExportName": names.get(key),
        }
        for key, output in values.items()
    ]
    stack.imported_by_outputs = imported([output.get("Value") for output in shown.values()], resources)
    registry = _backend(stack).exports
    for name in _own(stack):
        del registry[name]
    registry.update(exports)
    stack.cross_stack_resources = registry


def _refuse(stack: Any, exports: dict[str, parsing.Export]) -> None:
    before = _own(stack)
    for name in exports:
        other = _backend(stack).exports.get(name)
        if other is not None and name not in before:
            owner = _backend(stack).stacks[other.exporting_stack_id].name
            raise ValidationError(message=f"Export with name {name} is already exported by stack {owner}.")
    for used in _in_use(stack, before.keys() - exports.keys()):
        raise ValidationError(message=f"Cannot delete export {used}")
    for used in _in_use(
        stack, {name for name in before.keys() & exports.keys() if before[name].value != exports[name].value}
    ):
        raise ValidationError(message=f"Cannot update export {used}")


def _in_use(stack: Any, names: Iterable[str]) -> list[str]:
    """Of these exports, those that stacks import, each with the end of AWS's sentence."""
    used = {name: importers(_backend(stack), name) for name in sorted(names)}
    return [f"{name} as it is in use by {_listed(by)}." for name, by in used.items() if by]


def _listed(names: list[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _own(stack: Any) -> dict[str, parsing.Export]:
    exports = _backend(stack).exports
    return {name: export for name, export in list(exports.items()) if export.exporting_stack_id == stack.stack_id}


def _imports(stack: Any) -> set[str]:
    """Exports that a stack currently imports, in its resources and outputs."""
    resources = list(stack.__dict__.get("applied", {}).values())
    by_outputs: set[str] = stack.__dict__.get("imported_by_outputs", set())
    return by_outputs.union(*(state["Imports"] for state in resources))


def _backend(stack: Any) -> Any:
    return models.cloudformation_backends[stack.account_id][stack.region_name]
