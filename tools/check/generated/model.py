"""Candidates for mutants: where a template changes, how, and which of them a sample takes."""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from tools.check.graph import Environment, Graph, Path_, Tree, dotted

Mutable: TypeAlias = dict[str, Any]
"""A template that may be changed."""


@dataclass(frozen=True)
class Source:
    """A synthesised template that mutants are made of.

    Attributes:
        name: Environment and stack.
        template: The template, unchanged.
        environment: What its environment says.
    """

    name: str
    template: Mutable
    environment: Environment

    @cached_property
    def graph(self) -> Graph:
        """The template as a graph."""
        return Graph(self.template)


@dataclass(frozen=True)
class Candidate:
    """One possible fault.

    Attributes:
        kind: Kind of fault.
        source: Template.
        resource: Logical id of the changed resource.
        place: Type and path, without logical ids: equal places of equal resources are one group.
        what: The change.
        change: Makes the change in a copy of the template.
    """

    kind: str
    source: Source
    resource: str
    place: str
    what: str
    change: Callable[[Mutable], None]

    def mutant(self) -> Mutable:
        """Return the template with the fault."""
        template = copy.deepcopy(self.source.template)
        self.change(template)
        return template

    def __str__(self) -> str:
        return f"{self.kind}: {self.source.name} {self.resource} {self.place}: {self.what}"


def setting(  # noqa: PLR0917, read as a sentence: kind, where, what
    kind: str, source: Source, resource: str, path: Path_, value: object, what: str = ""
) -> Candidate:
    """Return a candidate that sets a value.

    Args:
        kind: Kind of fault.
        source: Template.
        resource: Logical id.
        path: Keys from the resource to the value.
        value: The new value.
        what: The change in words; the value by default.
    """
    resource_type = source.template["Resources"][resource]["Type"]

    def change(template: Mutable) -> None:
        holder = parent(template["Resources"][resource], path)
        holder[path[-1]] = copy.deepcopy(value)

    return Candidate(kind, source, resource, f"{resource_type} {_place(path)}", what or f"is {_short(value)}", change)


def removal(kind: str, source: Source, resource: str, path: Path_, what: str = "removed") -> Candidate:
    """Return a candidate that removes a value."""
    resource_type = source.template["Resources"][resource]["Type"]

    def change(template: Mutable) -> None:
        holder = parent(template["Resources"][resource], path)
        del holder[path[-1]]

    return Candidate(kind, source, resource, f"{resource_type} {_place(path)}", what, change)


def parent(resource: Tree, path: Path_) -> Tree:
    """Return the object or list that holds the value at a path of a resource."""
    for part in path[:-1]:
        resource = resource[part]
    return resource


def sample(candidates: Iterable[Candidate], count: int, seed: int) -> list[Candidate]:
    """Return a sample of candidates: as many groups of equal places as possible, the same for the same seed."""
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[f"{candidate.place} {candidate.what}"].append(candidate)
    dice = random.Random(seed)  # noqa: S311, a sample is no secret
    keys = sorted(groups)
    dice.shuffle(keys)
    for key in keys:
        dice.shuffle(groups[key])
    taken: list[Candidate] = []
    for turn in range(max(map(len, groups.values()), default=0)):
        for key in keys:
            if turn < len(groups[key]) and len(taken) < count:
                taken.append(groups[key][turn])
    return taken


def of_types(source: Source, *types: str) -> Iterator[tuple[str, Mutable]]:
    """Yield logical id and resource of each resource of some types."""
    for name, resource in source.template["Resources"].items():
        if resource["Type"] in types:
            yield name, resource


def _place(path: Path_) -> str:
    return dotted(path).removeprefix("Properties").lstrip(".") or dotted(path)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}... ({len(text)} characters)"
