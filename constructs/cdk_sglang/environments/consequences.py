"""Problems that follow from another one: references to an endpoint or a component whose own name is invalid."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cdk_sglang.errors import Problem

_OWN: Final = re.compile(r"endpoints\.(?P<endpoint>[^.]+)(\.components\.(?P<component>[^.]+))?")
"""Path of an endpoint or of a component."""
_REFERENCE: Final = re.compile(r"agent\.component|bench\.[^.]+\.component|routes\.[^.]+\.\d+")
_QUOTED: Final = re.compile(r"'([^']+)' is not allowed; ")


def told_once(problems: Iterable[Problem]) -> list[Problem]:
    """Drop problems about references to an endpoint or a component whose own name is reported as invalid: renaming it changes the references.

    Args:
        problems: Everything that is wrong with an environment.
    """
    every = list(problems)
    refused = [found for found in map(_refused, every) if found is not None]
    names = {tuple(name for name in found.group("endpoint", "component") if name) for found in refused}
    return [problem for problem in every if not _refers_to(problem, names)]


def _refused(problem: Problem) -> re.Match[str] | None:
    found = _OWN.fullmatch(problem.path)
    own = None if found is None else found["component"] or found["endpoint"]
    quoted = _QUOTED.match(problem.text)
    return found if quoted is not None and quoted[1] == own else None


def _refers_to(problem: Problem, names: set[tuple[str, ...]]) -> bool:
    quoted = _QUOTED.match(problem.text) if _REFERENCE.fullmatch(problem.path) else None
    if quoted is None:
        return False
    parts = tuple(quoted[1].split("/"))
    return parts[:1] in names or parts[:2] in names
