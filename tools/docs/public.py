"""The library's public names: what they are, and which of them, or of their parameters, nobody has described."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import griffe

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = "cdk_sglang"
SUBPACKAGES: Final = ("client", "planning", "models", "hardware")
"""Packages below the library whose own `__all__` is public too."""

_DESCRIBING: Final = {"parameters", "other parameters", "attributes"}
_CONSTRUCT: Final = "Construct"


@cache
def library() -> griffe.Module:
    """Return the library as griffe reads it: without importing it, so without aws_cdk and its node process."""
    logging.getLogger("griffe").setLevel(logging.ERROR)
    loaded = griffe.load(PACKAGE, search_paths=[ROOT / "constructs"], docstring_parser="google", resolve_aliases=True)
    if not isinstance(loaded, griffe.Module):
        raise TypeError(f"{PACKAGE} is not a module")
    return loaded


def public_names(package: str = "") -> list[str]:
    """Return the names in the `__all__` of the library or of a package below it, sorted."""
    module = library()[package] if package else library()
    return sorted(str(name) for name in module.exports or [])


def resolved(path: str) -> griffe.Object:
    """Return the object behind a public path, such as `Capacity` or `client.Route`."""
    found = library()[path]
    return found.final_target if isinstance(found, griffe.Alias) else found


def is_construct(path: str) -> bool:
    """Return whether a public name is a construct, which takes a scope and an id."""
    found = resolved(path)
    return isinstance(found, griffe.Class) and any(str(base).rpartition(".")[2] == _CONSTRUCT for base in found.bases)


def first_sentence(path: str) -> str:
    """Return the first paragraph of a public name's docstring, on one line."""
    text = resolved(path).docstring
    return " ".join(text.value.partition("\n\n")[0].split()) if text else ""


def undocumented() -> list[str]:
    """Return a line for each public name, member and parameter without a description."""
    paths = public_names() + [f"{package}.{name}" for package in SUBPACKAGES for name in public_names(package)]
    return list(dict.fromkeys(gap for path in paths for gap in gaps(path, resolved(path))))


def gaps(path: str, found: griffe.Object) -> Iterator[str]:
    """Yield what is not described of one object and its public members.

    Args:
        path: Name to show for it.
        found: The object.
    """
    if not found.has_docstring:
        yield f"{path}: no docstring"
    if isinstance(found, griffe.Function):
        yield from _parameter_gaps(path, found, _described(found))
    elif isinstance(found, griffe.Class):
        yield from _class_gaps(path, found)


def _class_gaps(path: str, found: griffe.Class) -> Iterator[str]:
    fields = {name for name, member in found.members.items() if _is_field(member) and member.has_docstring}
    known = _described(found) | fields
    constructor = found.members.get("__init__")
    parameters = {one.name for one in constructor.parameters} if isinstance(constructor, griffe.Function) else set()
    for name, member in found.members.items():
        if isinstance(member, griffe.Alias):
            continue
        if name == "__init__" and isinstance(member, griffe.Function):
            yield from _parameter_gaps(path, member, known | _described(member))
        elif name.startswith("_") or name in parameters or name.isupper():
            continue  # private, described as a parameter, or a constant that is named as AWS names it
        elif isinstance(member, griffe.Function) or "property" in member.labels:
            yield from gaps(f"{path}.{name}", member)
        elif _is_field(member) and name not in known:
            yield f"{path}.{name}: no description"


def _is_field(member: griffe.Object | griffe.Alias) -> bool:
    return isinstance(member, griffe.Attribute) and member.annotation is not None and "property" not in member.labels


def _parameter_gaps(path: str, function: griffe.Function, known: set[str]) -> Iterator[str]:
    for parameter in function.parameters:
        if parameter.name not in {"self", "cls"} and parameter.name.lstrip("*") not in known:
            yield f"{path}({parameter.name}): no description"


def _described(found: griffe.Object) -> set[str]:
    """Return the names that an object's docstring describes."""
    sections = found.docstring.parse("google", warnings=False) if found.docstring else []
    return {
        item.name.lstrip("*")
        for section in sections
        if section.kind.value in _DESCRIBING
        for item in section.value
        if item.description
    }
