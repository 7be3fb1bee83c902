"""`extra`: any other option of SGLang, checked against its parser."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cdk_sglang.assets import find_folder
from cdk_sglang.checks import did_you_mean
from cdk_sglang.engine.flags import find_flag, value_problem
from cdk_sglang.engine.releases import Release

_RESERVED = json.loads(
    (find_folder("container", holds="Dockerfile") / "cdk_sglang_container" / "reserved_flags.json").read_text("utf-8")
)

FORBIDDEN: Final[Mapping[str, str]] = {**_RESERVED["refused"], **_RESERVED["refused_by_the_library"]}
"""Options that cannot work behind a SageMaker endpoint, and why; the serving container uses the same file."""


def settings_of(extra: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield (field path, SGLang's name, value) of every extra option that SGLang knows."""
    for name, value in extra.items():
        spec = find_flag(name)
        if spec is not None:
            yield f"extra.{name}", spec.dest, value


def problems(extra: Mapping[str, Any], *, path: str, typed: Mapping[str, str], release: Release) -> dict[str, str]:
    """Return, by name, why no known SGLang release accepts an extra option, or which typed field it has.

    `images.problems`, which knows the image, checks for differences between releases.

    Args:
        extra: Option names and values as the user wrote them.
        path: Path of the options, such as `endpoints.chat.components.llama.server`.
        typed: Field path of every typed option, by SGLang's name.
        release: The release whose options are proposed for an unknown name.
    """
    found: dict[str, str] = {}
    first_use: dict[str, str] = {}
    for name, value in extra.items():
        why = _problem(name, value, path=path, typed=typed, release=release)
        spec = find_flag(name)
        if why is None and spec is not None:
            other = first_use.setdefault(spec.dest, name)
            why = None if other == name else f"is the same option as extra.{other}; keep one"
        if why is not None:
            found[name] = why
    return found


def _problem(name: str, value: Any, *, path: str, typed: Mapping[str, str], release: Release) -> str | None:
    bare = name.lstrip("-")
    if bare != name:
        return f"write it without dashes in front: extra.{bare}"
    spec = find_flag(name)
    if spec is None:
        return f"SGLang {release.version} has no such option; {did_you_mean(name.replace('-', '_'), release.names)}"
    if spec.dest in FORBIDDEN:
        return f"cannot be set: {FORBIDDEN[spec.dest]}"
    if spec.dest in typed:
        return f"has a field of its own; use {path}.{typed[spec.dest]}"
    if name.replace("-", "_").startswith("no_") and spec.can_be_negated:
        return f"write extra.{spec.dest}: false"
    return value_problem(spec.dest, value)
