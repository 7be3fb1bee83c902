"""One environment of a comparison as Markdown: a table of its parts, one of its costs, what guards it, and what changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cdk_sglang.cli.diff.comparison import HOURS_PER_MONTH, Comparison, Cost
from cdk_sglang.cli.diff.markup import block, code, folded, quoted, table, text
from cdk_sglang.cli.diff.plans import Plan, PlannedComponent
from cdk_sglang.cli.diff.report import DiffReport, Effect, Item
from cdk_sglang.cli.diff.show import counted, lines, span_text
from cdk_sglang.planning.cost import BUDGET
from cdk_sglang.planning.presentation import spread

_HEADINGS: Final = (
    "part",
    "what happens",
    "fits",
    "TTFT ms",
    "TPOT ms",
    "tokens/s of a copy",
    "rolled back by",
)
_BANDS: Final = ("ttft_ms", "tpot_ms", "output_tok_s")
_SHOWN_MOST: Final = 10
"""Prices and new warnings that are shown at once; the rest is folded."""
_FLAT: Final = 0.005


def section(comparison: Comparison, crossed: Sequence[str], *, details: bool, everything: bool) -> str:
    """Return the Markdown of an environment.

    Args:
        comparison: The environment.
        crossed: Bounds that it crosses.
        details: Whether to include changed values and warnings.
        everything: Whether parts that stay as they are have rows too.
    """
    parts = [f"### {code(comparison.environment)}: {verdict(comparison)}"]
    if crossed:
        parts.append(quoted("CAUTION", "\n".join(["**Stopped**", *(f"- {text(one)}" for one in crossed)])))
    if comparison.problems:
        parts.append(quoted("CAUTION", "\n".join(["**It cannot be deployed:**", block(comparison.problems)])))
    parts += [quoted("NOTE", text(note)) for note in comparison.notes]
    if not comparison.is_empty:
        parts += _tables(comparison, everything=everything)
        parts += _warnings(comparison, details=details)
        if details and comparison.report is not None:
            parts.append(folded("what changes, value by value", "\n".join(_changes(comparison.report))))
    return "\n\n".join(part for part in parts if part)


def verdict(comparison: Comparison) -> str:
    """Return the verdict on an environment in a few words.

    Args:
        comparison: The environment.
    """
    if comparison.problems:
        over = all(one.startswith(BUDGET) for one in comparison.problems)
        return (
            "wrong settings" if comparison.is_wrong else "costs more than its budget" if over else "refused by its plan"
        )
    if comparison.state == "removed":
        return "gone from the repository, keeps running"
    if comparison.is_empty:
        return "nothing changes"
    planned = comparison.after is not None and bool(comparison.after.components)
    return ("new, " if comparison.state == "new" else "") + ("fits" if planned else "is not planned")


def dollars(cost: Cost, *, times: float = 1) -> str:
    """Return a cost before and after, with the difference.

    Args:
        cost: The cost, dollars per hour.
        times: Hours.
    """
    if (cost.rise is not None and abs(cost.rise) < _FLAT) or (cost.after is None and not cost.before):
        return _amount(cost.after, times)
    rise = "" if cost.rise is None or not cost.before else f" (**{_signed(cost.rise, times)}**)"
    return f"{_amount(cost.before, times)} → {_amount(cost.after, times)}{rise}"


def _amount(value: float | None, times: float = 1) -> str:
    return "unknown" if value is None else f"{value * times:,.{2 if times == 1 else 0}f}"


def _signed(value: float | None, times: float = 1) -> str:
    if value is None:
        return "unknown"
    return "0" if abs(value) < _FLAT else f"{value * times:+,.{2 if times == 1 else 0}f}"


def _tables(comparison: Comparison, *, everything: bool) -> Iterator[str]:
    rows = list(_rows(comparison, everything=everything))
    if rows:
        yield table(_HEADINGS, rows, numbers=(3, 4, 5))
    yield "\n".join(_alarms(comparison))
    headings = ["size of the fleet", "now, $/h", "after, $/h", "change", "now, $/month", "after, $/month", "change"]
    costs = []
    for cost in comparison.costs:
        by_hours = [
            [_amount(cost.before, hours), _amount(cost.after, hours), _signed(cost.rise, hours)]
            for hours in (1, HOURS_PER_MONTH)
        ]
        costs.append([cost.size, *by_hours[0], *by_hours[1]])
    yield table(headings, costs, numbers=range(1, 7))
    yield "\n".join(_prices(comparison))


def _prices(comparison: Comparison) -> Iterator[str]:
    budget = None if comparison.after is None else comparison.after.budget_usd_per_hour
    if budget is not None:
        yield f"- budget of the environment: {budget:,.2f} $/h at full scale"
    if comparison.report is not None:
        prices = list(comparison.report.prices)
    else:
        prices = [] if comparison.after is None else list(dict.fromkeys(comparison.after.prices()))
    yield from (f"- {text(one)}" for one in prices[:_SHOWN_MOST])
    if len(prices) > _SHOWN_MOST:
        yield f"- and {len(prices) - _SHOWN_MOST} more types"


def _rows(comparison: Comparison, *, everything: bool) -> Iterator[list[str]]:
    if comparison.report is None:
        for name, component in ({} if comparison.after is None else comparison.after.components).items():
            yield [code(name), "unknown", _fits(name, component, comparison.problems), *_bands(None, component), ""]
        return
    hidden = 0
    for item in comparison.report.items:
        quiet = item.effect is Effect.UNTOUCHED
        if quiet and (item.kind == "adapter" or not everything):
            hidden += item.kind != "adapter"
            continue
        yield [_part(item, comparison.after), _effect(item), *_plan_cells(item, comparison), _guards(item)]
    if hidden:
        yield [f"{hidden} more", "untouched", "", "", "", "", ""]


def _part(item: Item, plan: Plan | None) -> str:
    instances = "" if item.kind != "endpoint" or plan is None else plan.instances(item.name)
    if not instances and item.instances is not None and item.effect is Effect.CREATED:
        instances = f"{span_text(item.instances)} x {' or '.join(item.types)}"
    return code(item.name) + (f"<br>{text(instances)}" if instances else "")


def _effect(item: Item) -> str:
    words = item.effect.value if item.effect in {Effect.UNTOUCHED, Effect.IN_PLACE} else f"**{item.effect.value}**"
    phrases = [words if item.certain else f"{words}, if a value turns out to be another one"]
    if item.instances is not None and item.effect is not Effect.CREATED:
        phrases.append(f"{counted(item.instances, 'instance', 'instances')} more meanwhile")
    if item.minutes is not None:
        phrases.append(f"about {span_text(item.minutes)} minutes")
    if item.usd is not None and item.usd.high >= _FLAT:
        phrases.append(f"about {span_text(item.usd, digits=2)} $")
    if item.down_minutes is not None:
        phrases.append(f"**nothing serves for about {item.down_minutes:.0f} minutes**")
    return "<br>".join(phrases)


def _plan_cells(item: Item, comparison: Comparison) -> list[str]:
    before, after = (
        None if plan is None else plan.components.get(item.name) for plan in (comparison.before, comparison.after)
    )
    if item.kind != "component" or item.effect in {Effect.REMOVED, Effect.LEFT}:
        return ["", "", "", ""]
    fits = "unknown: it is not planned" if after is None else _fits(item.name, after, comparison.problems)
    return [fits, *_bands(before, after)]


def _fits(name: str, component: PlannedComponent, problems: Sequence[str]) -> str:
    endpoint, _, word = name.partition("/")
    path = f"endpoints.{endpoint}.components.{word}"
    if any(f"{path}{end}" in problem for problem in problems for end in (".", ":", "[")):
        return "**no**, see above"
    return f"yes: {text(component.requests)}" if component.requests else "yes"


def _bands(before: PlannedComponent | None, after: PlannedComponent | None) -> list[str]:
    cells = []
    for name in _BANDS:
        was, now = (None if side is None else spread(side.band(name)) for side in (before, after))
        cells.append("<br>→ ".join(dict.fromkeys(one for one in (was, now) if one is not None)))
    return cells


def _guards(item: Item) -> str:
    if not item.is_guarded:
        return ""
    if not item.guards:
        return "**no alarm**: whatever answers /ping is kept"
    return "1 alarm" if len(item.guards) == 1 else f"{len(item.guards)} alarms"


def _alarms(comparison: Comparison) -> Iterator[str]:
    """Yield the alarms that roll updates back, once for all parts that the same alarms guard."""
    guarded: dict[tuple[str, ...], list[str]] = {}
    for item in () if comparison.report is None else comparison.report.items:
        if item.is_guarded and item.guards:
            guarded.setdefault(item.guards, []).append(code(item.name))
    for guards, names in guarded.items():
        yield f"- alarms that roll back {', '.join(names)}: {text('; '.join(guards))}"


def _warnings(comparison: Comparison, *, details: bool) -> Iterator[str]:
    new = comparison.new_warnings
    if new:
        more = [] if len(new) <= _SHOWN_MOST else [f"- and {len(new) - _SHOWN_MOST} more"]
        shown = [f"- {text(one)}" for one in new[:_SHOWN_MOST]]
        yield quoted("WARNING", "\n".join(["**New warnings**", *shown, *more]))
    if details and comparison.warnings:
        count = len(comparison.warnings)
        summary = f"{count} warning{'' if count == 1 else 's'}, {len(new)} of them new" if new else f"{count} warnings"
        yield folded(summary, "\n".join(f"- {text(one)}" for one in comparison.warnings))


def _changes(report: DiffReport) -> Iterator[str]:
    for item in report.items:
        if item.effect is Effect.UNTOUCHED:
            continue
        yield f"- {code(item.name)}: {item.effect.value}"
        yield from (f"  - {code(one) if one in item.why else text(one)}" for one in lines(item))
    yield from (f"- {text(one)}" for one in ([] if report.is_first else report.alarms))
    for action, types in report.counts().items():
        counted = ", ".join(f"{count} {code(name)}" for name, count in sorted(types.items()))
        yield f"- other resources {action}: {counted}"
    yield from (f"- refused by AWS: {text(one)}" for one in report.refused)
    yield from (f"- {code(one.name)} stays; delete it with {code(one.command)}" for one in report.left)
    if report.is_empty:
        yield "- nothing that is deployed"
