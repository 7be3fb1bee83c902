"""What deploying an assembly does, over another one or over what is deployed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cdk_sglang.cli.assembly import Stack, read_assembly
from cdk_sglang.cli.diff.compare import compare
from cdk_sglang.cli.diff.report import DiffReport
from cdk_sglang.cli.diff.rollouts import StartSeconds
from cdk_sglang.cli.own import own_prices
from cdk_sglang.environments.location import ENVIRONMENTS


def report_of(
    env: str | None, folder: Path, *, before: Path | None = None, environments: Path | None = None
) -> DiffReport:
    """Return what deploying an assembly does.

    Args:
        env: Name of the environment; None between two folders.
        folder: Folder of the assembly.
        before: Folder of the assembly that counts as deployed; by default what AWS returns.
        environments: Folder of the environments, with the user's prices.
    """
    stacks: Sequence[Stack] = read_assembly(folder)
    if before is not None:
        deployed = read_assembly(before)
    else:
        from cdk_sglang.cli.diff.deployed import deployed_stacks

        deployed, stacks = deployed_stacks(stacks, environment=str(env))
    title = env or f"{before} -> {folder}"
    return report_between(deployed, stacks, title=title, folder=folder, environments=environments)


def report_between(
    before: Sequence[Stack], after: Sequence[Stack], *, title: str, folder: Path, environments: Path | None
) -> DiffReport:
    """Return what deploying some stacks over others does.

    Args:
        before: The stacks as they are.
        after: The stacks as they will be.
        title: Name of the environment, or of the two sides.
        folder: Folder with the plan of the second side.
        environments: Folder of the environments, with the user's prices.
    """
    return compare(
        before,
        after,
        title=title,
        starts=_starts(folder),
        prices=own_prices(folder=environments or ENVIRONMENTS),
    )


def _starts(folder: Path) -> Mapping[tuple[str, str], StartSeconds]:
    """Return the start-up seconds of the plan in an assembly's folder; none without a plan."""
    try:
        plan: Mapping[str, Any] = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {
        (endpoint["name"], component["name"]): StartSeconds.of_plan(component["start_up"])
        for endpoint in plan.get("endpoints", ())
        for component in endpoint["components"]
    }
