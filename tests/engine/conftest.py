"""The container's entry script and SGLang's parser, small enough to run in a test."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping

import pytest

from cdk_sglang.engine.flags import FlagSpec, all_flags, find_flag


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


@pytest.fixture(scope="session")
def parse() -> Callable[[list[str]], dict[str, object]]:
    """SGLang's parser rebuilt from the flag data; it raises on what SGLang exits with 2 on."""

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> None:  # type: ignore[override]
            raise AssertionError(message)

    parser = Parser()
    for spec in all_flags():
        _add(parser, spec)
    return lambda argv: vars(parser.parse_args(argv))
