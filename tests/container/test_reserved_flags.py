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


def _in_the_container(dest: str) -> str | None:
    """Return why the container refuses the option, or None where it does not."""
    spec = OPTIONS[dest]
    flags = Flags([Flag(dest=dest, options=spec.flags, arity=Arity.SWITCH if spec.is_switch else Arity.VALUE)])
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
