"""Random environments through synth and CDK's own validation in strict mode, many in one app."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from hypothesis import Phase, given, settings

from cdk_sglang import ConfigurationError
from cdk_sglang.environments.reading import cdk_json_context, check
from stacks.checks import cloudformation_validation
from stacks.fleet import add_fleet
from tools.fuzz.environments import environments

_ROOT = Path(__file__).resolve().parents[2]
_BATCH = 25
_WARNINGS = ("cdk-sglang:foreign-reasoning-parser", "cdk-sglang:foreign-tool-call-parser")
"""What random settings may be warned of: in strict mode a warning counts as a failure."""


@dataclass
class Tally:
    """Counts of the results."""

    templates: int = 0
    valid: int = 0
    refused_settings: int = 0
    refused_fleets: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Number of environments."""
        return self.valid + self.refused_settings + self.refused_fleets

    def __str__(self) -> str:
        return (
            f"{self.total} environments: {self.valid} gave {self.templates} valid templates, "
            f"{self.refused_settings + self.refused_fleets} gave settings errors "
            f"({self.refused_fleets} of them only from the constructs), {len(self.failures)} failed"
        )


def collect(count: int) -> list[dict[str, Any]]:
    """Return random environments, `count` of which pass the settings; a hypothesis profile always gives the same ones."""
    found: list[dict[str, Any]] = []
    passing = 0

    @settings(max_examples=4 * count, phases=[Phase.generate])
    @given(environments(max_faults=1))
    def keep(content: dict[str, Any]) -> None:
        nonlocal passing
        if passing < count:
            found.append(content)
            with contextlib.suppress(ConfigurationError):
                check(content, source="environments/fuzz.yaml")
                passing += 1

    keep()
    return found


def synthesise(contents: Iterable[dict[str, Any]], *, report: Callable[[str], None] = lambda _: None) -> Tally:
    """Build and validate environments in batches; a failure is reported with the environment's content."""
    tally = Tally()
    plugin = cloudformation_validation()
    numbered = enumerate(contents)
    while batch := list(itertools.islice(numbered, _BATCH)):
        try:
            _synthesise(batch, plugin, tally)
        except Exception:  # noqa: BLE001  any failure: the loop below finds its environment
            for one in batch:
                try:
                    _synthesise([one], plugin, Tally())
                except Exception as error:  # noqa: BLE001  the failure is reported
                    tally.failures.append(f"{json.dumps(one[1], default=repr)}\n{type(error).__name__}: {error}")
        report(str(tally))
    return tally


def _synthesise(
    batch: list[tuple[int, dict[str, Any]]], plugin: cdk.CloudFormationValidatePlugin, tally: Tally
) -> None:
    app = cdk.App(context=cdk_json_context(_ROOT / "cdk.json"))
    cdk.Validations.of(app).add_plugins(plugin)
    for number, content in batch:
        source = "environments/fuzz.yaml"
        try:
            environment = check(content, source=source)
        except ConfigurationError:
            tally.refused_settings += 1
            continue
        stage = cdk.Stage(app, f"Fuzz{number}")
        for warning in _WARNINGS:
            cdk.Validations.of(stage).acknowledge(
                cdk.Acknowledgment(id=f"Annotation::{warning}", reason="drawn at random")
            )
        env = cdk.Environment(account=environment.account, region=environment.region)
        try:
            # Names of their own: what has the name of another environment's of the app is warned of.
            add_fleet(stage, name=f"f{number}", settings=environment, source=source, env=env)
        except ConfigurationError as error:
            tally.refused_fleets += 1
            tally.failures += [
                f"not a line: {problem!r}"
                for problem in error.problems
                if not (problem.startswith(f"{source}: ") and problem.isprintable())
            ]
            for stack in stage.node.children:  # the stage itself is in the assembly already
                stage.node.try_remove_child(stack.node.id)
            continue
        tally.valid += 1
        tally.templates += len([child for child in stage.node.children if isinstance(child, cdk.Stack)])
    app.synth()
