"""Random environments planned and synthesised: both give the same verdict, exit code and lines."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aws_cdk as cdk
from hypothesis import HealthCheck, Phase, given, settings

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.planning import fleet_request
from cdk_sglang.environments.reading import cdk_json_context, load
from cdk_sglang.errors import PlanRefusedError
from cdk_sglang.planning import plan_fleet
from stacks.fleet import add_fleet
from tools.examples import draw_same_examples
from tools.fuzz.environments import environments

_ROOT = Path(__file__).resolve().parents[2]
_DEFAULT_COUNT = 500
_NAME = "fuzz"

Verdict = tuple[int, frozenset[str]]
"""Exit code, and the lines on stderr."""


@dataclass
class Comparison:
    """Environments by the exit code of `plan`, and those of which `synth` says something else."""

    codes: Counter[int] = field(default_factory=Counter)
    different: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        codes = ", ".join(f"{count} with exit code {code}" for code, count in sorted(self.codes.items()))
        return f"plan and synth: {self.codes.total()} environments, {codes}; {len(self.different)} differ"


def drawn(count: int) -> list[dict[str, Any]]:
    """Return random environments, with faults and without; a hypothesis profile always gives the same ones."""
    found: list[dict[str, Any]] = []

    @settings(max_examples=count, phases=[Phase.generate])
    @given(environments(max_faults=1))
    def keep(content: dict[str, Any]) -> None:
        found.append(content)

    keep()
    return found[:count]


def compare(contents: Iterable[dict[str, Any]]) -> Comparison:
    """Plan and synthesise environments, each in an app of its own."""
    comparison = Comparison()
    with TemporaryDirectory() as scratch:
        for content in contents:
            folder = Path(scratch)
            (folder / f"{_NAME}.yaml").write_text(json.dumps(content, default=str), encoding="utf-8")
            plan, synth = planned(folder), synthesised(folder)
            comparison.codes[plan[0]] += 1
            if plan != synth:
                lines = [f"plan alone: {line}" for line in sorted(plan[1] - synth[1])]
                lines += [f"synth alone: {line}" for line in sorted(synth[1] - plan[1])]
                comparison.different.append(
                    "\n".join([json.dumps(content, default=str), f"plan {plan[0]}, synth {synth[0]}", *lines])
                )
    return comparison


def planned(folder: Path) -> Verdict:
    """Return what `cdk-sglang plan` says."""
    try:
        request = fleet_request(_NAME, folder=folder)
    except ConfigurationError as error:
        return 2, frozenset(error.problems)
    problems = plan_fleet(request).problems
    return (1 if problems else 0), frozenset(problem.in_file(request.source) for problem in problems)


def synthesised(folder: Path) -> Verdict:
    """Return what the app says."""
    app = cdk.App(context=cdk_json_context(_ROOT / "cdk.json"))
    try:
        environment = load(_NAME, folder=folder)
        env = cdk.Environment(account=environment.account, region=environment.region)
        add_fleet(app, name=_NAME, settings=environment, source=str(folder / f"{_NAME}.yaml"), env=env)
    except ConfigurationError as error:
        return (1 if isinstance(error, PlanRefusedError) else 2), frozenset(error.problems)
    return 0, frozenset()


def main(count: int) -> int:
    """Compare `count` environments; return 1 if the two commands differ on any."""
    settings.register_profile(
        "fuzz", deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
    )
    settings.load_profile("fuzz")
    draw_same_examples()
    comparison = compare(drawn(count))
    for difference in comparison.different:
        print(difference)
    print(comparison)
    return 1 if comparison.different else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else _DEFAULT_COUNT))
