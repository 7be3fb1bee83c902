"""From two sets of stacks to what a deployment does to each endpoint, component and adapter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from cdk_sglang.cli.assembly import Stack
from cdk_sglang.cli.diff.changes import Change, Key, Pair, pair_stacks, resource_changes
from cdk_sglang.cli.diff.component import adapter_items, component_item, partners
from cdk_sglang.cli.diff.context import Context, Starts, deletion
from cdk_sglang.cli.diff.endpoint import endpoint_item, price_lines, usd_per_hour
from cdk_sglang.cli.diff.order import deployment_order
from cdk_sglang.cli.diff.parts import EndpointPart, alarm_text, find_endpoints
from cdk_sglang.cli.diff.refusals import refusals
from cdk_sglang.cli.diff.report import DiffReport, Effect, Item, LeftStack
from cdk_sglang.hardware import PriceTable

_ALARMS: Final = frozenset({"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"})


def compare(
    before: Iterable[Stack],
    after: Iterable[Stack],
    *,
    title: str,
    starts: Starts | None = None,
    prices: PriceTable | None = None,
) -> DiffReport:
    """Return what deploying some stacks over others does.

    Args:
        before: The stacks as they are.
        after: The stacks as they will be.
        title: Name of the environment, or of the two sides.
        starts: Start-up seconds by endpoint and component, from the plan of the second side; no times by default.
        prices: Prices that take precedence over the package's; none by default.
    """
    pairs = pair_stacks(before, after)
    context = Context(changes=resource_changes(pairs), starts=starts or {}, prices=prices)
    old = list(find_endpoints([one.before for one in pairs if one.before and one.after]).values())
    new = list(find_endpoints([one.after for one in pairs if one.after]).values())
    left = list(find_endpoints([one.before for one in pairs if one.before and not one.after]).values())
    items: list[Item] = []
    covered: set[Key] = set()
    for one, other in partners(old, new):
        items += _endpoint_items(one, other, context)
        for side in filter(None, (one, other)):
            covered |= set(_keys(side))
    items += [_left_item(one) for one in left]
    others = tuple(
        change for key, change in context.changes.items() if key not in covered and not _is_news_of_alarm(change)
    )
    return DiffReport(
        title=title,
        is_first=not (old or left),
        items=tuple(items),
        alarms=tuple(_alarm_lines(pairs, context.changes)),
        others=others,
        refused=tuple(refusals(pairs, context.changes)),
        order=deployment_order(pairs, context.changes),
        left=tuple(
            LeftStack(name=one.name, command=deletion(one.name, one.before.region))
            for one in pairs
            if one.before and not one.after
        ),
        usd_per_hour=_costs([*old, *left], [*new, *left], prices),
        prices=tuple(dict.fromkeys(line for one in (*old, *left, *new) for line in price_lines(one, prices))),
    )


def _endpoint_items(old: EndpointPart | None, new: EndpointPart | None, context: Context) -> Iterator[Item]:
    yield endpoint_item(old, new, context)
    endpoint = new or old
    assert endpoint is not None
    before = list(old.components.values()) if old else []
    pairs = partners(before, list(new.components.values()) if new else [])
    leaving = [one for one, other in pairs if one is not None and other is None]
    for one, other in pairs:
        yield component_item(one, other, endpoint, context, leaving=leaving)
        yield from adapter_items(one, other, endpoint, context)


def _keys(endpoint: EndpointPart) -> Iterator[Key]:
    """Yield the resources that the items of an endpoint cover."""
    names = [endpoint.logical_id, endpoint.config]
    for component in endpoint.components.values():
        names += [component.logical_id, *component.models, *component.scaling]
        names += [adapter.logical_id for adapter in component.adapters.values()]
    yield from ((endpoint.stack, name) for name in names if name is not None)


def _left_item(endpoint: EndpointPart) -> Item:
    return Item(
        kind="endpoint",
        name=endpoint.word,
        effect=Effect.LEFT,
        why=tuple(f"hosts {name}" for name in endpoint.components),
        types=endpoint.types,
        notes=("costs money until its stack is deleted",),
        command=deletion(endpoint.stack, endpoint.region),
    )


def _is_news_of_alarm(change: Change) -> bool:
    """Return whether an alarm changes in more than its tags."""
    return change.type in _ALARMS and (change.action != "updated" or change.properties != {"Tags"})


def _alarm_lines(pairs: Sequence[Pair], changes: Mapping[Key, Change]) -> Iterator[str]:
    stacks = {one.name: one for one in pairs if one.after is not None}
    for (stack, logical_id), change in changes.items():
        if not _is_news_of_alarm(change):
            continue
        pair = stacks[stack]
        side = pair.before if change.action == "removed" else pair.after
        assert side is not None
        text = alarm_text(logical_id, side.template["Resources"][logical_id], whole=True)
        values = "; ".join(f"{one}" for one in change.differences if one.path[0] not in {"AlarmDescription", "Tags"})
        yield f"{change.action}: {text}" + (f" ({values})" if values else "")


def _costs(
    old: Sequence[EndpointPart], new: Sequence[EndpointPart], prices: PriceTable | None
) -> tuple[float, float] | None:
    sums: list[float] = []
    for side in (old, new):
        values = [usd_per_hour(one, one.instances[1], prices) for one in side]
        if any(value is None for value in values):
            return None
        sums.append(sum(value for value in values if value is not None))
    return sums[0], sums[1]
