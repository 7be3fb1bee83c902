"""Policies of a template, evaluated as IAM does (moto's engine)."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template
from moto.iam.access_control import IAMPolicy, PermissionResult


def plain(value: Any) -> Any:
    """Put a template's references into words, so that ARNs are texts."""
    if isinstance(value, dict):
        if "Fn::Join" in value:
            return value["Fn::Join"][0].join(map(str, map(plain, value["Fn::Join"][1])))
        if set(value) == {"Ref"}:
            return {"AWS::Partition": "aws"}.get(value["Ref"], value["Ref"])
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def policies_of(template: Template) -> dict[str, dict[str, Any]]:
    """Return every policy of a template's roles as if each were an `AWS::IAM::Policy`; one in a role by the role's logical id and its own name."""
    found = {**template.find_resources("AWS::IAM::Policy"), **template.find_resources("AWS::IAM::ManagedPolicy")}
    for name, role in template.find_resources("AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", ()):
            found[f"{name}/{policy['PolicyName']}"] = {"Properties": {**policy, "Roles": [{"Ref": name}]}}
    return found


def documents(template: Template, role: str) -> list[dict[str, Any]]:
    """Return the policy documents of a role, inline and managed, by a part of its logical id."""
    return [
        plain(policy["Properties"]["PolicyDocument"])
        for policy in policies_of(template).values()
        if role in json.dumps(policy["Properties"]["Roles"])
    ]


class Rights:
    """What a role of a stack may do, conditions left aside."""

    def __init__(self, stack: cdk.Stack, role: str | iam.IRole) -> None:
        part = role if isinstance(role, str) else str(stack.resolve(role.role_name)["Ref"])
        found = documents(Template.from_stack(stack), part)
        assert found
        self._policies = [IAMPolicy(json.dumps(document)) for document in found]

    def permits(self, action: str, arn: str) -> bool:
        """Say whether a policy of the role permits an action on a resource."""
        return any(policy.is_action_permitted(action, arn) == PermissionResult.PERMITTED for policy in self._policies)
