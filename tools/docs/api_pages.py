"""The API reference: its pages, and their contents for mkdocstrings."""

from __future__ import annotations

from typing import Any

from tools.docs.public import PACKAGE, SUBPACKAGES, first_sentence, is_construct, public_names
from tools.docs.tables import cell, code, table


def api_nav() -> list[str | dict[str, Any]]:
    """Return the navigation of the API: its index, then constructs, values and packages."""
    names = public_names()
    groups = {
        "Constructs": [name for name in names if is_construct(name)],
        "Values and errors": [name for name in names if not is_construct(name)],
    }
    nav: list[str | dict[str, Any]] = ["api/index.md"]
    nav += [{title: [{name: f"api/{name}.md"} for name in members]} for title, members in groups.items()]
    nav.append({"Packages": [{f"{PACKAGE}.{package}": f"api/{package}.md"} for package in SUBPACKAGES]})
    return nav


def api_pages() -> dict[str, str]:
    """Return a page for each public name, a page for each package below the library, and their index."""
    pages = {f"api/{name}.md": f"::: {PACKAGE}.{name}\n" for name in public_names()}
    for package in SUBPACKAGES:
        members = "\n".join(
            f"::: {PACKAGE}.{package}.{name}\n    options:\n      heading_level: 2\n" for name in public_names(package)
        )
        pages[f"api/{package}.md"] = f"# {PACKAGE}.{package}\n\n{cell(first_sentence(package))}\n\n{members}"
    pages["api/index.md"] = _api_index()
    return pages


def _api_index() -> str:
    def rows(names: list[str]) -> list[list[str]]:
        return [[f"[{code(name)}]({name}.md)", cell(first_sentence(name))] for name in names]

    names = public_names()
    constructs = [name for name in names if is_construct(name)]
    values = [name for name in names if name not in constructs]
    packages = [[f"[{code(f'{PACKAGE}.{name}')}]({name}.md)", cell(first_sentence(name))] for name in SUBPACKAGES]
    return (
        f"# API\n\nEvery name below is imported from {code(PACKAGE)}: {code(f'from {PACKAGE} import InferenceEndpoint')}. "
        "Names are loaded when they are first used.\n\n"
        f"## Constructs\n\n{table(('construct', 'what it is'), rows(constructs))}\n"
        f"## Values and errors\n\n{table(('name', 'what it is'), rows(values))}\n"
        f"## Packages\n\nTheir names are imported from the package itself.\n\n{table(('package', 'what it holds'), packages)}"
    )
