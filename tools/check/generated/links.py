"""Faults between resources: references, order, trust, permissions, places.

What is no fault is left out by rule: an order that other references imply, an action that another statement allows on the same resources or that
no code names, a role that nothing in the template uses, a Region or an account in a text for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from botocore import xform_name

from tools.check.generated.model import Candidate, Mutable, Source, of_types, parent, removal, setting
from tools.check.graph import Path_, Reference, Tree, is_intrinsic, leaves, listed, reference, references

REFERENCE: Final = "reference to another type"
ORDER: Final = "DependsOn removed"
TRUST: Final = "trust of a role changed"
PERMISSION: Final = "action removed from a role"
PLACE: Final = "another Region or account"

_ROLE: Final = "AWS::IAM::Role"
_POLICY: Final = "AWS::IAM::Policy"
_OTHER_REGION: Final = "eu-central-1"
_OTHER_ACCOUNT: Final = "999988887777"
_PRINCIPALS: Final = (
    "ec2.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "lambda.amazonaws.com",
    "sagemaker.amazonaws.com",
    "states.amazonaws.com",
)
_BY_CODE: Final = (
    "application-autoscaling",
    "cloudformation",
    "dynamodb",
    "sagemaker",
    "servicequotas",
    "sns",
    "states",
)
"""Prefixes of services whose actions are the operations that a function's own code calls."""

_TEXTS: Final = re.compile(r"Description$|^Tags$|^DashboardBody$|^Metadata$")


def swapped(source: Source) -> Iterator[Candidate]:
    """Yield whole references that become those to a resource of another type, of the same form: ARN, identifier or name."""
    graph, parameters = source.graph, source.environment.parameters
    used = sorted(
        {
            found
            for resource in source.template["Resources"].values()
            for _, value in leaves(resource.get("Properties", {}))
            if (found := reference(value))
        },
        key=lambda found: (found.target, found.attribute),
    )
    kinds = {found: graph.kind(found, parameters) for found in used}
    for name, resource in source.template["Resources"].items():
        for path, value in leaves(resource.get("Properties", {})):
            found = reference(value)
            if found is None or found.target.startswith("AWS::") or path[0] == "Tags":
                continue
            other_kinds: set[str] = set()
            for other in used:
                kind = kinds[other]
                if kind in other_kinds or other.target in {name, found.target} or other.target.startswith("AWS::"):
                    continue
                if kind.partition(".")[0] != kinds[found].partition(".")[0] and _form(kind) == _form(kinds[found]):
                    other_kinds.add(kind)
                    yield setting(REFERENCE, source, name, ("Properties", *path), _written(other), f"refers to {kind}")


def unordered(source: Source) -> Iterator[Candidate]:
    """Yield the removal of each edge of `DependsOn` that nothing else implies."""
    graph = source.graph
    for name in source.template["Resources"]:
        needed = graph.depends_on(name)
        for one in needed:
            if one in source.template["Resources"] and not graph.comes_after(name, one, without=(name, one)):
                what = f"no longer after {source.template['Resources'][one]['Type']}"
                rest = [other for other in needed if other != one]
                yield (
                    setting(ORDER, source, name, ("DependsOn",), rest, what)
                    if rest
                    else removal(ORDER, source, name, ("DependsOn",), what)
                )


def distrusted(source: Source) -> Iterator[Candidate]:
    """Yield changes of the trust of each role that a resource of the template takes."""
    for name, role in of_types(source, _ROLE):
        users = _users(source, name)
        for index, statement in enumerate(role["Properties"]["AssumeRolePolicyDocument"]["Statement"]):
            path: Path_ = ("Properties", "AssumeRolePolicyDocument", "Statement", index)
            service = statement.get("Principal", {}).get("Service")
            if not users or not isinstance(service, str):
                continue
            for other in _PRINCIPALS:
                if other != service:
                    yield setting(
                        TRUST,
                        source,
                        name,
                        (*path, "Principal", "Service"),
                        other,
                        f"{service} becomes {other}, for {users}",
                    )
            yield setting(
                TRUST,
                source,
                name,
                (*path, "Principal"),
                {"AWS": "arn:aws:iam::111122223333:root"},
                f"an account's, for {users}",
            )
            yield setting(TRUST, source, name, (*path, "Action"), "sts:TagSession", f"sts:TagSession, for {users}")
            yield setting(TRUST, source, name, (*path, "Effect"), "Deny", f"denied, for {users}")
            account = statement.get("Condition", {}).get("StringEquals", {}).get("aws:SourceAccount")
            if isinstance(account, str):
                yield setting(
                    TRUST,
                    source,
                    name,
                    (*path, "Condition", "StringEquals", "aws:SourceAccount"),
                    _OTHER_ACCOUNT,
                    f"of another account, for {users}",
                )


def _users(source: Source, role: str) -> str:
    """Return the types of the resources that take or name a role, without its policies."""
    resources = source.template["Resources"]
    types = {resources[name]["Type"] for name in source.graph.users[role] - {role}} - {
        _POLICY,
        "AWS::Lambda::Permission",
    }
    return ", ".join(sorted(types))


def unallowed(source: Source) -> Iterator[Candidate]:
    """Yield the removal of each action that a role is allowed, where no other statement allows it on the same resources."""
    for name, resource in of_types(source, _POLICY, _ROLE):
        for path, role, statements in _documents(name, resource):
            if not _users(source, role):
                continue
            for index, statement in enumerate(statements):
                if statement.get("Effect") != "Allow":
                    continue
                actions = listed(statement["Action"])
                for action in actions:
                    if _called(action, role, source) and not _again(
                        action, statement, [one for one in statements if one is not statement]
                    ):
                        yield _without(source, name, (*path, index), action, _users(source, role))


def _without(source: Source, name: str, path: Path_, action: str, users: str) -> Candidate:
    what = f"without {action}, for {users}"
    statement = parent(source.template["Resources"][name], (*path, "Action"))
    rest = [one for one in listed(statement["Action"]) if one != action]
    return (
        setting(PERMISSION, source, name, (*path, "Action"), rest, what)
        if rest
        else removal(PERMISSION, source, name, path, what)
    )


def _documents(name: str, resource: Mutable) -> Iterator[tuple[Path_, str, list[Mutable]]]:
    properties = resource["Properties"]
    if resource["Type"] == _POLICY:
        role = next((found.target for found in references(properties["Roles"])), "")
        yield ("Properties", "PolicyDocument", "Statement"), role, properties["PolicyDocument"]["Statement"]
    for index, policy in enumerate(properties.get("Policies", []) if resource["Type"] == _ROLE else []):
        yield (
            ("Properties", "Policies", index, "PolicyDocument", "Statement"),
            name,
            policy["PolicyDocument"]["Statement"],
        )


def _called(action: str, role: str, source: Source) -> bool:
    """Return whether an action can be of use: an operation that the role's functions alone may call has its name somewhere in their source."""
    service, _, operation = action.partition(":")
    users = [
        resource
        for name in source.graph.users[role]
        if (resource := source.template["Resources"][name])
        and role in {found.target for found in references(resource.get("Properties", {}).get("Role"))}
    ]
    folder = source.environment.folder
    if service not in _BY_CODE or folder is None or not users or operation == "AddTags":
        return True
    files = {
        file
        for user in users
        for file in folder.glob(f"asset.{str(user['Properties']['Code'].get('S3Key')).removesuffix('.zip')}/**/*.py")
    }
    return not files or any(xform_name(operation) in _text(file) for file in files)


@cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _again(action: str, statement: Mutable, others: list[Mutable]) -> bool:
    resources = listed(statement["Resource"])
    return any(
        action in listed(other["Action"])
        and other.get("Effect") == "Allow"
        and ("*" in listed(other["Resource"]) or all(one in listed(other["Resource"]) for one in resources))
        for other in others
    )


def moved(source: Source) -> Iterator[Candidate]:
    """Yield texts in which the stack's Region or account becomes another one, texts for people left out."""
    region, account = source.environment.region, source.environment.account
    for name, resource in source.template["Resources"].items():
        for path, value in leaves(resource.get("Properties", {})):
            if any(_TEXTS.search(str(part)) for part in path):
                continue
            for old, new in ((region, _OTHER_REGION), (account, _OTHER_ACCOUNT)):
                changed = _replaced(value, old, new) if old else value
                if changed != value:
                    yield setting(PLACE, source, name, ("Properties", *path), changed, f"{old} becomes {new}")


def _replaced(value: Tree, old: str, new: str) -> Tree:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict) and is_intrinsic(value) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return {"Fn::Join": [separator, [part.replace(old, new) if isinstance(part, str) else part for part in parts]]}
    return value


def _form(kind: str) -> str:
    if kind.endswith("Arn") or kind in {
        "AWS::SNS::Topic",
        "AWS::StepFunctions::StateMachine",
        "AWS::SageMaker::Endpoint",
    }:
        return "ARN"
    return "identifier" if kind.startswith("AWS::EC2::") else "name"


def _written(found: Reference) -> Mutable:
    return {"Fn::GetAtt": [found.target, found.attribute]} if found.attribute else {"Ref": found.target}
