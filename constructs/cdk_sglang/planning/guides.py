"""Finds the section of the documentation that explains a problem or a warning of a plan."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdk_sglang.assets import find_folder
from cdk_sglang.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

_NAMES: Final = re.compile(r"^endpoints\.[^.]+(\.components\.[^.]+)?")
_NOT_IN_ANCHORS: Final = re.compile(r"[^\w\s-]")
_FIRST_PAGE: Final = "planner.md"
_RUNBOOKS: Final = "/runbooks"
_WEB: Final = ("http://", "https://")


@dataclass(frozen=True, kw_only=True)
class Guide:
    """A section of a page of the documentation.

    Attributes:
        page: File in docs/.
        heading: Heading of the section.
    """

    page: str
    heading: str

    @property
    def anchor(self) -> str:
        """The heading's anchor, as mkdocs and GitHub generate it."""
        return re.sub(r"\s", "-", _NOT_IN_ANCHORS.sub("", self.heading.lower()).strip())

    def address(self, docs: str) -> str:
        """Return the link to the section.

        Args:
            docs: Folder of the documents, or address of the documentation site.
        """
        page = self.page.replace(".md", ".html") if docs.startswith(_WEB) else self.page
        return f"{docs.rstrip('/')}/{page}#{self.anchor}"


GUIDES: Final = {
    "budget_usd_per_hour": Guide(page="planner.md", heading="Cost"),
    "endpoint": Guide(page="planner.md", heading="Cost"),
    "endpoint.capacity": Guide(page="sizing.md", heading="How to choose"),
    "endpoint.capacity.reserved": Guide(page="capacity.md", heading="Reserved"),
    "endpoint.rollout": Guide(page="updates.md", heading="Rollouts in steps, with alarms that roll back"),
    "component": Guide(page="planner.md", heading="What the engine refuses"),
    "component.model": Guide(page="planner.md", heading="Which format"),
    "component.model.id": Guide(page="planner.md", heading="Your own models and prices"),
    "component.rollout": Guide(page="updates.md", heading="Rollouts in steps, with alarms that roll back"),
    "component.server": Guide(page="planner.md", heading="Memory"),
    "component.server.hicache": Guide(page="host-memory.md", heading="Host memory"),
    "component.slo": Guide(page="planner.md", heading="Speed"),
}
"""Sections by the path of the problem, without the names of endpoint and component; the longest matching path is used."""


def guide_of(line: str) -> Guide | None:
    """Return the section that explains a problem or a warning; None if its line has no path in an environment.

    Args:
        line: Line of a `Problem`; text without a path has no section.
    """
    path = line.path if isinstance(line, Problem) else ""
    found = _NAMES.match(path)
    if found is not None:
        path = ("component" if found[1] else "endpoint") + path[found.end() :]
    while path:
        if path in GUIDES:
            return GUIDES[path]
        path = path.rpartition(".")[0]
    return None


def docs_folder(page: Path) -> str:
    """Return the folder of the documents as a relative link from a page; empty if they are not installed.

    Args:
        page: Folder that contains the page.
    """
    try:
        folder = find_folder("docs", holds=_FIRST_PAGE)
    except FileNotFoundError:
        return ""
    return os.path.relpath(folder, page.resolve()).replace(os.sep, "/")


def docs_site(runbooks: str) -> str:
    """Return the address of the documentation site that an environment's runbook address belongs to; empty if it belongs to none.

    Args:
        runbooks: Common beginning of the addresses of runbook pages (`observability.runbooks_url`).
    """
    address = runbooks.rstrip("/")
    return address.removesuffix(_RUNBOOKS) if address.startswith(_WEB) and address.endswith(_RUNBOOKS) else ""
