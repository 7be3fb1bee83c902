"""`diff_environment`: what a deployment would do, as `cdk-sglang diff`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdk_sglang.cli.mcp.tool import Count, Text, Tool, bounded
from cdk_sglang.cli.mcp.workspace import EnvironmentFile, Workspace
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.validation import Spec

if TYPE_CHECKING:
    from cdk_sglang.cli.diff.changes import Change
    from cdk_sglang.cli.diff.report import DiffReport, Item
    from cdk_sglang.cli.diff.report import Span as Ends

SYNTH_SECONDS: Final = 180
"""Time that the CDK CLI may take; `prod` of this repository takes 8 s on 2 cores."""
_OUTPUT_LINES: Final = 10
"""Last lines of a failed synth that its problem quotes."""
_ITEMS: Final = 30


class CompareEnvironment(Spec):
    """An environment."""

    environment: Text
    """Name, such as prod, or path of its file, below the folder that the server was started in."""


class Span(Spec):
    """Lowest and highest value of a figure."""

    low: float
    """Lowest."""

    high: float
    """Highest."""


class ItemRow(Spec):
    """What happens to one endpoint, component or adapter."""

    kind: str
    """endpoint, component or adapter."""

    name: str
    """Names in the environment's file, from the endpoint on, such as chat/llama."""

    effect: str
    """What a deployment does to it, such as updated in place, new copies, second fleet, replaced or removed."""

    certain: bool
    """Whether it happens in any case, or only if something changes that the deployment finds out."""

    why: list[str]
    """Values that change."""

    minutes: Span | None
    """How long it lasts; null if unknown."""

    usd: Span | None
    """US dollars that further instances cost while it lasts; null if unknown."""

    down_minutes: float | None
    """How long nothing serves; null if something always does, or if unknown."""

    guards: list[str]
    """Alarms that roll the update back."""

    notes: list[str]
    """What else its owner should know."""

    command: str | None
    """Command that a person runs for what a deployment does not do."""


class ResourceRow(Spec):
    """A change of another resource."""

    stack: str
    """Its stack."""

    logical_id: str
    """Its logical id."""

    type: str
    """CloudFormation's type."""

    action: str
    """What happens to it."""


class Difference(Spec):
    """What a deployment would do."""

    environment: str
    """Its name."""

    changes: bool
    """Whether it changes anything."""

    first_deployment: bool
    """Whether no endpoint is deployed yet."""

    questions: list[str]
    """What a person should confirm first: replacements, removals, costs."""

    items: list[ItemRow]
    """Endpoints, each followed by its components and their adapters."""

    more_items: Count
    """Items left out."""

    alarms: list[str]
    """What happens to alarms."""

    more_alarms: Count
    """Alarms left out."""

    other_resources: list[ResourceRow]
    """Changes of other resources."""

    more_other_resources: Count
    """Resources left out."""

    refused: list[str]
    """Why a deployment fails at some of them."""

    stacks_left: list[str]
    """Stacks that stay, and cost money, although the environment no longer has them."""

    usd_per_hour_before: float | None
    """US dollars per hour at full scale as deployed; null if a price is unknown."""

    usd_per_hour_after: float | None
    """The same after the deployment."""


def _diff(query: CompareEnvironment, workspace: Workspace) -> Difference:
    from cdk_sglang.cli.diff.folders import report_of

    file = workspace.environment(query.environment)
    with tempfile.TemporaryDirectory(prefix="cdk-sglang-diff-") as scratch:
        _synthesise(file, Path(scratch))
        return diff_answer(report_of(file.name, Path(scratch), environments=file.folder))


def _synthesise(file: EnvironmentFile, folder: Path) -> None:
    from cdk_sglang.cli import synth

    command = synth.synth_command(synth.cdk_program("diff"), file.name, folder, environments=file.folder)
    ended = synth.run_cdk_within(command, seconds=SYNTH_SECONDS)
    if ended.code == 0:
        return
    if ended.code is None:
        text = f"the synth took more than {SYNTH_SECONDS} s and was stopped; run: make synth ENV={file.name}"
    else:
        last = " | ".join(line.strip() for line in ended.output.splitlines()[-_OUTPUT_LINES:] if line.strip())
        text = f"cannot be synthesised; call check_environment, or run make synth ENV={file.name}. The CDK CLI says: {last}"
    raise ConfigurationError([Problem(file.path, text)])


def diff_answer(report: DiffReport) -> Difference:
    """Return a report as an answer.

    Args:
        report: The report.
    """
    items, more_items = bounded(report.items, _ITEMS)
    alarms, more_alarms = bounded(report.alarms)
    others, more_others = bounded(report.others)
    before, after = report.usd_per_hour or (None, None)
    return Difference(
        environment=report.title,
        changes=not report.is_empty,
        first_deployment=report.is_first,
        questions=bounded(report.questions())[0],
        items=[_item(one) for one in items],
        more_items=more_items,
        alarms=alarms,
        more_alarms=more_alarms,
        other_resources=[_resource(one) for one in others],
        more_other_resources=more_others,
        refused=bounded(report.refused)[0],
        stacks_left=[f"{one.name}: {one.command}" for one in report.left[:_ITEMS]],
        usd_per_hour_before=before,
        usd_per_hour_after=after,
    )


def _item(item: Item) -> ItemRow:
    return ItemRow(
        kind=item.kind,
        name=item.name,
        effect=item.effect.value,
        certain=item.certain,
        why=bounded(item.why)[0],
        minutes=_span(item.minutes),
        usd=_span(item.usd),
        down_minutes=item.down_minutes,
        guards=bounded(item.guards)[0],
        notes=bounded(item.notes)[0],
        command=item.command,
    )


def _span(value: Ends | None) -> Span | None:
    return None if value is None else Span(low=value.low, high=value.high)


def _resource(change: Change) -> ResourceRow:
    return ResourceRow(stack=change.stack, logical_id=change.logical_id, type=change.type, action=change.action)


DIFF_ENVIRONMENT: Final = Tool(
    name="diff_environment",
    title="What a deployment would do",
    description=(
        "Synthesises an environment with the CDK CLI (seconds to minutes) and compares it with what is deployed: what is replaced, started "
        "next to the old or removed, for how long, at what cost. It reads CloudFormation and changes nothing. Use it last, before a person deploys."
    ),
    takes=CompareEnvironment,
    gives=Difference,
    answer=_diff,
    calls_aws=True,
)
