"""Checks whether an image supports the options: the rules of its entry script, and its SGLang release."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any, Final

from cdk_sglang.engine.fields import OptionFields
from cdk_sglang.engine.flag_spec import FlagSpec
from cdk_sglang.engine.flags import flag_of
from cdk_sglang.engine.releases import KNOWN_RELEASES, SGLANG_VERSION, Release, release_of
from cdk_sglang.engine.rendering import ImageKind, spells_attention_groups_by_switch, text_of
from cdk_sglang.errors import Problem

_OURS: Final = "use the image that cdk-sglang builds (image.build)"

# The AWS entry script looks for these in its arguments joined by spaces to decide whether to add its own (August 2026).
_PRESENCE_TEST = re.compile(r"\s--(port|host|model-path)\s")

# Behaviour of releases without the option (0.5.19 added the other mode, arg_groups/fields/memory.py).
_DONE_ANYWAY: Final = {"hicache_host_memory_mode": "cache"}

_NEAR: Final = 0.8
"""Minimum similarity, as difflib measures it, of a spelling to propose."""


def problems(options: OptionFields, *, image_kind: ImageKind, path: str, version: str) -> list[Problem]:
    """List options that an image's entry script or its SGLang release does not support.

    Args:
        options: The options.
        image_kind: Whose entry script the image has; this project's hands over every valid option.
        path: Path of the options.
        version: SGLang's release in the image.
    """
    release = release_of(version)
    inside = version if release.version == version else f"{version} (compared with {release.version})"
    found = []
    for where, dest, value in options.settings():
        spec = release.option(dest)
        lack = _absent(dest, value, release=release) if spec is None else _choice(spec, value)
        why: str | None = None
        if lack is not None:
            why = f"the image has SGLang {inside}, which {lack.what}; {lack.instead} or {_image_with(lack.releases, image_kind)}"
        elif spec is not None and image_kind == "dlc":
            why = _entry(spec, value)
        if why is not None:
            found.append(Problem(f"{path}.{where}", why))
    return found


@dataclass(frozen=True, kw_only=True)
class _Lack:
    """What a release lacks, the alternative in that release, and the releases that have it."""

    what: str
    instead: str
    releases: list[str]


def _absent(dest: str, value: Any, *, release: Release) -> _Lack | None:
    spec = flag_of(dest)
    if dest == "attn_dp_size" and spells_attention_groups_by_switch(release):
        return None
    if value == _DONE_ANYWAY.get(dest) or (spec.is_switch and not value and not spec.can_be_negated):
        return None
    negated = spec.is_switch and not value
    flag = f"--no-{spec.flags[0].removeprefix('--')}" if negated else spec.flags[0]
    got = "" if spec.is_switch else f", got {text_of(value, spec=spec)}"
    spellings = [known for option in release.options for known in option.flags]
    near = next(iter(difflib.get_close_matches(flag, spellings, n=1, cutoff=_NEAR)), None)
    nearest = "" if near is None else f" (the nearest it has is {near})"
    having = [known for known in KNOWN_RELEASES if release_of(known).option(dest) is not None]
    return _Lack(what=f"has no {flag}{nearest}{got}", instead="leave it out", releases=having)


def _choice(spec: FlagSpec, value: Any) -> _Lack | None:
    if spec.is_switch or not spec.choices:
        return None
    for item in value if isinstance(value, list | tuple) else [value]:
        options = {known: release_of(known).option(spec.dest) for known in KNOWN_RELEASES}
        having = [known for known, option in options.items() if option is not None and item in option.choices]
        # A value that no release accepts is refused whatever the image.
        if item not in spec.choices and having:
            instead = f"choose from {', '.join(map(str, spec.choices))}"
            return _Lack(what=f"does not take {item}", instead=instead, releases=having)
    return None


def _image_with(releases: list[str], image_kind: ImageKind) -> str:
    """Return advice on images with one of these releases, which are consecutive (a test checks this)."""
    first, last = releases[0], releases[-1]
    span = first if first == last else f"{first} or newer" if last == SGLANG_VERSION else f"{first} to {last}"
    ours = (
        ", such as the one that cdk-sglang builds (image.build)"
        if image_kind == "dlc" and last == SGLANG_VERSION
        else ""
    )
    return f"use an image with SGLang {span}{ours}"


def _entry(spec: FlagSpec, value: Any) -> str | None:
    """Return why the AWS container's entry script cannot pass a value on; None if it can."""
    if spec.is_switch:
        return None
    if spec.takes_list and isinstance(value, list | tuple) and len(value) > 1:
        return f"the AWS container hands over one value per flag, got {len(value)}; {_OURS}"
    if _PRESENCE_TEST.search(f" {text_of(value, spec=spec)} "):
        return f"the AWS container would take this text for a flag of its own; {_OURS}"
    return None
