"""What a deployment does to a component and its adapters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from cdk_sglang.cli.diff.changes import Change
from cdk_sglang.cli.diff.context import Context, reference_words
from cdk_sglang.cli.diff.parts import AdapterPart, ComponentPart, EndpointPart, Part
from cdk_sglang.cli.diff.replacement import FIXED_ON_A_COMPONENT
from cdk_sglang.cli.diff.report import Effect, Item, Span
from cdk_sglang.cli.diff.rollouts import copies_at_once, copy_minutes
from cdk_sglang.cli.diff.values import Reference, differences, references

P = TypeVar("P", bound=Part)
_SPECIFICATION: Final = frozenset({"Specification", "Specifications"})
_FIXED: Final = frozenset(FIXED_ON_A_COMPONENT)
_SCHEDULES: Final = "ScheduledActions"
_LOADED_AGAIN: Final = "SageMaker loads it again on every copy; requests that name it wait or fail meanwhile"


def partners(old: Sequence[P], new: Sequence[P]) -> list[tuple[P | None, P | None]]:
    """Return the parts of both sides that are the same: of one logical id, else of one name, else of one word.

    Args:
        old: Parts as they are.
        new: Parts as they will be.
    """
    rest = list(old)
    found: dict[int, P] = {}
    for key in (_by_id, _by_name, _by_word):
        for number, part in enumerate(new):
            partner = next((one for one in rest if number not in found and key(one) == key(part)), None)
            if partner is not None:
                found[number] = partner
                rest.remove(partner)
    pairs: list[tuple[P | None, P | None]] = [(found.get(number), part) for number, part in enumerate(new)]
    pairs.extend((one, None) for one in rest)
    return pairs


def _by_id(part: Part) -> tuple[str, str]:
    return part.stack, part.logical_id


def _by_name(part: Part) -> tuple[str, str]:
    return part.stack, part.name


def _by_word(part: Part) -> tuple[str, str]:
    return part.stack, part.word


def component_item(
    old: ComponentPart | None,
    new: ComponentPart | None,
    endpoint: EndpointPart,
    context: Context,
    *,
    leaving: Sequence[ComponentPart] = (),
) -> Item:
    """Return what happens to a component.

    Args:
        old: The component as it is; None if it does not exist.
        new: The component as it will be; None if it is removed.
        endpoint: Its endpoint as it will be, or as it is if it is removed too.
        context: What all parts share.
        leaving: Components of the endpoint that are removed.
    """
    if new is None:
        assert old is not None
        name = f"{endpoint.word}/{old.word}"
        return Item(kind="component", name=name, effect=Effect.REMOVED, notes=(f"{old.name} no longer answers",))
    name = f"{endpoint.word}/{new.word}"
    if old is None:
        gpus = Span(low=new.copies[0] * new.gpus, high=new.copies[1] * new.gpus)
        notes = tuple(_room_beside(leaving, endpoint))
        return Item(kind="component", name=name, effect=Effect.CREATED, copies=_copies(new), gpus=gpus, notes=notes)
    why = tuple(dict.fromkeys(_why(old, new, context)))
    moved = _moved(name, "component", old, new, why)
    if moved is not None:
        return moved
    change = context.changes.get((new.stack, new.logical_id))
    if change is not None and change.properties & _FIXED:
        fixed = f"SageMaker cannot change {', '.join(sorted(change.properties & _FIXED))} of a component: the deployment fails"
        return Item(kind="component", name=name, effect=Effect.REFUSED, why=why, notes=(fixed,))
    if change is not None and change.properties & _SPECIFICATION:
        return _new_copies(name, new, endpoint, change, context, why)
    scaled = any((new.stack, one) in context.changes for one in (*old.scaling, *new.scaling))
    return Item(
        kind="component",
        name=name,
        effect=Effect.IN_PLACE if scaled or change is not None else Effect.UNTOUCHED,
        certain=scaled or change is None or change.certain,
        why=why,
    )


def adapter_items(
    old: ComponentPart | None, new: ComponentPart | None, endpoint: EndpointPart, context: Context
) -> Iterator[Item]:
    """Yield what happens to the adapters of a component; arguments as of `component_item`."""
    before = [] if old is None else list(old.adapters.values())
    after = [] if new is None else list(new.adapters.values())
    component = new or old
    assert component is not None
    for one, other in partners(before, after):
        yield _adapter(one, other, f"{endpoint.word}/{component.word}", context)


def _adapter(old: AdapterPart | None, new: AdapterPart | None, base: str, context: Context) -> Item:
    if new is None:
        assert old is not None
        notes = (f"{old.name} no longer answers",)
        return Item(kind="adapter", name=f"{base}/{old.word}", effect=Effect.REMOVED, notes=notes)
    name = f"{base}/{new.word}"
    if old is None:
        return Item(kind="adapter", name=name, effect=Effect.CREATED)
    why = tuple(f"{one}" for one in differences(old.properties, new.properties))
    moved = _moved(name, "adapter", old, new, why)
    if moved is not None:
        return moved
    change = context.changes.get((new.stack, new.logical_id))
    if change is None:
        return Item(kind="adapter", name=name, effect=Effect.UNTOUCHED)
    loads = bool(change.properties & _SPECIFICATION)
    return Item(
        kind="adapter",
        name=name,
        effect=Effect.IN_PLACE,
        certain=change.certain,
        why=(*why, *_through(change)),
        notes=(_LOADED_AGAIN,) if loads else (),
    )


def _moved(name: str, kind: str, old: Part, new: Part, why: tuple[str, ...]) -> Item | None:
    """Return the item of a part whose logical id changes; None if it does not."""
    if old.logical_id == new.logical_id:
        return None
    adapter = kind == "adapter"
    if old.name == new.name:
        clash = f"CloudFormation creates the new {new.name} before it removes the old one, and SageMaker refuses a second of that name"
        return Item(
            kind="adapter" if adapter else "component", name=name, effect=Effect.REFUSED, why=why, notes=(clash,)
        )
    note = f"{old.name} becomes {new.name}: both run until the new one serves, then {old.name} no longer answers"
    return Item(kind="adapter" if adapter else "component", name=name, effect=Effect.REPLACED, why=why, notes=(note,))


def _new_copies(
    name: str, new: ComponentPart, endpoint: EndpointPart, change: Change, context: Context, why: tuple[str, ...]
) -> Item:
    policy = new.properties.get("DeploymentConfig", {})
    copies = _copies(new)
    steps = Span(
        low=copies_at_once(policy, int(max(1, copies.low))) * new.gpus,
        high=copies_at_once(policy, int(max(1, copies.high))) * new.gpus,
    )
    start = context.starts.get((endpoint.word, new.word))
    image = _has_new_image(new, context) or any(text.startswith("image:") for text in why)
    minutes = None if start is None else copy_minutes(policy, copies, start, new_image=image)
    down, notes = _room(new, endpoint, steps, guarded=bool(policy))
    down_minutes: float | None = None
    if down and start is not None:
        down_minutes = (start.copy + (start.image if image else 0)) / 60
    return Item(
        kind="component",
        name=name,
        effect=Effect.REPLACED if down else Effect.NEW_COPIES,
        certain=change.is_certain_in(_SPECIFICATION),
        why=why,
        copies=copies,
        gpus=steps,
        minutes=minutes,
        down_minutes=down_minutes,
        guards=new.guards,
        verified=endpoint.is_verified,
        notes=tuple(notes),
    )


def _room(new: ComponentPart, endpoint: EndpointPart, steps: Span, *, guarded: bool) -> tuple[bool, list[str]]:
    """Return whether the only copy has to stop first, and notes on the room for new copies.

    Args:
        new: The component.
        endpoint: Its endpoint.
        steps: GPUs that a step needs, at the minimum and the maximum number of copies.
        guarded: Whether the component has a rollout.
    """
    per_instance = endpoint.gpus_per_instance
    if per_instance is None:
        return False, ["the endpoint's instance types are unknown here, so it is unknown whether there is room"]
    every = endpoint.components.values()
    total = endpoint.instances[1] * per_instance
    least = max(1, new.copies[0])
    used = sum((least if one is new else one.copies[0]) * one.gpus for one in every)
    most = sum(one.copies[1] * one.gpus for one in every)
    if steps.low > total - used:
        enough = math.ceil((used + steps.low) / per_instance)
        more = f"max_instances: {enough} makes room"
        if guarded:
            return False, [f"no room for a step: the update waits for GPUs and fails; {more}"]
        if least == 1:
            return True, [f"no room next to its copy, which is assumed to stop first: nothing serves meanwhile; {more}"]
        return False, [
            f"no room for all next to the old ones: assumed to be replaced in turn, fewer serve meanwhile; {more}"
        ]
    if steps.high > total - most:
        return False, ["no room for a step at full scale: deploy when fewer copies run"]
    return False, []


def _room_beside(leaving: Sequence[ComponentPart], endpoint: EndpointPart) -> Iterator[str]:
    """Yield notes on the room for new components, which CloudFormation creates before it removes others."""
    per_instance = endpoint.gpus_per_instance
    if not leaving or per_instance is None:
        return
    used = sum(one.copies[0] * one.gpus for one in (*endpoint.components.values(), *leaving))
    if used > endpoint.instances[1] * per_instance:
        names = ", ".join(one.word for one in leaving)
        yield (
            f"no room while {names} still exists, and it is deleted last: max_instances: {math.ceil(used / per_instance)} makes room, "
            "or a deployment without both first"
        )


def _has_new_image(new: ComponentPart, context: Context) -> bool:
    for name in new.models:
        change = context.changes.get((new.stack, name))
        image = new.resources.get(name, {}).get("Properties", {}).get("PrimaryContainer", {}).get("Image")
        moved: Mapping[Reference, bool] = {} if change is None else change.through.get("PrimaryContainer", {})
        if any(part in moved for part in references(image)):
            return True
    return False


def _why(old: ComponentPart, new: ComponentPart, context: Context) -> Iterator[str]:
    """Yield what changes of a component: its models, its share of an instance, its rollout and its scaling."""
    for one, other in zip(_models(old), _models(new), strict=False):
        yield from (f"{part}" for part in differences(one, other))
    if len(_models(old)) != len(_models(new)):
        yield f"models: {len(_models(old))} -> {len(_models(new))}"
    for name in new.models:
        change = context.changes.get((new.stack, name))
        if change is not None:
            yield from _through(change)
    hidden = {"ModelName", "RuntimeConfig"}
    own = (one for one in differences(old.properties, new.properties) if not hidden & set(one.path))
    yield from (f"{part}" for part in own)
    counts = [one.properties.get("RuntimeConfig", {}).get("CopyCount") for one in (old, new)]
    if counts[0] != counts[1] and all(isinstance(one, int | float) for one in counts):
        yield f"copies: {counts[0]} -> {counts[1]}"
    yield from _scaling_words(old, new)


def _scaling_words(old: ComponentPart, new: ComponentPart) -> Iterator[str]:
    if bool(old.scaling) != bool(new.scaling):
        yield "scaling and schedules: new" if new.scaling else "scaling and schedules: gone"
        return
    before, after = _scaling(old), _scaling(new)
    schedules = [[one.get(_SCHEDULES) for one in side.values()] for side in (before, after)]
    if schedules[0] != schedules[1]:
        yield "schedules: changed"
    for name in dict.fromkeys([*before, *after]):
        sides = [
            {key: value for key, value in side.get(name, {}).items() if key != _SCHEDULES} for side in (before, after)
        ]
        yield from (f"{part}" for part in differences(sides[0], sides[1]))


def _scaling(component: ComponentPart) -> Mapping[str, Mapping[str, Any]]:
    """Return the properties of what scales a component, by logical id."""
    return {name: component.resources[name]["Properties"] for name in component.scaling}


def _models(component: ComponentPart) -> list[object]:
    return [component.resources[name]["Properties"] for name in component.models if name in component.resources]


def _through(change: Change) -> Iterator[str]:
    for parts in change.through.values():
        yield from reference_words(parts)


def _copies(component: ComponentPart) -> Span:
    return Span(low=component.copies[0], high=component.copies[1])
