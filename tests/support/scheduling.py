"""Which worker runs what: SGLang's servers run one after another, beside everything else; the agent is started in one worker.

So are the programs of the engine's Python, which share one import of SGLang.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).parents[2]
ENGINE = "engine"
AGENT = "agent"
PROGRAMS = "programs of the engine"
YOUNG = (
    "tests/tools/check/test_synth_checks.py",
    "tests/stacks/test_showback_stack.py",
    "tests/stacks/agent/test_agent_stack.py",
    "tests/stacks/test_speculative_stack.py",
    "tests/stacks/test_reserved_environment.py",
)
"""Files that load CDK's own validation, which makes node look for garbage again and again: a second each time in a process that has made
thousands of constructs, none of which jsii ever frees, and nothing in a young one."""
LONG = (
    "tests/e2e/deployments/test_readme.py",
    "tests/localcloud/test_cdk_cli.py",
    "tests/e2e/agent/test_intake.py",
    "tests/stacks/test_synth_properties.py",
    "tests/runtime/weights/test_embedded_weights.py",
    "tests/runtime/reservation/test_embedded_reservation.py",
    "tests/localcloud/test_deploy.py",
    "tests/e2e/deployments/test_diff.py",
    "tests/e2e/deployments/test_diff_of_parts.py",
    "tests/e2e/deployments/test_bad_updates.py",
    "tests/stacks/test_settings_properties.py",
    "tests/runtime/emptying/test_embedded_emptying.py",
    "tests/e2e/deployments/test_copies_survive.py",
    "tests/e2e/deployments/test_scaling_cycle.py",
)
"""Files with few tests that take 15 s or more, longest first: left for the end, one worker would wait for the other."""


class EnginesInARow(LoadFileScheduling):
    """`--dist loadfile`, with the files that start SGLang's server as one, those that share the agent as another, and those that share
    an import of SGLang as a third.

    xdist hands out the files with the most tests first, so those with few, long tests would be left for the end, where both workers
    would start engines on the same two cores.
    """

    def _assign_work_unit(self, node: Any) -> None:
        if not self.assigned_work.get(node):  # its first: the queue is whole, or one worker has taken from it
            for file in reversed(YOUNG + LONG):
                if file in self.workqueue:
                    self.workqueue.move_to_end(file, last=False)
            if ENGINE in self.workqueue:
                self.workqueue.move_to_end(ENGINE, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        if starts_engines(file):
            return ENGINE
        if runs_programs(file):
            return PROGRAMS
        return AGENT if file.startswith("tests/agent/") else file


@functools.cache
def starts_engines(file: str) -> bool:
    """Whether the tests of a file, relative to the repository, start SGLang's server."""
    return file.startswith("tests/e2e/engine/") or (
        file.startswith("tests/container/test_") and "EngineServer" in (ROOT / file).read_text(encoding="utf-8")
    )


@functools.cache
def runs_programs(file: str) -> bool:
    """Whether the tests of a file, relative to the repository, run programs as forks of one that has imported SGLang."""
    return file.startswith("tests/container/test_") and "engine_forks.run(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return EnginesInARow(config, log) if config.getoption("dist") == "loadfile" else None
