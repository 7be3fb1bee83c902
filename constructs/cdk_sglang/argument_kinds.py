"""Which values an annotation accepts, and the message if another value is given.

A class that is imported only for annotations, because a service's constructs take time to load, is identified by its name: a class that was
never imported has no instances.
"""

from __future__ import annotations

import ast
import datetime as dt
import enum
import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from cdk_sglang.errors import Problem
from cdk_sglang.tokens import is_number_token

_SHOWN: Final = 60
_FEW: Final = 4
"""Maximum number of fields that are reasonable to fill in by hand."""
_MAKERS_OF_CDK: Final[Mapping[str, str]] = {
    "Duration": "Duration.minutes(...)",
    "Size": "Size.gibibytes(...)",
    "IGrantable": "Role",
}
_ACTIONS_OF_CDK: Final = ("cloudwatch_actions.SnsAction(...)", "cloudwatch_actions.LambdaAction(...)")


class Kind(ABC):
    """Values that one annotation accepts."""

    words: str

    @abstractmethod
    def takes(self, value: object) -> bool:
        """Whether a value fits."""

    def problems(self, path: str, value: object) -> list[Problem]:
        """Return what is wrong with a value that does not fit."""
        return [Problem(path, f"takes {self.words}, got {_shown(value)}; {self.advice(value)}")]

    def advice(self, value: object) -> str:
        """Return what to do instead."""
        if "number" in self.words and hasattr(value, "to_seconds"):
            return "give it in the unit that the name says, such as by to_seconds()"
        if "number" in self.words and isinstance(value, str):
            return "write it without quotes"
        return "put it in quotes" if self.words == "text" and isinstance(value, int | float) else "give one"


class _Simple(Kind):
    def __init__(self, words: str, test: Callable[[Any], bool]) -> None:
        self.words, self._test = words, test

    def takes(self, value: object) -> bool:
        return self._test(value)


class _Class(Kind):
    """A class, by identity or, if it is not imported, by name; a CDK interface by its implementations."""

    def __init__(self, name: str, owner: type | None) -> None:
        self.name, self._owner = name.rpartition(".")[2], owner
        self.words = name

    def takes(self, value: object) -> bool:
        if self._owner is not None and not getattr(self._owner, "_is_protocol", False):
            return isinstance(value, self._owner) or any(isinstance(part, self._owner) for part in _parts(value))
        return any(self.name == known for known in _names_of(value))

    def advice(self, value: object) -> str:
        ways = self.ways()
        return f"use {' or '.join(ways)}" if ways else super().advice(value)

    def ways(self) -> tuple[str, ...]:
        """Return the expressions that create an instance."""
        module = self.words.removesuffix(self.name)
        if self._owner is not None and issubclass(self._owner, enum.Enum):
            return tuple(f"{self.words}.{member.name}" for member in self._owner)
        if self.name == "IAlarmAction":
            return _ACTIONS_OF_CDK
        if self.name in _MAKERS_OF_CDK:
            return (f"{module}{_MAKERS_OF_CDK[self.name]}",)
        if module and self.name[:1] == "I" and self.name[1:2].isupper():
            return (f"{module}{self.name[1:]}", f"{module}{self.name[1:]}.from_...(...)")
        if self._owner not in {None, _public(self.name)}:
            return ()  # another public class of the library has this name
        return ways_to_make(self.name)


class _Items(Kind):
    def __init__(self, words: str, outer: tuple[type, ...], item: Kind) -> None:
        self._outer, self._item = outer, item
        self.words = f"{words} ({item.words} each)"

    def fits_outside(self, value: object) -> bool:
        return isinstance(value, self._outer) and not isinstance(value, str | bytes)

    def takes(self, value: object) -> bool:
        return isinstance(value, Iterable) and self.fits_outside(value) and all(map(self._item.takes, value))

    def problems(self, path: str, value: Any) -> list[Problem]:
        if not self.fits_outside(value):
            return super().problems(path, value)
        odd = [(index, item) for index, item in enumerate(value) if not self._item.takes(item)]
        return [line for index, item in odd for line in self._item.problems(f"{path}[{index}]", item)]

    def advice(self, value: object) -> str:
        return f"write [{_shown(value)}]" if self._item.takes(value) else super().advice(value)


class _Pairs(Kind):
    def __init__(self, key: Kind, item: Kind) -> None:
        self._key, self._item = key, item
        self.words = f"a mapping from {key.words} to {item.words}"

    def fits_outside(self, value: object) -> bool:
        return isinstance(value, Mapping)

    def takes(self, value: object) -> bool:
        return isinstance(value, Mapping) and all(self._key.takes(k) and self._item.takes(v) for k, v in value.items())

    def problems(self, path: str, value: Any) -> list[Problem]:
        if not self.fits_outside(value):
            return super().problems(path, value)
        keys = [line for key in value if not self._key.takes(key) for line in self._key.problems(f"{path}, key", key)]
        odd = [(key, item) for key, item in value.items() if not self._item.takes(item)]
        return keys + [line for key, item in odd for line in self._item.problems(f"{path}.{key}", item)]


class _OneOf(Kind):
    def __init__(self, options: Sequence[object]) -> None:
        self._options = options
        self.words = " or ".join(map(repr, options))

    def takes(self, value: object) -> bool:
        return isinstance(value, str | int) and value in self._options

    def advice(self, value: object) -> str:
        del value
        return "use one of those"


class _Either(Kind):
    def __init__(self, members: Sequence[Kind]) -> None:
        self._members = members
        *first, last = dict.fromkeys(member.words for member in members)
        self.words = f"{', '.join(first)} or {last}" if first else last

    def takes(self, value: object) -> bool:
        return any(member.takes(value) for member in self._members)

    def problems(self, path: str, value: object) -> list[Problem]:
        inside = [m for m in self._members if isinstance(m, _Items | _Pairs) and m.fits_outside(value)]
        return inside[0].problems(path, value) if len(inside) == 1 else super().problems(path, value)

    def advice(self, value: object) -> str:
        ways = [way for member in self._members if isinstance(member, _Class) for way in member.ways()]
        return f"use {' or '.join(ways)}" if ways else self._members[0].advice(value)


def _is_whole(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or is_number_token(value)


def _is_number(value: object) -> bool:
    return _is_whole(value) or isinstance(value, float)


_ANYTHING: Final = _Simple("anything", lambda _: True)
_SIMPLE: Final[Mapping[str, Kind]] = {
    "Any": _ANYTHING,
    "object": _ANYTHING,
    "None": _Simple("None", lambda value: value is None),
    "bool": _Simple("True or False", lambda value: isinstance(value, bool)),
    "int": _Simple("a whole number", _is_whole),
    "float": _Simple("a number", _is_number),
    "str": _Simple("text", lambda value: isinstance(value, str) and not isinstance(value, enum.Enum)),
    "Path": _Simple("a path", lambda value: isinstance(value, Path)),
    "dt.date": _Simple("a date", lambda value: isinstance(value, dt.date) and not isinstance(value, dt.datetime)),
}
_OUTSIDE: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "Sequence": ("a list", (Sequence,)),
    "tuple": ("a list", (tuple, list)),
    "set": ("a set", (AbstractSet,)),
    "frozenset": ("a set", (AbstractSet,)),
}


def kind_of(annotation: str, names: Mapping[str, Any]) -> Kind:
    """Return the values that an annotation accepts.

    Args:
        annotation: Text of the annotation.
        names: Values of the names in it that are imported.
    """
    return _kind(ast.parse(annotation, mode="eval").body, names)


def _kind(node: ast.expr, names: Mapping[str, Any]) -> Kind:
    match node:
        case ast.BinOp(op=ast.BitOr()):
            return _Either([_kind(member, names) for member in _members(node)])
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inside):
            return _OneOf(ast.literal_eval(inside) if isinstance(inside, ast.Tuple) else [ast.literal_eval(inside)])
        case ast.Subscript(value=ast.Name(id="Mapping" | "dict"), slice=ast.Tuple(elts=[key, item])):
            return _Pairs(_kind(key, names), _kind(item, names))
        case ast.Subscript(value=ast.Name(id=outer), slice=inside) if outer in _OUTSIDE:
            first = inside.elts[0] if isinstance(inside, ast.Tuple) else inside
            return _Items(*_OUTSIDE[outer], _kind(first, names))
    return _named(ast.unparse(node), names)


def _members(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp):
        yield from _members(node.left)
        yield from _members(node.right)
    else:
        yield node


def _named(name: str, names: Mapping[str, Any]) -> Kind:
    if name in _SIMPLE:
        return _SIMPLE[name]
    first, _, rest = name.partition(".")
    found = names.get(first)
    for part in filter(None, rest.split(".")):
        found = getattr(found, part, None)
    if get_origin(found) is Literal:
        return _OneOf(get_args(found))
    if alternatives := [member for member in get_args(found) if isinstance(member, type)]:
        return _Either([_Class(member.__name__, member) for member in alternatives])
    return _Class(name, found if isinstance(found, type) else None)


def _parts(value: object) -> Sequence[object]:
    """Return the parts of an object from CDK that combines several objects."""
    parts: Sequence[object] = vars(value).get("_delegates", ()) if hasattr(value, "__dict__") else ()
    return parts


def _names_of(value: object) -> Iterator[str]:
    """Yield the names of all classes that a value is an instance of."""
    for part in (value, *_parts(value)):
        for cls in type(part).__mro__:
            yield (
                cls.__name__.removeprefix("_").removesuffix("Proxy") if cls.__name__.endswith("Proxy") else cls.__name__
            )
            for interface in cls.__dict__.get("__jsii_ifaces__", ()):
                yield from (base.__name__ for base in interface.__mro__)


def _public(name: str) -> type | None:
    """Return the library's public class with a name. This loads the class, which only messages need."""
    cls = getattr(sys.modules[__name__.partition(".")[0]], name, None)
    return cls if isinstance(cls, type) else None


@cache
def ways_to_make(name: str) -> tuple[str, ...]:
    """Return the expressions that create an object of a class of the library; nothing for other classes."""
    cls = _public(name)
    if cls is None:
        return ()
    makers = [
        f"{name}.{maker}(...)"
        for maker, value in vars(cls).items()
        if isinstance(value, staticmethod | classmethod)
        and not maker.startswith("_")
        and value.__func__.__annotations__.get("return") in {name, "Self"}
    ]
    model_fields = getattr(cls, "model_fields", {})  # of a specification
    needed = [f"{field.alias or key}=..." for key, field in model_fields.items() if field.is_required()]
    if is_dataclass(cls):
        needed = [f"{f.name}=..." for f in fields(cls) if f.default is f.default_factory is MISSING]
        needed = needed or [f"{name}=..." for name in getattr(cls, "usual_fields", ())]
    elif not needed and not 0 < len(model_fields) <= _FEW:
        needed = ["..."]
    if makers and (
        inspect.isabstract(cls) or "ake one with" in (cls.__doc__ or "") or len(needed) > _FEW or needed == ["..."]
    ):
        return tuple(makers)
    return (f"{name}({', '.join(needed)})", *makers)


def _shown(value: object) -> str:
    match value:
        case enum.Enum():
            return f"{type(value).__name__}.{value.name}"
        case str() if "hf_" in value:
            return "text that is not repeated here, since it may be a secret"
        case None | bool() | int() | float() | str():
            shown = repr(value)
            return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
        case Mapping() | list() | tuple():
            return "a mapping" if isinstance(value, Mapping) else "a list"
    return f"the class {value.__name__}" if isinstance(value, type) else f"an object of {type(value).__name__}"
