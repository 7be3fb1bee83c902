"""The SGLang releases whose argument parsers are known, with the options of each.

`data/` has the newest parser in full, and the differences of each other one; `python -m tools.flags` reads both from PyPI's wheels.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cdk_sglang.engine.flag_spec import FlagSpec

KNOWN_RELEASES: Final = ("0.5.17", "0.5.18", "0.5.19", "0.5.20", "0.5.21", "0.5.22", "0.5.23")
"""Releases whose parser was read from PyPI's wheel (2026-11-30), oldest first."""

SGLANG_VERSION: Final = KNOWN_RELEASES[-1]
"""The release whose parser and checks apply if the image states no release."""

DLC_SGLANG_VERSION: Final = "0.5.17"
"""The release in the AWS Deep Learning Container that is the default (docs/src/data/sglang, read 2026-08-21)."""

_GONE: Final = "DeprecatedAction"
"""The argparse action of options that have no effect except a message that they are retired."""
_CONSTANT: Final = "DeprecatedStoreConstAction"
"""The argparse action of retired switches that store a constant under another option."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Release:
    """A release of SGLang.

    Args:
        version: Such as "0.5.20".
        options: Options of its parser, in its order.
    """

    version: str
    options: tuple[FlagSpec, ...]

    @cached_property
    def _by_dest(self) -> dict[str, FlagSpec]:
        found: dict[str, FlagSpec] = {}
        for spec in self.options:
            if spec.kind != _GONE:
                # The first registration is the option, a later one a retired spelling of it.
                found.setdefault(spec.dest, spec)
        return found

    @cached_property
    def _by_name(self) -> dict[str, FlagSpec]:
        named = (spec for spec in self.options if spec.kind not in {_GONE, _CONSTANT})
        found = {flag.removeprefix("--").replace("-", "_"): spec for spec in named for flag in spec.flags}
        return {**found, **self._by_dest}

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which `spelled` finds an option, with underscores."""
        return tuple(self._by_name)

    def option(self, dest: str) -> FlagSpec | None:
        """Return the option that SGLang stores under a name; `None` if this release has none.

        Args:
            dest: SGLang's name, such as tp_size.
        """
        return self._by_dest.get(dest)

    def spelled(self, name: str) -> FlagSpec | None:
        """Return the option with a spelling; `None` if this release has none.

        Args:
            name: Without dashes in front, with underscores, such as tensor_parallel_size.
        """
        return self._by_name.get(name)


def data_file(version: str) -> str:
    """Return the name of a release's file in `data/`."""
    return f"sglang-{version}-{'flags' if version == SGLANG_VERSION else 'differences'}.json"


@functools.cache
def release_of(version: str | None = None) -> Release:
    """Return the known release nearest to a version: the oldest for older ones, the newest for newer and unknown ones.

    Args:
        version: SGLang's release, such as "0.5.20" or "0.5.20.post1"; `None` for the newest.
    """
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version or "")
    if match is None:
        return _load(SGLANG_VERSION)
    numbers = _numbers(match.group().removeprefix("v"))
    return _load(
        max((known for known in KNOWN_RELEASES if _numbers(known) <= numbers), key=_numbers, default=KNOWN_RELEASES[0])
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _data(version: str) -> Any:
    file = importlib.resources.files(__package__).joinpath("data", data_file(version))
    return json.loads(file.read_text(encoding="utf-8"))


@functools.cache
def _load(version: str) -> Release:
    return Release(version=version, options=tuple(map(_spec_of, rows_of(version))))


def _spec_of(row: Mapping[str, Any]) -> FlagSpec:
    return FlagSpec(
        flags=tuple(row["flags"]),
        dest=row["dest"],
        kind=row["kind"],
        value_type=row.get("type"),
        nargs=row.get("nargs"),
        default=row.get("default"),
        choices=tuple(row.get("choices", ())),
    )


def rows_of(version: str) -> list[Mapping[str, Any]]:
    """Return a known release's options as rows of the data files: those of the newest release with the differences applied.

    Args:
        version: One of `KNOWN_RELEASES`.
    """
    base: list[Mapping[str, Any]] = _data(SGLANG_VERSION)["options"]
    if version == SGLANG_VERSION:
        return base
    differences = _data(version)
    absent, changed = frozenset(differences["absent"]), differences["changed"]
    kept = (row for row in base if row["flags"][0] not in absent)
    return [*(_with(row, changed.get(row["flags"][0], {})) for row in kept), *differences["more"]]


def _with(row: Mapping[str, Any], change: Mapping[str, Any]) -> Mapping[str, Any]:
    lacking = frozenset(change.get("choices_absent", ()))
    plain = {name: value for name, value in change.items() if name not in {"choices_absent", "choices_more"}}
    merged = {**row, **plain}
    if row.get("choices") and "choices" not in plain:
        merged["choices"] = [choice for choice in row["choices"] if choice not in lacking] + change.get(
            "choices_more", []
        )
    return {name: value for name, value in merged.items() if value is not None}
