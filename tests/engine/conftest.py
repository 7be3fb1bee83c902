"""The container's entry script and SGLang's parser, small enough to run in a test."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping

import pytest

from cdk_sglang.engine.flag_spec import FlagSpec
from cdk_sglang.engine.flags import find_flag
from cdk_sglang.engine.releases import KNOWN_RELEASES, SGLANG_VERSION, release_of


def _argv(env: Mapping[str, str], *, splits: bool) -> list[str]:
    """Apply the entry script's rules: one flag a variable, true bare, false dropped, several values split only by ours."""
    argv: list[str] = []
    for name, value in env.items():
        assert name.startswith("SM_SGLANG_")
        flag = "--" + name.removeprefix("SM_SGLANG_").lower().replace("_", "-")
        if value.lower() == "false":
            continue
        argv.append(flag)
        if value and value.lower() != "true":
            spec = find_flag(flag.removeprefix("--"))
            argv += value.split(" ") if splits and spec is not None and spec.takes_list else [value]
    return argv


@pytest.fixture
def entry() -> Callable[[Mapping[str, str]], list[str]]:
    return lambda env: _argv(env, splits=True)


@pytest.fixture
def dlc_entry() -> Callable[[Mapping[str, str]], list[str]]:
    return lambda env: _argv(env, splits=False)


def _human_readable_int(text: str) -> int:
    return int(text)


_TYPES: Mapping[str, Callable[[str], object]] = {
    "int": int,
    "human_readable_int": _human_readable_int,
    "float": float,
    "loads": json.loads,
    "json_list_type": json.loads,
}


def _add(parser: argparse.ArgumentParser, spec: FlagSpec) -> None:
    if spec.is_switch:
        action = argparse.BooleanOptionalAction if spec.can_be_negated else "store_true"
        flags = [flag for flag in spec.flags if not flag.startswith("--no-")]
        parser.add_argument(*flags, dest=spec.dest, action=action, default=spec.default)
        return
    parser.add_argument(
        *spec.flags,
        dest=spec.dest,
        type=_TYPES.get(spec.value_type or "", str),
        nargs=spec.nargs,
        choices=list(spec.choices) or None,
        default=spec.default,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise AssertionError(message)


def _parser(version: str) -> _Parser:
    # argparse takes the beginning of a spelling too, which would hide a spelling that a release does not have.
    parser = _Parser(allow_abbrev=False)
    for spec in release_of(version).options:
        _add(parser, spec)
    return parser


@pytest.fixture(scope="session")
def parse_as() -> Callable[[str, list[str]], dict[str, object]]:
    """Parsers of SGLang's releases rebuilt from the flag data; they raise on what SGLang exits with 2 on."""
    parsers = {version: _parser(version) for version in KNOWN_RELEASES}
    return lambda version, argv: vars(parsers[version].parse_args(argv))


@pytest.fixture(scope="session")
def parse(parse_as: Callable[[str, list[str]], dict[str, object]]) -> Callable[[list[str]], dict[str, object]]:
    """The newest release's parser."""
    return lambda argv: parse_as(SGLANG_VERSION, argv)
