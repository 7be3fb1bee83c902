"""Faults of kinds that no rule was written for: properties of one type swapped, elements dropped, references, numbers and statements changed.

They are made from the templates' own values, whatever these mean, so that the figures say how far the rules reach beyond what they were written for.
What is no fault is left out by rule: texts for people, what a list's order or length does not change, and what only costs or looks otherwise.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tools.check.generated.model import Candidate, Mutable, Source, removal, setting
from tools.check.graph import Path_, Tree, is_intrinsic, leaves, listed, reference

SWAPPED: Final = "blind: two values swapped"
DROPPED: Final = "blind: element of a list dropped"
TWIN: Final = "blind: another resource of the type"
SCALE: Final = "blind: number in another unit"
STATEMENT: Final = "blind: statement removed"

KINDS: Final = (SWAPPED, DROPPED, TWIN, SCALE, STATEMENT)

_FOR_PEOPLE: Final = re.compile(
    r"Description$|^Tags$|^TagKeys$|^DashboardBody$|^Metadata$|^DisplayName$|^QueryString$|^AlarmRule$|^Label$|^LogGroupNames$|^Period$"
)
"""Texts for people, names of panels and saved queries, and what only says how finely something is drawn."""
_SCALES: Final = (1 / 1024, 1 / 60, 60, 1000, 1024)
_OPEN: Final = frozenset({"CidrIp", "CidrBlock"})


def swapped(source: Source) -> Iterator[Candidate]:
    """Yield two scalars of one object, of one type and different, that change places."""
    for name, resource in source.template["Resources"].items():
        for path, members in _objects(resource.get("Properties", {}), ("Properties",)):
            some = [(key, value) for key, value in members.items() if _is_scalar(value) and not _FOR_PEOPLE.search(key)]
            for (one, first), (other, second) in itertools.combinations(some, 2):
                if type(first) is type(second) and first != second:
                    yield _swap(source, name, path, one, other)


def _swap(source: Source, name: str, path: Path_, one: str, other: str) -> Candidate:
    def change(template: Mutable) -> None:
        holder: Any = template["Resources"][name]
        for part in path:
            holder = holder[part]
        holder[one], holder[other] = holder[other], holder[one]

    place = setting(SWAPPED, source, name, (*path, one), None).place
    return Candidate(SWAPPED, source, name, place, f"{one} and {other} swapped", change)


def dropped(source: Source) -> Iterator[Candidate]:
    """Yield elements of lists that are dropped; actions and statements of policies are other kinds."""
    for name, resource in source.template["Resources"].items():
        for path, items in _lists(resource.get("Properties", {}), ("Properties",)):
            if any(str(part) in {"Action", "Statement"} or _FOR_PEOPLE.search(str(part)) for part in path):
                continue
            for index in range(len(items)):
                yield removal(DROPPED, source, name, (*path, index), f"element {index} of {len(items)} dropped")


def twins(source: Source) -> Iterator[Candidate]:
    """Yield references that become those to another resource of the same type."""
    resources = source.template["Resources"]
    for name, resource in resources.items():
        for path, value in leaves(resource.get("Properties", {})):
            found = reference(value)
            if found is None or found.target not in resources or any(_FOR_PEOPLE.search(str(part)) for part in path):
                continue
            kind = resources[found.target]["Type"]
            for other, candidate in resources.items():
                if candidate["Type"] == kind and other not in {found.target, name}:
                    written = {"Fn::GetAtt": [other, found.attribute]} if found.attribute else {"Ref": other}
                    yield setting(TWIN, source, name, ("Properties", *path), written, f"another {kind}")
                    break


def scaled(source: Source) -> Iterator[Candidate]:
    """Yield numbers as another unit would have them: kibi, kilo, minutes and seconds."""
    for name, resource in source.template["Resources"].items():
        for path, value in leaves(resource.get("Properties", {})):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value == 0:
                continue
            if any(_FOR_PEOPLE.search(str(part)) for part in path):
                continue
            for factor in _SCALES:
                scaled_value = value * factor
                new = int(scaled_value) if scaled_value == int(scaled_value) else round(scaled_value, 6)
                if new != value:
                    yield setting(SCALE, source, name, ("Properties", *path), new, f"{value} becomes {new}")


def unstated(source: Source) -> Iterator[Candidate]:
    """Yield statements of policies that are removed, with what is left of the policy; a resource's only statement goes with the list."""
    for name, resource in source.template["Resources"].items():
        for path, items in _lists(resource.get("Properties", {}), ("Properties",)):
            if path[-1] == "Statement":
                for index, statement in enumerate(items):
                    what = ", ".join(str(one) for one in listed(statement.get("Action", "?")))
                    yield removal(
                        STATEMENT, source, name, (*path, index), f"without {statement.get('Effect')} {what[:60]}"
                    )


MAKERS: Final = (swapped, dropped, twins, scaled, unstated)


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _objects(value: Tree, path: Path_) -> Iterator[tuple[Path_, Mapping[str, Any]]]:
    if any(_FOR_PEOPLE.search(str(part)) for part in path) or is_intrinsic(value):
        return
    if isinstance(value, Mapping):
        yield path, value
        for key, item in value.items():
            yield from _objects(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _objects(item, (*path, index))


def _lists(value: Tree, path: Path_) -> Iterator[tuple[Path_, list[Any]]]:
    if is_intrinsic(value):
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _lists(item, (*path, key))
    elif isinstance(value, list):
        yield path, value
        for index, item in enumerate(value):
            yield from _lists(item, (*path, index))
