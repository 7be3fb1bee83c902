"""Hooks of mkdocs: generated pages, documents of other folders as pages, and their lists in the navigation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from cdk_sglang.cli.main import app
from tools.docs.api_pages import api_nav, api_pages
from tools.docs.command_page import command_page
from tools.docs.links import FILES, linked_files, relinked
from tools.docs.settings_page import settings_page

ROOT: Final = Path(__file__).parents[2]
_OUTSIDE: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "localcloud/README.md": "localcloud.md",
    "container/README.md": "container.md",
    "client/README.md": "client-alone.md",
    "agent/README.md": "agent-code.md",
}
"""Documents outside of docs/ that are pages of the site."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the lists of the navigation from the repository's files."""
    lists: dict[str, Any] = {
        "ADRS": list(_decisions()),
        "EXAMPLES": sorted(page for origin, page in _outside().items() if origin.startswith("examples/")),
        "API": api_nav(),
    }
    config.nav = _filled(config.nav, lists)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, the documents of other folders, and the files that documents link to."""
    pages = {page: (ROOT / origin).read_text(encoding="utf-8") for origin, page in _outside().items()}
    schema = json.loads((ROOT / "environments" / "schema.json").read_text(encoding="utf-8"))
    pages |= {"settings.md": settings_page(schema), "cli.md": command_page(app), **api_pages()}
    pages["adr/index.md"] = _index(
        "Decisions", "Decisions that were hard to take, with the alternatives.", "adr", _decisions()
    )
    pages["examples/index.md"] = _index(
        "Examples",
        "Apps of their own that use the library, each in a folder that runs.",
        "examples",
        {page: pages[page] for origin, page in _outside().items() if origin.startswith("examples/")},
    )
    for page, content in pages.items():
        files.append(File.generated(config, page, content=content))
    origins = [*_outside(), *(f"docs/{one.src_uri}" for one in files.documentation_pages() if one.src_uri not in pages)]
    for path in sorted(set().union(*(linked_files(_text(origin), origin=origin, root=ROOT) for origin in origins))):
        if _target(path, files) is None:
            files.append(File.generated(config, f"{FILES}/{path}", abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  mkdocs passes it by name
    """Turn links into the repository into links into the site."""
    inside = {written: origin for origin, written in _outside().items()}
    source = page.file.src_uri
    return relinked(
        markdown, origin=inside.get(source, f"docs/{source}"), page=source, target=lambda path: _target(path, files)
    )


def _target(path: str, files: Files) -> str | None:
    """Return the site's path of a file or folder of the repository; None if the site does not have it."""
    candidates = (
        _outside().get(path),
        _outside().get(f"{path}/README.md"),
        "index.md" if path == "README.md" else None,
        path.removeprefix("docs/") if path.startswith("docs/") else None,
        "adr/index.md" if path == "docs/adr" else None,
        "examples/index.md" if path == "examples" else None,
        f"{FILES}/{path}",
    )
    return next(
        (path_in_site for path_in_site in candidates if path_in_site and files.get_file_from_path(path_in_site)), None
    )


@cache
def _outside() -> dict[str, str]:
    examples = sorted((ROOT / "examples").glob("*/README.md"))
    return _OUTSIDE | {path.relative_to(ROOT).as_posix(): f"examples/{path.parent.name}.md" for path in examples}


def _text(origin: str) -> str:
    return (ROOT / origin).read_text(encoding="utf-8")


def _filled(part: Any, lists: dict[str, Any]) -> Any:
    """Return the navigation with every `[NAME]` replaced by the list of that name."""
    if isinstance(part, dict):
        return {title: _filled(value, lists) for title, value in part.items()}
    if isinstance(part, list):
        items: list[Any] = []
        for item in part:
            if isinstance(item, str) and item in lists:
                items += lists[item]
            else:
                items.append(_filled(item, lists))
        return items
    return part


def _decisions() -> dict[str, str]:
    return {
        f"adr/{path.name}": path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "adr").glob("*.md"))
    }


def _index(title: str, introduction: str, folder: str, pages: dict[str, str]) -> str:
    """Return a page that lists the pages of a folder by their headings."""
    lines = [
        f"- [{text.partition(chr(10))[0].removeprefix('# ')}]({page.removeprefix(f'{folder}/')})"
        for page, text in sorted(pages.items())
    ]
    return f"# {title}\n\n{introduction}\n\n" + "\n".join(lines) + "\n"
