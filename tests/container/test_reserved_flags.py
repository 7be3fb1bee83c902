"""The options that the container refuses as variables, and the library as extra options: one table, one text."""

from __future__ import annotations

import pytest
from cdk_sglang_container.arguments import RESERVED, build_arguments
from cdk_sglang_container.flags import Arity, Flag, Flags
from cdk_sglang_container.refused import RefusedError
from cdk_sglang_container.settings import Settings

from cdk_sglang.engine import SglangOptions
from cdk_sglang.engine.flags import all_flags

OPTIONS = {spec.dest: spec for spec in all_flags()}
REASON = "cannot be set: "
# The weights' folder is fixed for a component; who runs the image elsewhere may name another.
LIBRARY_ALONE = {"model_path"}


def _flags(*dests: str) -> Flags:
    specs = [OPTIONS[dest] for dest in dict.fromkeys(dests)]
    return Flags(
        Flag(dest=spec.dest, options=spec.flags, arity=Arity.SWITCH if spec.is_switch else Arity.VALUE)
        for spec in specs
    )


def _in_the_container(dest: str) -> str | None:
    """Return why the container refuses the option, or None where it does not."""
    spec = OPTIONS[dest]
    flags = _flags(dest, "attn_dp_size")
    name = spec.flags[0].removeprefix("--").replace("-", "_").upper()
    environment = {f"SM_SGLANG_{name}": "true" if spec.is_switch else "1"}
    try:
        build_arguments(environment, flags=flags, settings=Settings.from_environment({}))
    except RefusedError as refused:
        (problem,) = refused.problems
        return problem.partition(REASON)[2] or None
    return None


def _in_the_library(dest: str) -> str | None:
    """Return why the library refuses the option among `extra`, or None where it does not."""
    value: object = True if OPTIONS[dest].is_switch else "1"
    problems = SglangOptions.model_validate({"extra": {dest: value}}).problems("server")
    return next((problem.partition(REASON)[2] for problem in problems if REASON in problem), None)


@pytest.mark.parametrize("dest", sorted(RESERVED))
def test_a_reserved_option_is_refused_by_both_with_the_same_text(dest: str) -> None:
    assert _in_the_container(dest) == _in_the_library(dest) == RESERVED[dest]


def test_container_and_library_refuse_the_same_options() -> None:
    refused = {dest: (_in_the_container(dest), _in_the_library(dest)) for dest in OPTIONS}
    differing = {dest for dest, (container, library) in refused.items() if container != library}
    assert differing == LIBRARY_ALONE
    assert {dest for dest, (container, _) in refused.items() if container} == RESERVED.keys()


def test_the_container_takes_the_older_spelling_of_attention_groups_where_sglang_has_no_other() -> None:
    environment = SglangOptions(tp_size=8, attn_dp_size=4, enable_metrics=False).environment(sglang_version="0.5.21")
    older = _flags("tp_size", "dp_size", "enable_dp_attention", "uvicorn_access_log_exclude_prefixes")
    arguments = build_arguments(environment, flags=older, settings=Settings.from_environment({}))
    assert arguments[:5] == ["--dp-size", "4", "--enable-dp-attention", "--tp-size", "8"]
