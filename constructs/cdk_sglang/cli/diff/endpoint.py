"""What a deployment does to an endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cdk_sglang.cli.diff.context import Context, reference_words
from cdk_sglang.cli.diff.parts import EndpointPart
from cdk_sglang.cli.diff.report import Effect, Item, Span
from cdk_sglang.cli.diff.rollouts import FleetUpdate, StartSeconds
from cdk_sglang.cli.diff.values import Reference, differences
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import GpuInstance, PriceTable, price_usd_per_hour

_CONFIG = frozenset({"EndpointConfigName"})
_COPIES_UNKNOWN = "AWS does not document what happens to the copies on the old instances meanwhile"


def endpoint_item(old: EndpointPart | None, new: EndpointPart | None, context: Context) -> Item:
    """Return what happens to an endpoint.

    Args:
        old: The endpoint as it is; None if it does not exist.
        new: The endpoint as it will be; None if it is removed.
        context: What all parts share.
    """
    if new is None:
        assert old is not None
        return Item(kind="endpoint", name=old.word, effect=Effect.REMOVED, types=old.types)
    if old is None:
        return Item(
            kind="endpoint", name=new.word, effect=Effect.CREATED, types=new.types, instances=_span(new.instances)
        )
    why = tuple(dict.fromkeys(_why(old, new, context)))
    if old.logical_id != new.logical_id and old.name == new.name:
        clash = f"CloudFormation creates the new {new.name} before it removes the old one, and SageMaker refuses a second of that name"
        return Item(kind="endpoint", name=new.word, effect=Effect.REFUSED, why=why, notes=(clash,))
    change = context.changes.get((new.stack, new.logical_id))
    if old.logical_id != new.logical_id or (change is not None and change.action == "replaced"):
        moved = f"{old.name} becomes {new.name}: both run until the new one serves, then {old.name} no longer answers"
        return _lasting(old, new, context, Effect.REPLACED, why=why, certain=True, notes=(moved,))
    if change is not None and change.properties & _CONFIG:
        second = FleetUpdate.of(new.properties.get("DeploymentConfig", {})).batch_percent is None
        return _lasting(
            old,
            new,
            context,
            Effect.SECOND_FLEET if second else Effect.BATCHES,
            why=why,
            certain=change.is_certain_in(_CONFIG),
            notes=(_COPIES_UNKNOWN,) if new.components else (),
        )
    touched = change is not None or (new.stack, new.config or "") in context.changes
    return Item(kind="endpoint", name=new.word, effect=Effect.IN_PLACE if touched else Effect.UNTOUCHED, why=why)


def usd_per_hour(endpoint: EndpointPart, instances: float, prices: PriceTable | None) -> float | None:
    """Return what instances of an endpoint cost; 0 for reserved ones, which are already paid; None if a price is unknown.

    Args:
        endpoint: The endpoint; the most expensive of its types counts.
        instances: Number of instances.
        prices: Prices that take precedence over the package's.
    """
    if endpoint.is_reserved:
        return 0
    known = []
    for name in endpoint.types:
        try:
            price = price_usd_per_hour(GpuInstance.named(name), endpoint.region or "", table=prices)
        except ConfigurationError:
            return None
        if price is None:
            return None
        known.append(price.usd_per_hour)
    return instances * max(known) if known else None


def price_lines(endpoint: EndpointPart, prices: PriceTable | None) -> Iterator[str]:
    """Yield what an instance of each type of an endpoint costs, with the price's kind, Region, date and file.

    Args:
        endpoint: The endpoint.
        prices: Prices that take precedence over the package's.
    """
    for name in endpoint.types:
        try:
            price = price_usd_per_hour(GpuInstance.named(name), endpoint.region or "", table=prices)
        except ConfigurationError:
            price = None
        if endpoint.is_reserved:
            yield f"{name} of {endpoint.word}: reserved, and paid already"
        else:
            yield f"{name}: no price is known" if price is None else f"{name}: {price.words}"


def _lasting(
    old: EndpointPart,
    new: EndpointPart,
    context: Context,
    effect: Effect,
    *,
    why: tuple[str, ...],
    certain: bool,
    notes: tuple[str, ...],
) -> Item:
    """Return an item with the instances that run in addition to the others, for how long, and what they cost."""
    update = FleetUpdate.of({} if effect is Effect.REPLACED else new.properties.get("DeploymentConfig", {}))
    # The new fleet is as large as the old one, within the bounds of the new configuration.
    least, most = new.instances
    counts = [min(max(count, least), most) for count in old.instances]
    further = Span(low=update.further(counts[0]), high=update.further(counts[1]))
    start = _slowest(new, context)
    minutes: Span | None = None
    usd: Span | None = None
    if start is not None:
        low, high = (update.minutes(count, start) for count in counts)
        minutes = Span(low=low, high=high)
        costs = [usd_per_hour(new, further.low, context.prices), usd_per_hour(new, further.high, context.prices)]
        if costs[0] is not None and costs[1] is not None:
            usd = Span(low=costs[0] * low / 60, high=costs[1] * high / 60)
    if new.is_reserved:
        notes = (*notes, "the reservation has to have that many instances free")
    return Item(
        kind="endpoint",
        name=new.word,
        effect=effect,
        certain=certain,
        why=why,
        instances=further,
        types=new.types,
        minutes=minutes,
        usd=usd,
        guards=new.guards,
        verified=new.is_verified,
        notes=notes,
    )


def _slowest(endpoint: EndpointPart, context: Context) -> StartSeconds | None:
    """Return the start of the component that takes longest; None if one is not planned."""
    starts = [context.starts.get((endpoint.word, name)) for name in endpoint.components]
    known = [one for one in starts if one is not None]
    return max(known, key=lambda one: one.copy) if known and len(known) == len(starts) else None


def _why(old: EndpointPart, new: EndpointPart, context: Context) -> Iterator[str]:
    before = old.resources.get(old.config or "", {}).get("Properties", {})
    after = new.resources.get(new.config or "", {}).get("Properties", {})
    for difference in differences(before, after):
        yield f"{difference}"
    for difference in differences(_own(old), _own(new)):
        yield f"{difference}"
    for name in filter(None, (new.config, new.logical_id)):
        change = context.changes.get((new.stack, name))
        through: Mapping[str, Iterable[Reference]] = {} if change is None else change.through
        for prop, parts in through.items():
            if prop not in _CONFIG:
                yield from reference_words(parts)


def _own(endpoint: EndpointPart) -> dict[str, object]:
    return {name: value for name, value in endpoint.properties.items() if name not in _CONFIG}


def _span(values: tuple[int, int]) -> Span:
    return Span(low=values[0], high=values[1])
