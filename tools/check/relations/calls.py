"""The actions of IAM that a function's code needs, read from its source: each call of a client of AWS is an operation of a service."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore import xform_name

_PREFIXES: Final[Mapping[str, str]] = {
    "sagemaker-runtime": "sagemaker",
    "service-quotas": "servicequotas",
    "stepfunctions": "states",
}
"""Prefixes of IAM where a service's name in boto3 is another one: the Service Authorization Reference (read 2026-11)."""

_ACTIONS: Final[Mapping[str, str]] = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:CopyObject": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListParts": "s3:ListMultipartUploadParts",
    "s3:UploadPart": "s3:PutObject",
    "s3:UploadPartCopy": "s3:PutObject",
}
"""Actions whose names are not those of the operations: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
(read 2026-11)."""


OPTIONAL: Final[Mapping[str, Mapping[str, str]]] = {
    "speculative": {"lambda:InvokeFunction": "the filter of captured data, where the settings name one"},
}
"""Actions that code needs under a setting alone, which the policy follows, by the package of the code."""

OF_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "verification": {"application-autoscaling:DescribeScalableTargets": "AWS::ApplicationAutoScaling::ScalableTarget"},
}
"""Actions that code needs where the template has resources of a type, which the policy follows, by the package of the code."""


def calls(
    function: Mapping[str, Any], assembly: Path | None, *, types: Collection[str] | None = None
) -> list[frozenset[str]]:
    """Return the actions that a function's code needs; where a call is of one of several services, its actions in each.

    Args:
        function: Properties of the function.
        assembly: Cloud assembly with its asset; nothing is known without it, nor of code that is not Python.
        types: Types of the template's resources. Default: unknown, so that actions which need one are left out.
    """
    package = str(function.get("Handler", "")).partition(".")[0]
    optional = {*OPTIONAL.get(package, {})}
    optional |= {action for action, of in OF_TYPES.get(package, {}).items() if types is None or of not in types}
    return [choice for choice in _needed(function, assembly) or () if not choice & optional]


def called(function: Mapping[str, Any], assembly: Path | None) -> frozenset[str] | None:
    """Return every action that a function's code may call, under any setting.

    Args:
        function: Properties of the function.
        assembly: Cloud assembly with its asset.

    Returns:
        The actions; None if nothing is known of the code, since it is not in the assembly or not Python.
    """
    needed = _needed(function, assembly)
    return None if needed is None else frozenset().union(*needed)


def _needed(function: Mapping[str, Any], assembly: Path | None) -> tuple[frozenset[str], ...] | None:
    key, handler = function.get("Code", {}).get("S3Key"), function.get("Handler")
    if assembly is None or not isinstance(key, str) or not isinstance(handler, str):
        return None
    module, _, entry = handler.rpartition(".")
    package = assembly / f"asset.{key.removesuffix('.zip')}" / module.partition(".")[0]
    return _of_package(package, module.rpartition(".")[2], entry) if package.is_dir() else None


@cache
def _of_package(folder: Path, module: str, entry: str) -> tuple[frozenset[str], ...]:
    modules = _modules(folder)
    services = {service for one in modules.values() for service in one.services}
    todo, definitions = [(module, entry)], {(module, entry)}
    operations: set[str] = set()
    while todo:
        place, name = todo.pop()
        attributes, names = _of_definition(folder, place, name)
        operations |= attributes
        todo += names - definitions
        definitions |= names
        if not todo:  # methods that something calls, of the classes that something names
            todo = [
                (where, f"{owner}.{method}")
                for where, owner in sorted(definitions)
                for method in modules[where].methods.get(owner, ())
                if (method in operations or method.startswith("__")) and (where, f"{owner}.{method}") not in definitions
            ]
            definitions |= set(todo)
    found = (frozenset(_actions(name, services)) for name in sorted(operations))
    return tuple(dict.fromkeys(choice for choice in found if choice))


@cache
def _modules(folder: Path) -> Mapping[str, _Module]:
    return {file.stem: _Module(ast.parse(file.read_text(encoding="utf-8"))) for file in sorted(folder.glob("*.py"))}


@cache
def _of_definition(folder: Path, place: str, name: str) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """Return the attributes and the package's other definitions that a definition names."""
    modules = _modules(folder)
    nodes = modules[place].definitions.get(name, ())
    return (
        frozenset(one for node in nodes for one in _attributes(node)),
        frozenset(one for node in nodes for one in _names(node, place, modules)),
    )


class _Module:
    """Definitions and imports of one file."""

    def __init__(self, tree: ast.Module) -> None:
        self.definitions: dict[str, list[ast.AST]] = {}
        self.methods: dict[str, list[str]] = {}
        self.modules: dict[str, str] = {}
        self.imported: dict[str, tuple[str, str]] = {}
        self.services = {
            str(node.args[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"client", "resource"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        }
        for node in tree.body:
            match node:
                case ast.FunctionDef(name=name):
                    self.definitions.setdefault(name, []).append(node)
                case ast.ClassDef(name=name, body=body):
                    for part in body:
                        own = f"{name}.{part.name}" if isinstance(part, ast.FunctionDef) else name
                        self.definitions.setdefault(own, []).append(part)
                    self.definitions.setdefault(name, []).extend([*node.bases, *node.decorator_list])
                    self.methods[name] = [part.name for part in body if isinstance(part, ast.FunctionDef)]
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    self.definitions.setdefault(name, []).append(node)
                case ast.ImportFrom(module=None, names=names):
                    self.modules |= {alias.asname or alias.name: alias.name for alias in names}
                case ast.ImportFrom(module=str() as source, names=names):
                    self.imported |= {alias.asname or alias.name: (source, alias.name) for alias in names}


def _attributes(node: ast.AST) -> set[str]:
    """Return the names of attributes, and the texts given to `get_paginator`."""
    found = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
    texts = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == "get_paginator":
            # a name that is computed is one of the definition's texts
            found |= {str(one.args[0].value)} if isinstance(one.args[0], ast.Constant) else texts
    return found


def _names(node: ast.AST, place: str, modules: Mapping[str, _Module]) -> Iterator[tuple[str, str]]:
    """Yield module and name of the package's definitions that a node names."""
    own = modules[place]
    local = {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
    for one in ast.walk(node):
        match one:
            case ast.Name(id=name) if name in own.definitions and name not in local:
                yield place, name
            case ast.Name(id=name) if name in own.imported and own.imported[name][0] in modules:
                yield own.imported[name]
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if own.modules.get(name) in modules:
                yield own.modules[name], attribute


def _actions(name: str, services: set[str]) -> Iterator[str]:
    for service in services:
        operation = _operations(service).get(name)
        if operation is not None:
            yield _ACTIONS.get(f"{service}:{operation}", f"{_PREFIXES.get(service, service)}:{operation}")


@cache
def _operations(service: str) -> Mapping[str, str]:
    """Return the operations of a service by the names of a client's methods."""
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return {}
    names = session.get_service_model(service).operation_names
    return {xform_name(name): name for name in names}
