"""The library's public names, and those names and parameters that lack a description."""

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
    """Return the library as griffe reads it, without importing it, and so without aws_cdk and its node process."""
    logging.getLogger("griffe").setLevel(logging.ERROR)
    module = griffe.load(PACKAGE, search_paths=[ROOT / "constructs"], docstring_parser="google", resolve_aliases=True)
    if not isinstance(module, griffe.Module):
        raise TypeError(f"{PACKAGE} is not a module")
    return module


def public_names(package: str = "") -> list[str]:
    """Return the names in the `__all__` of the library or of a package below it, sorted."""
    module = library()[package] if package else library()
    return sorted(str(name) for name in module.exports or [])


def resolved(path: str) -> griffe.Object:
    """Return the object of a public path, for example `Capacity` or `client.Route`."""
    member = library()[path]
    return member.final_target if isinstance(member, griffe.Alias) else member


def is_construct(path: str) -> bool:
    """Return whether a public name is a construct, which takes a scope and an id."""
    member = resolved(path)
    return isinstance(member, griffe.Class) and any(str(base).rpartition(".")[2] == _CONSTRUCT for base in member.bases)


def first_sentence(path: str) -> str:
    """Return the first paragraph of a public name's docstring, on one line."""
    text = resolved(path).docstring
    return " ".join(text.value.partition("\n\n")[0].split()) if text else ""


def undocumented() -> list[str]:
    """Return a line for each public name, member and parameter without a description."""
    paths = public_names() + [f"{package}.{name}" for package in SUBPACKAGES for name in public_names(package)]
    return list(dict.fromkeys(gap for path in paths for gap in gaps(path, resolved(path))))


def gaps(path: str, member: griffe.Object) -> Iterator[str]:
    """Yield the missing descriptions of an object and its public members.

    Args:
        path: Name of the object in the messages.
        member: The object.
    """
    if not member.has_docstring:
        yield f"{path}: no docstring"
    if isinstance(member, griffe.Function):
        yield from _parameter_gaps(path, member, _described(member))
    elif isinstance(member, griffe.Class):
        yield from _class_gaps(path, member)


def _class_gaps(path: str, cls: griffe.Class) -> Iterator[str]:
    fields = {name for name, member in cls.members.items() if _is_field(member) and member.has_docstring}
    descriptions = _described(cls) | fields
    constructor = cls.members.get("__init__")
    parameters = {one.name for one in constructor.parameters} if isinstance(constructor, griffe.Function) else set()
    for name, member in cls.members.items():
        if isinstance(member, griffe.Alias):
            continue
        if name == "__init__" and isinstance(member, griffe.Function):
            yield from _parameter_gaps(path, member, descriptions | _described(member))
        elif name.startswith("_") or name in parameters or name.isupper():
            continue  # private, described as a parameter, or a constant with AWS's name
        elif isinstance(member, griffe.Function) or "property" in member.labels:
            yield from gaps(f"{path}.{name}", member)
        elif _is_field(member) and name not in descriptions:
            yield f"{path}.{name}: no description"


def _is_field(member: griffe.Object | griffe.Alias) -> bool:
    return isinstance(member, griffe.Attribute) and member.annotation is not None and "property" not in member.labels


def _parameter_gaps(path: str, function: griffe.Function, descriptions: set[str]) -> Iterator[str]:
    for parameter in function.parameters:
        if parameter.name not in {"self", "cls"} and parameter.name.lstrip("*") not in descriptions:
            yield f"{path}({parameter.name}): no description"


def _described(member: griffe.Object) -> set[str]:
    """Return the names that an object's docstring describes."""
    sections = member.docstring.parse("google", warnings=False) if member.docstring else []
    return {
        item.name.lstrip("*")
        for section in sections
        if section.kind.value in _DESCRIBING
        for item in section.value
        if item.description
    }
