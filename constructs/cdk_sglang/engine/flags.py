"""SGLang's options by name over all known releases; an option is that of the newest release that has it.

`releases` has the options and allowed values of each release.
"""

from __future__ import annotations

import functools
from typing import Any

from cdk_sglang.engine.flag_spec import ExtraScalar, FlagSpec
from cdk_sglang.engine.releases import KNOWN_RELEASES, SGLANG_VERSION, release_of


def all_flags() -> tuple[FlagSpec, ...]:
    """Return every option of the newest release's parser, in its order."""
    return release_of(SGLANG_VERSION).options


@functools.cache
def _found(name: str) -> FlagSpec | None:
    releases = map(release_of, reversed(KNOWN_RELEASES))
    return next((spec for release in releases if (spec := release.spelled(name)) is not None), None)


def find_flag(name: str) -> FlagSpec | None:
    """Return an option by any spelling of any release, without dashes in front (`tp_size`, `tp-size`, `tensor-parallel-size`).

    A spelling that newer releases have retired is found too; its `dest` is the name under which they know the option.
    """
    return _found(name.replace("-", "_"))


@functools.cache
def flag_of(dest: str) -> FlagSpec:
    """Return an option by the name SGLang stores it under, as the newest release has it; `KeyError` when there is none."""
    for version in reversed(KNOWN_RELEASES):
        spec = release_of(version).option(dest)
        if spec is not None:
            return spec
    raise KeyError(dest)


def value_problem(dest: str, value: ExtraScalar | list[Any]) -> str | None:
    """Return why no known release accepts a value of an option; `None` if one does.

    Args:
        dest: The option.
        value: What the user wrote.
    """
    options = [release_of(version).option(dest) for version in reversed(KNOWN_RELEASES)]
    reasons = [option.problem_with(value) for option in options if option is not None]
    return reasons[0] if all(reasons) else None
