from __future__ import annotations

import importlib.resources
import json
from typing import Any

import pytest

from cdk_sglang.engine import SglangOptions, extra
from cdk_sglang.engine.flag_spec import FlagSpec
from cdk_sglang.engine.model_base import typed_dests
from cdk_sglang.engine.releases import KNOWN_RELEASES, SGLANG_VERSION, data_file, release_of, rows_of
from tools.flags.differences import differences, text_of

OLDER = KNOWN_RELEASES[:-1]
TYPED = typed_dests(SglangOptions)


def _data(version: str) -> dict[str, Any]:
    file = importlib.resources.files("cdk_sglang.engine") / "data" / data_file(version)
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return data


def _every_option() -> dict[str, FlagSpec]:
    found: dict[str, FlagSpec] = {}
    for version in reversed(KNOWN_RELEASES):
        for spec in release_of(version).options:
            if release_of(version).option(spec.dest) is spec:
                found.setdefault(spec.dest, spec)
    return found


OPTIONS = _every_option()
FREE = sorted(OPTIONS.keys() - TYPED.keys() - extra.FORBIDDEN.keys())


def _any_value(spec: FlagSpec) -> Any:
    if spec.is_switch:
        return True
    if spec.choices:
        return spec.choices[0]
    return {"int": 1, "human_readable_int": 1, "float": 0.5}.get(spec.value_type or "", "[]")


@pytest.mark.parametrize(
    ("version", "options", "absent", "more"),
    [
        ("0.5.17", 474, 85, 28),
        ("0.5.18", 488, 70, 27),
        ("0.5.19", 503, 55, 27),
        ("0.5.20", 494, 41, 4),
        ("0.5.21", 512, 21, 2),
        ("0.5.22", 521, 11, 1),
        ("0.5.23", 531, 0, 0),
    ],
)
def test_a_release_has_as_many_options_as_its_parser(version: str, options: int, absent: int, more: int) -> None:
    assert len(release_of(version).options) == options
    data = _data(version)
    assert (len(data.get("absent", ())), len(data.get("more", ()))) == (absent, more)
    assert f"PyPI wheel sglang {version}" in data["source"]
    assert "read on 2026-" in data["source"]


@pytest.mark.parametrize("version", OLDER)
def test_the_data_of_a_release_are_what_it_differs_by_and_nothing_else(version: str) -> None:
    data = _data(version)
    again = {"source": data["source"], **differences(rows_of(version), rows_of(SGLANG_VERSION))}
    assert again == data
    text = (importlib.resources.files("cdk_sglang.engine") / "data" / data_file(version)).read_text(encoding="utf-8")
    assert text_of(again) == text


def test_the_newest_releases_data_are_as_the_tool_writes_them() -> None:
    text = (importlib.resources.files("cdk_sglang.engine") / "data" / data_file(SGLANG_VERSION)).read_text(
        encoding="utf-8"
    )
    assert text_of(json.loads(text)) == text


@pytest.mark.parametrize("version", KNOWN_RELEASES)
def test_an_extra_option_is_refused_for_exactly_the_releases_without_it(version: str) -> None:
    assert len(FREE) > 400
    for dest in FREE:
        value = _any_value(OPTIONS[dest])
        found = SglangOptions(extra={dest: value}).problems_for("cdk-sglang", sglang_version=version)
        here = release_of(version).option(dest)
        lacks = here is None or not (here.is_switch or not here.choices or value in here.choices)
        assert bool(found) is lacks, (dest, found)
        if here is None:
            assert f"which has no {OPTIONS[dest].flags[0]}" in found[0]
            having = [known for known in KNOWN_RELEASES if release_of(known).option(dest) is not None]
            assert having[0] in found[0]


@pytest.mark.parametrize("version", KNOWN_RELEASES)
def test_a_value_is_refused_for_exactly_the_releases_that_do_not_take_it(version: str) -> None:
    compared = 0
    for dest in FREE:
        here = release_of(version).option(dest)
        if here is None or not here.choices:
            continue
        every = {
            choice for known in KNOWN_RELEASES if (spec := release_of(known).option(dest)) for choice in spec.choices
        }
        for value in sorted(every, key=str):
            found = SglangOptions(extra={dest: value}).problems_for("cdk-sglang", sglang_version=version)
            assert bool(found) is (value not in here.choices), (dest, value, found)
            compared += 1
    assert compared > 300


def test_releases_with_an_option_or_a_value_follow_on_each_other() -> None:
    """The message names the first and the last of them."""

    def gapless(having: list[bool]) -> bool:
        return "0" not in "".join("1" if has else "0" for has in having).strip("0")

    for dest in OPTIONS:
        specs = [release_of(version).option(dest) for version in KNOWN_RELEASES]
        assert gapless([spec is not None for spec in specs]), dest
        assert len({spec.is_switch for spec in specs if spec}) == 1, dest
        assert len({bool(spec.choices) for spec in specs if spec}) == 1, dest
        for value in {choice for spec in specs if spec for choice in spec.choices}:
            assert gapless([spec is not None and value in spec.choices for spec in specs]), (dest, value)


@pytest.mark.parametrize(
    ("version", "known"),
    [
        (None, "0.5.23"),
        ("", "0.5.23"),
        ("nightly", "0.5.23"),
        ("0.5.20", "0.5.20"),
        ("v0.5.20", "0.5.20"),
        ("0.5.20.post1", "0.5.20"),
        ("0.5.16", "0.5.17"),
        ("0.4.9", "0.5.17"),
        ("0.5.24", "0.5.23"),
        ("0.6.0", "0.5.23"),
    ],
)
def test_another_version_is_held_against_the_nearest_known_release(version: str | None, known: str) -> None:
    assert release_of(version).version == known


def test_attention_groups_came_with_a_spelling_of_their_own_in_0_5_22() -> None:
    assert [v for v in KNOWN_RELEASES if release_of(v).option("attn_dp_size") is None] == list(KNOWN_RELEASES[:5])
