"""Questions to a synthesised template: its resources, and what its roles may do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the resources of one type."""
    return [resource for resource in template["Resources"].values() if resource["Type"] == kind]


def trust_statements(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield who may assume the roles of a template."""
    for role in of_type(template, "AWS::IAM::Role"):
        yield from role["Properties"]["AssumeRolePolicyDocument"]["Statement"]


def statements_of(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what the roles of a template may do."""
    for role in of_type(template, "AWS::IAM::Role"):
        for policy in role["Properties"].get("Policies", ()):
            yield from policy["PolicyDocument"]["Statement"]
    for policy in of_type(template, "AWS::IAM::Policy"):
        yield from policy["Properties"]["PolicyDocument"]["Statement"]


def inline_statements(template: dict[str, Any], role: str) -> dict[str, dict[str, Any]]:
    """Return the statements of one role by their ids.

    Args:
        template: The template.
        role: Beginning of its logical id.
    """
    (found,) = [
        resource
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role" and name.startswith(role)
    ]
    statements = [
        statement for policy in found["Properties"]["Policies"] for statement in policy["PolicyDocument"]["Statement"]
    ]
    return {statement["Sid"]: statement for statement in statements}
