"""References between the resources of a template, and template errors that AWS refuses at once."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from typing import Any

from moto.cloudformation import models
from moto.cloudformation.exceptions import ValidationError

_SUB = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[^}]*)?\}")


def check(template: str) -> None:
    """Refuse a template without resources, or one with unresolved references.

    Raises:
        ValidationError: The template is refused.
    """
    body = models.Stack.parse_template(template)
    if not body.get("Resources"):
        raise ValidationError(message="Template format error: At least one Resources member must be defined.")
    known = {*body["Resources"], *body.get("Parameters", {}), *sub_variables(body["Resources"])}
    unknown = sorted(name for name in references(body["Resources"]) - known if "::" not in name)
    if unknown:
        message = (
            f"Template format error: Unresolved resource dependencies {unknown} in the Resources block of the template"
        )
        raise ValidationError(message=message)


def order(template: dict[str, Any]) -> list[str]:
    """Logical ids, dependencies first."""
    return list(TopologicalSorter(dependencies(template)).static_order())


def dependencies(template: dict[str, Any]) -> dict[str, set[str]]:
    """Logical ids of the resources that each resource waits for."""
    resources = template.get("Resources", {})
    graph = {}
    for name, body in resources.items():
        explicit = body.get("DependsOn", [])
        needs = {explicit} if isinstance(explicit, str) else set(explicit)
        graph[name] = {need for need in needs | references(body.get("Properties", {})) if need in resources}
    return graph


def references(node: Any) -> set[str]:
    """Logical ids that a part of a template refers to."""
    found: set[str] = set()
    if isinstance(node, list):
        for item in node:
            found |= references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref" and isinstance(value, str):
                found.add(value)
            elif key == "Fn::GetAtt":
                found.add(value.split(".")[0] if isinstance(value, str) else value[0])
            elif key == "Fn::Sub":
                found |= set(_SUB.findall(value if isinstance(value, str) else value[0]))
                found |= references(value)
            else:
                found |= references(value)
    return found


def sub_variables(node: Any) -> set[str]:
    """Variables that an Fn::Sub with two arguments defines for itself."""
    if isinstance(node, list):
        return set().union(*map(sub_variables, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    own = set(node["Fn::Sub"][1]) if isinstance(node.get("Fn::Sub"), list) else set()
    return own.union(*map(sub_variables, node.values())) if node else own
