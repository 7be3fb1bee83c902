"""What a public signature names is public, and a construct refuses before it exists, so that its id stays free."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from constructs import Construct

import cdk_sglang
from cdk_sglang import InferenceRoute, RouteDestination
from tests.serving.conftest import MakeComponent
from tests.serving.test_arguments import MEMBERS, NOT_FOR_CALLERS

BETWEEN_PARTS = {
    "AgentSources": "what packs an agent's code",
    "ClassicMetric": "what dashboards and alarms draw",
    "ComponentRequest": "what the plan takes",
    "KnownModel": "what the planner knows of a model",
    "Model": "what ModelSource.from_... makes",
    "Problem": "lines of a ConfigurationError, which are texts",
    "Speculation": "what the plan works out",
    "SageMakerArns": "ARNs of an account and Region",
}
"""Types that public classes hand to each other, and no author makes or reads."""


@cache
def _imports(module: str) -> dict[str, str]:
    """Home of every name that a module imports of the library, imports for type checkers included."""
    tree = ast.parse(Path(inspect.getfile(importlib.import_module(module))).read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("cdk_sglang")
        for alias in node.names
    }


def _classes(annotation: Any, module: str) -> Iterator[str]:
    """Names of the library's classes in an annotation, which is a text."""
    for name in re.findall(r"[A-Za-z_]\w*", annotation if isinstance(annotation, str) else ""):
        home = importlib.import_module(_imports(module).get(name, module))
        found = getattr(home, name, None)
        if isinstance(found, type) and found.__module__.startswith("cdk_sglang"):
            yield name


def _functions(cls: type) -> Iterator[tuple[str, Any]]:
    for owner in cls.__mro__:
        if not owner.__module__.startswith("cdk_sglang"):
            continue
        for name, member in list(vars(owner).items()):
            value = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            made_elsewhere = name == "__init__" and cls.__name__ in NOT_FOR_CALLERS
            if inspect.isfunction(value) and (name == "__init__" or name[0] != "_") and not made_elsewhere:
                yield name, inspect.unwrap(value)


def test_every_type_in_a_public_signature_is_public() -> None:
    missing = {
        f"{found} of {name}.{member}"
        for name in cdk_sglang.__all__
        if isinstance(cls := getattr(cdk_sglang, name), type)
        for member, function in _functions(cls)
        if member not in MEMBERS
        for annotation in function.__annotations__.values()
        for found in _classes(annotation, function.__module__)
        if found not in cdk_sglang.__all__ and found not in BETWEEN_PARTS and not found.startswith("_")
    }
    assert missing == set()


def test_no_public_attribute_of_a_construct_is_a_cloudformation_resource() -> None:
    """Its own resource is `node.default_child`, as with CDK's constructs; names and ARNs are attributes."""
    found = {
        f"{name}.{target.attr}: {ast.unparse(node.annotation)}"
        for name in cdk_sglang.__all__
        if isinstance(cls := getattr(cdk_sglang, name), type) and issubclass(cls, Construct)
        for owner in cls.__mro__
        if owner.__module__.startswith("cdk_sglang")
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(owner))))
        if isinstance(node, ast.AnnAssign) and isinstance(target := node.target, ast.Attribute)
        if not target.attr.startswith("_") and "Cfn" in ast.unparse(node.annotation)
    }
    assert found == set()


def test_the_attributes_of_what_serves_are_no_cloudformation_resources(any_component: MakeComponent) -> None:
    component = any_component()
    route = InferenceRoute(
        component.endpoint,
        "Route",
        parameter_name="/a/route",
        destinations=[RouteDestination(endpoint_name=name, component_name=f"{name}-llama") for name in ("one", "two")],
    )
    for construct in (component, component.endpoint, route):
        found = [
            name
            for name, value in vars(construct).items()
            if not name.startswith("_")
            and any(isinstance(one, cdk.CfnElement) for one in (value if isinstance(value, list) else [value]))
        ]
        assert found == [], type(construct)
        assert isinstance(construct.node.default_child, cdk.CfnResource)


def test_no_construct_exists_before_what_is_wrong_with_it_is_said() -> None:
    late = [
        f"{path.name}:{node.lineno}"
        for path in Path(cdk_sglang.__file__).parent.rglob("*.py")
        if "_runtime" not in path.parts
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
        for creation_line in [_made_at(function)]
        if creation_line is not None
        for node in ast.walk(function)
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and ast.unparse(node.func) == "raise_if_any")
        if node.lineno > creation_line
    ]
    assert late == []


def _made_at(function: ast.FunctionDef) -> int | None:
    """Line at which a constructor creates what it inherits from; None if it does not."""
    lines = [
        node.lineno
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__"
    ]
    return min(lines, default=None)
