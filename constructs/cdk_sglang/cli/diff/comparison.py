"""The comparison of one environment: what a deployment does, the plan of both sides, their costs and their warnings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

from cdk_sglang.cli.diff.plans import Plan
from cdk_sglang.cli.diff.report import DiffReport, Effect
from cdk_sglang.planning.fleet_plan import Range

FULL_SCALE: Final = "full scale"
HOURS_PER_MONTH: Final = 730
"""As the AWS Pricing Calculator counts (https://aws.amazon.com/calculator/calculator-assumptions, read 2026-12)."""

State = Literal["both", "new", "removed"]
"""Which sides have the environment."""
_Ranges = Sequence[Range | None] | None
"""Costs of endpoints, each None without a price; None if the endpoints themselves are unknown."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Dollars per hour at one size of the fleet.

    Attributes:
        size: The size, in words.
        before: Dollars per hour as it is; None if unknown.
        after: Dollars per hour as it will be; None if unknown.
    """

    size: str
    before: float | None
    after: float | None

    @property
    def rise(self) -> float | None:
        """Dollars per hour more than before; negative if less; None if unknown."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One environment on both sides.

    Attributes:
        environment: Its name, or the two folders.
        report: What a deployment does; None if a side cannot be synthesised.
        before: The plan as it is; None if unknown.
        after: The plan as it will be; None if unknown.
        state: Which sides have the environment.
        problems: Why it cannot be deployed, or compared.
        is_wrong: Whether the problems are wrong settings, not the plan's refusal.
        notes: What a reader should know of the comparison.
        warnings: Warnings of the constructs and the plan.
        new_warnings: Those of them that the other side does not have.
    """

    environment: str
    report: DiffReport | None
    before: Plan | None = None
    after: Plan | None = None
    state: State = "both"
    problems: tuple[str, ...] = ()
    is_wrong: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    new_warnings: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes: neither what is deployed, nor what the plan says about it."""
        if self.report is None or not self.report.is_empty or self.state != "both" or self.problems:
            return False
        return self.costs[-1].rise in {None, 0} and not self.new_warnings

    @cached_property
    def costs(self) -> tuple[Cost, ...]:
        """Minimum, typical and full-scale dollars per hour, or only those at full scale if an endpoint is not planned.

        Endpoints whose stacks stay although they are no longer in the file continue to cost money.
        """
        if self.report is None:
            after = None if self.after is None else self.after.costs.values()
            return _by_size([] if self.state == "new" else None, None if after is None else list(after))
        left = _endpoints(self.report, only=(Effect.LEFT,))
        old = _endpoints(self.report, without=(Effect.CREATED,))
        new = _endpoints(self.report, without=(Effect.REMOVED, Effect.LEFT))
        before = self.before.costs if self.before is not None else {} if self.state == "new" else None
        after_costs = self.after.costs if self.after is not None else {} if self.state == "removed" else None
        if before is None or after_costs is None or {*old, *left} - set(before) or set(new) - set(after_costs):
            both = self.report.usd_per_hour
            return (Cost(size=FULL_SCALE, before=both and both[0], after=both and both[1]),)
        return _by_size(
            [before[name] for name in old],
            [*(after_costs[name] for name in new), *(before[name] for name in left)],
        )

    @property
    def full_scale(self) -> Cost:
        """The cost when every endpoint has grown to its maximum."""
        return self.costs[-1]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as JSON members, for other programs."""
        content: Mapping[str, Any] = {"title": self.environment} if self.report is None else self.report.as_json()
        return {
            **content,
            "environment": self.environment,
            "sides": self.state,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "usd_per_hour": {cost.size: [cost.before, cost.after] for cost in self.costs},
            "warnings": list(self.warnings),
            "new_warnings": list(self.new_warnings),
            "plans": {
                side: None if plan is None else plan.members
                for side, plan in (("before", self.before), ("after", self.after))
            },
        }


def compared(
    environment: str,
    report: DiffReport,
    *,
    before: Path | None,
    after: Path | None,
    state: State = "both",
    notes: Iterable[str] = (),
) -> Comparison:
    """Return a comparison of two assemblies.

    Args:
        environment: Name of the environment, or of the two sides.
        report: What a deployment does.
        before: Folder of the assembly as it is; None if only its templates are known, or there is none.
        after: Folder of the assembly as it will be; None if there is none.
        state: Which sides have the environment.
        notes: What a reader should know of the comparison.
    """
    plans = [None if folder is None else Plan.beside(folder) for folder in (before, after)]
    old, new = (_warnings(folder, plan) for folder, plan in zip((before, after), plans, strict=True))
    comparison = Comparison(
        environment=environment,
        report=report,
        before=plans[0],
        after=plans[1],
        state=state,
        notes=tuple(notes),
        warnings=tuple(new),
        new_warnings=tuple(one for one in new if one not in old) if before is not None else (),
    )
    known = comparison.full_scale
    both = None if known.before is None or known.after is None else (known.before, known.after)
    return dataclasses.replace(comparison, report=dataclasses.replace(report, usd_per_hour=both))


def planned(environment: str, plan_text: str, **known: Any) -> Comparison:
    """Return what is known of an environment that has a plan, but no templates.

    Args:
        environment: Name of the environment.
        plan_text: The plan, as JSON.
        known: Attributes of the comparison.
    """
    return Comparison(environment=environment, report=None, after=Plan(members=json.loads(plan_text)), **known)


def _warnings(folder: Path | None, plan: Plan | None) -> list[str]:
    from cdk_sglang.cli.assembly import read_warnings

    found = [] if plan is None else list(plan.warnings)
    construct_warnings = [] if folder is None else read_warnings(folder)
    texts = {one.partition(": ")[2] for one in found}
    # Constructs repeat what the plan says, below their own path.
    return [*found, *(one for one in construct_warnings if one.partition(": ")[2] not in texts)]


def _endpoints(report: DiffReport, *, only: Iterable[Effect] = (), without: Iterable[Effect] = ()) -> list[str]:
    inclusions, exclusions = set(only), set(without)
    return [
        item.name
        for item in report.items
        if item.kind == "endpoint" and (not inclusions or item.effect in inclusions) and item.effect not in exclusions
    ]


def _by_size(before: _Ranges, after: _Ranges) -> tuple[Cost, ...]:
    """Return the sums of ranges by size of the fleet."""
    sizes = (("fewest instances", "low"), ("typical", "typical"), (FULL_SCALE, "high"))
    return tuple(Cost(size=words, before=_sum(before, name), after=_sum(after, name)) for words, name in sizes)


def _sum(ranges: _Ranges, name: str) -> float | None:
    if ranges is None or any(one is None for one in ranges):
        return None
    return float(sum(getattr(one, name) for one in ranges))
