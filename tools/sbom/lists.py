"""Which locked packages belong to what is shipped."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock import requirements

LOCKED: Final = {
    "image": "container/requirements.txt",
    "agent": "agent/requirements.lock",
    "agent-mlflow": "agent/requirements-mlflow.lock",
    "weights-copy": "constructs/cdk_sglang/_runtime/weights/requirements.txt",
}
"""Lists that are shipped as they are: what is added to the base of the serving image, what the agent's code zip holds, and what the build that
copies weights installs."""
WHEELS: Final = {"wheel": "pyproject.toml", "client": "client/pyproject.toml"}
"""Projects that are shipped as wheels."""


def package_lists(root: Path) -> dict[str, str]:
    """Return a requirements list, with hashes, of each thing that is shipped.

    Args:
        root: The repository.
    """
    lists = {name: (root / path).read_text(encoding="utf-8") for name, path in LOCKED.items()}
    locked = requirements((root / "requirements.lock").read_text(encoding="utf-8"))
    for name, path in WHEELS.items():
        project = tomllib.loads((root / path).read_text(encoding="utf-8"))["project"]
        runtime_names = frozenset(required(project["dependencies"]))
        blocks = [block for pin, block in locked.items() if canonicalize_name(pin.partition("==")[0]) in runtime_names]
        lists[name] = "\n".join([*blocks, ""])
    return lists


def required(dependencies: Iterable[str]) -> Iterator[str]:
    """Yield the names of the installed packages that some requirements need, theirs included.

    Args:
        dependencies: Requirements, as in `project.dependencies`.
    """
    packages: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in map(Requirement, dependencies)]
    while waiting:
        requirement, parents_extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": parents_extra}):
            continue
        name = canonicalize_name(requirement.name)
        for extra in ["", *sorted(requirement.extras)]:
            if (name, extra) in packages:
                continue
            packages.add((name, extra))
            waiting += [(one, extra) for one in map(Requirement, metadata.requires(name) or ())]
    yield from sorted({name for name, _ in packages})
