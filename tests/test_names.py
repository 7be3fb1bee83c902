"""Names of the code and its tests: a variable, an argument or a field says what it is, which takes a noun."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.folders import CODE

PARTICIPLES: Final = frozenset({"asked", "given", "made", "said", "seen", "told", "wanted"})
"""Participles that name anything, and so say nothing of what they name."""


def _bound(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
            return name
        case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
            return name
        case ast.MatchMapping(rest=name) | ast.alias(asname=name):
            return name
    return None


def _participles(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if (name := _bound(node)) in PARTICIPLES and name is not None:
            yield getattr(node, "lineno", 0), name


@pytest.mark.parametrize(
    "source",
    [
        "made = 1",
        "made: int = 1",
        "made += 1",
        "*made, last = range(3)",
        "for made in (): pass",
        "print([made for made in ()])",
        "print(made := 1)",
        "with open('x') as made: pass",
        "import os as made",
        "def f(made): ...",
        "def f(*, made=1): ...",
        "def f(*made): ...",
        "def f(**made): ...",
        "print(lambda made: 1)",
        "class Thing:\n    made: int",
        "self.made = 1",
        "try: pass\nexcept OSError as made: pass",
        "match x:\n    case [int() as made]: pass",
        "match x:\n    case [*made]: pass",
        "match x:\n    case {**made}: pass",
    ],
)
def test_a_participle_is_found_wherever_a_name_is_bound(source: str) -> None:
    assert [name for _, name in _participles(source)] == ["made"]


@pytest.mark.parametrize(
    "source",
    [
        "from hypothesis import given",
        "print(thing.made, event['asked'])",
        "print(call(given=1))",
        "def made(): ...",
        "made_of = seen_name = 1",
    ],
)
def test_what_others_name_and_longer_names_are_left_alone(source: str) -> None:
    assert list(_participles(source)) == []


def test_variables_arguments_and_fields_are_nouns(root: Path) -> None:
    paths = [path for folder in CODE for path in sorted((root / folder).rglob("*.py"))]
    assert len(paths) > 500
    found = [
        f"{path.relative_to(root)}:{line}: {name}"
        for path in (root / "app.py", *paths)
        for line, name in _participles(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(["name these by what they are, such as request, message, resource or target:", *found])
