"""No file takes part in an import circle, imports for type checkers and imports inside functions included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

Graph = dict[str, set[str]]
"""Files that each file imports; both are paths relative to the source root."""

PACKAGES = [
    (".", "localcloud"),
    (".", "tools"),
    (".", "benchmarks"),
    ("container", "cdk_sglang_container"),
    ("constructs", "cdk_sglang"),
    (".", "stacks"),
]
"""Source root, and the folder below it whose files are looked at."""


def import_graph(root: Path, folder: str) -> Graph:
    """Return the imports between the Python files of a folder.

    An import counts for the file it names: `from a import b` for `a/b.py`, or for `a/__init__.py` if there is no such file. The packages
    above that file, which Python runs too, do not count: a package may export names of its own modules.
    """
    files = {path.relative_to(root).as_posix() for path in (root / folder).rglob("*.py")}
    return {name: set(_imported(root, name, files)) for name in sorted(files)}


def _imported(root: Path, name: str, files: set[str]) -> Iterator[str]:
    folder = name.rpartition("/")[0]
    for node in ast.walk(ast.parse((root / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = folder.split("/")[: len(folder.split("/")) - node.level + 1] if node.level else []
            module = [*above, *(node.module.split(".") if node.module else [])]
            modules = [[*module, alias.name] for alias in node.names]
        else:
            continue
        for parts in modules:
            yield from _file_of(parts, folder, files)


def _file_of(parts: list[str], folder: str, files: set[str]) -> Iterator[str]:
    """File of a module, or of the module that holds the name; a script also finds its neighbours."""
    for path in ("/".join(parts), "/".join(parts[:-1])):
        candidates = [f"{start}{path}{end}" for start in ("", f"{folder}/") for end in (".py", "/__init__.py")]
        if found := [candidate for candidate in candidates if path and candidate in files]:
            yield found[0]
            return


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of files each of which imports, directly or not, every file of its group."""
    reached = {name: _reached(graph, name) for name in graph}
    groups = {
        tuple(sorted(other for other in targets if name in reached[other]))
        for name, targets in reached.items()
        if name in targets
    }
    return [list(group) for group in sorted(groups)]


def _reached(graph: Graph, start: str) -> set[str]:
    reached: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += graph.get(name, set())
    return reached


@pytest.mark.parametrize(("source_root", "folder"), PACKAGES)
def test_no_file_takes_part_in_an_import_circle(root: Path, source_root: str, folder: str) -> None:
    graph = import_graph(root / source_root, folder)
    assert graph, "no files were found to look at"
    found = circles(graph)
    assert found == [], "\n".join(f"circle: {', '.join(group)}" for group in found)


@pytest.mark.parametrize(("source_root", "folder"), PACKAGES)
def test_imports_of_the_packages_are_seen(root: Path, source_root: str, folder: str) -> None:
    assert any(import_graph(root / source_root, folder).values()), "a graph without a line has no circle either"


PLANTED = {
    "at the top": "from shop.orders import price",
    "of the module": "import shop.orders",
    "from the package": "from shop import orders",
    "for type checkers": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop.orders import Order",
    "inside a function": "def late():\n    from shop import orders\n    return orders",
    "relative": "from . import orders",
    "relative to a parent": "from ..shop.orders import Order",
    "by a third file": "from shop.carts import Cart",
}


@pytest.mark.parametrize("back", PLANTED.values(), ids=PLANTED)
def test_planted_circle_is_found(tmp_path: Path, back: str) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("from shop.orders import Order\n")
    (shop / "orders.py").write_text("import json\nfrom shop.stock import left\n")
    (shop / "stock.py").write_text(f"{back}\n")
    (shop / "carts.py").write_text("import shop.orders\n")
    (group,) = circles(import_graph(tmp_path, "shop"))
    assert {"shop/orders.py", "shop/stock.py"} <= set(group)
    assert ("shop/carts.py" in group) == ("carts" in back)


def test_files_without_a_circle_have_none(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("from shop.orders import Order\n")
    (shop / "orders.py").write_text("from shop.stock import left\n")
    (shop / "stock.py").write_text("import json\n")
    graph = import_graph(tmp_path, "shop")
    assert graph == {
        "shop/__init__.py": {"shop/orders.py"},
        "shop/orders.py": {"shop/stock.py"},
        "shop/stock.py": set(),
    }
    assert circles(graph) == []


def test_file_that_imports_itself_is_a_circle_of_one() -> None:
    assert circles({"a.py": {"a.py"}, "b.py": {"a.py"}}) == [["a.py"]]


def test_two_circles_are_two_groups() -> None:
    graph = {"a.py": {"b.py"}, "b.py": {"a.py", "c.py"}, "c.py": {"d.py"}, "d.py": {"c.py"}}
    assert circles(graph) == [["a.py", "b.py"], ["c.py", "d.py"]]
