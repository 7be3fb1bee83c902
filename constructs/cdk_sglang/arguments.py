"""Checks of public functions' arguments against their annotations: a value that does not fit raises a `ConfigurationError`.

The annotation is the rule, so that a type is stated only once. Values that are known only at deployment pass, in CDK's encoding; code that needs
the value itself refuses them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, ParamSpec, TypeVar

from cdk_sglang.argument_kinds import Kind, kind_of
from cdk_sglang.checks import did_you_mean
from cdk_sglang.errors import ConfigurationError, Problem

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)


class _Shape:
    """Parameters of a function, and the values that each accepts."""

    def __init__(self, function: Callable[..., object], but: Collection[str]) -> None:
        self.signature = inspect.signature(function)
        self.kinds: dict[str, Kind] = {}
        self.options: dict[str, Kind] | None = None
        self._rest = ""
        names = inspect.unwrap(function).__globals__ if inspect.isroutine(function) else {}
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self.options, self._rest = _options_of(parameter.annotation, names), name
            elif parameter.annotation is not inspect.Parameter.empty and name not in but:
                self.kinds[name] = kind_of(parameter.annotation, names)

    def problems(self, path: str, arguments: dict[str, Any]) -> list[Problem]:
        """Return the arguments that do not fit, each line beginning with the path."""
        problems = []
        for name, kind in self.kinds.items():
            if name in arguments and not kind.takes(arguments[name]):
                problems += kind.problems(f"{path.format_map(arguments)}.{name}", arguments[name])
        if self.options is None:
            return problems
        for name, value in arguments.get(self._rest, {}).items():
            if name not in self.options:
                problems.append(
                    Problem(
                        f"{path.format_map(arguments)}.{name}", f"no such option; {did_you_mean(name, self.options)}"
                    )
                )
            elif not self.options[name].takes(value):
                problems += self.options[name].problems(f"{path.format_map(arguments)}.{name}", value)
        return problems


def _options_of(annotation: str, names: dict[str, Any]) -> dict[str, Kind] | None:
    """Return the values that the keys of `**options: Unpack[...]` accept; None if they are not annotated so."""
    owner = names.get(annotation.removeprefix("Unpack[").removesuffix("]"))
    return (
        None
        if owner is None
        else {key: kind_of(text.__forward_arg__, names) for key, text in owner.__annotations__.items()}
    )


def checked(path: str = "", *, but: Collection[str] = ()) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the arguments of a function against their annotations before it runs; annotations are strings (`from __future__`).

    Args:
        path: Prefix of the lines, with arguments in braces, such as "{construct_id}"; the function's own name by default.
        but: Arguments to skip because their own check has a better message.

    Raises:
        ConfigurationError: Raised by the function, with a line for every argument that does not fit.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        shape = functools.cache(lambda: _Shape(function, but))
        begin = path or function.__qualname__.removesuffix(".__init__")

        @functools.wraps(function)
        def with_checks(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                arguments = shape().signature.bind(*args, **kwargs).arguments
            except TypeError:  # too many or missing arguments: Python's message is better
                return function(*args, **kwargs)
            problems = shape().problems(begin, arguments)
            if problems:
                raise ConfigurationError(problems)
            return function(*args, **kwargs)

        return with_checks

    return decorate


def checked_fields(cls: C) -> C:
    """Check the arguments of a dataclass against the annotations of its fields, before `__post_init__` uses them."""
    cls.__init__ = checked(cls.__name__)(cls.__init__)  # type: ignore[misc]  # a constructor is replaced
    return cls
