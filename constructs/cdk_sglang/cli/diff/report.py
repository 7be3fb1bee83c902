"""The results of `cdk-sglang diff`, as values."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cdk_sglang.cli.diff.changes import Change


class Effect(enum.StrEnum):
    """What a deployment does to an endpoint, a component or an adapter."""

    UNTOUCHED = "untouched"
    IN_PLACE = "updated in place"
    NEW_COPIES = "new copies"
    SECOND_FLEET = "second fleet"
    BATCHES = "instances in batches"
    REPLACED = "replaced"
    CREATED = "created"
    REMOVED = "removed"
    LEFT = "no longer in the file, keeps running"
    REFUSED = "refused by AWS"


_INTERRUPTS = frozenset({Effect.REPLACED, Effect.REMOVED, Effect.REFUSED})
_COSTS = frozenset({Effect.SECOND_FLEET, Effect.BATCHES})


@dataclass(frozen=True, kw_only=True)
class Span:
    """Lowest and highest value of a figure."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Item:
    """What happens to one endpoint, component or adapter.

    Attributes:
        kind: Kind of the part.
        name: Names in the environment's file, from the endpoint on, such as chat/llama.
        effect: What a deployment does to it.
        certain: Whether it happens in any case, or only if something changes that the deployment finds out.
        why: Values that change.
        copies: Copies that are replaced, minimum and maximum.
        gpus: GPUs that a step needs in addition to the serving copies, at the minimum and at the maximum number of copies.
        instances: Further instances while it lasts.
        types: Their instance types.
        minutes: How long it lasts; None if the plan knows no start-up time.
        usd: Dollars that the further instances cost while it lasts; None if price or time is unknown.
        down_minutes: How long nothing serves; None if something always does, or if unknown.
        guards: Alarms that trigger a rollback of the update.
        verified: Whether the deployment is checked against the specification afterwards.
        notes: What else its owner should know.
        command: Command that does what a deployment does not.
    """

    kind: Literal["endpoint", "component", "adapter"]
    name: str
    effect: Effect
    certain: bool = True
    why: tuple[str, ...] = ()
    copies: Span | None = None
    gpus: Span | None = None
    instances: Span | None = None
    types: tuple[str, ...] = ()
    minutes: Span | None = None
    usd: Span | None = None
    down_minutes: float | None = None
    guards: tuple[str, ...] = ()
    verified: bool = False
    notes: tuple[str, ...] = ()
    command: str | None = None

    @property
    def is_guarded(self) -> bool:
        """Whether alarms matter: new containers are started in addition to serving ones or instead of them."""
        return self.kind != "adapter" and self.effect in {
            Effect.NEW_COPIES,
            Effect.SECOND_FLEET,
            Effect.BATCHES,
            Effect.REPLACED,
        }

    def as_json(self) -> dict[str, Any]:
        """Return the item as JSON members, for other programs."""

        def span(value: Span | None) -> list[float] | None:
            return None if value is None else [value.low, value.high]

        return {
            "kind": self.kind,
            "name": self.name,
            "effect": self.effect.value,
            "certain": self.certain,
            "why": list(self.why),
            "copies": span(self.copies),
            "gpus_beside": span(self.gpus),
            "instances_beside": span(self.instances),
            "instance_types": list(self.types),
            "minutes": span(self.minutes),
            "usd": span(self.usd),
            "down_minutes": self.down_minutes,
            "guards": list(self.guards),
            "verified": self.verified,
            "notes": list(self.notes),
            "command": self.command,
        }


@dataclass(frozen=True, kw_only=True)
class LeftStack:
    """A stack that a deployment leaves alone, since it is no longer part of the environment."""

    name: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """The order of a deployment.

    Attributes:
        fleet_first: Whether the fleet is deployed before the foundation.
        why: Why; empty in the usual order.
        problems: Why no order works, each with the next step.
    """

    fleet_first: bool = False
    why: str = ""
    problems: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the order as JSON members, for other programs."""
        return {"fleet_first": self.fleet_first, "why": self.why or None, "problems": list(self.problems)}


@dataclass(frozen=True, kw_only=True)
class DiffReport:
    """What a deployment would do to an environment.

    Attributes:
        title: Name of the environment, or the two folders.
        is_first: Whether no endpoint is deployed yet.
        items: Endpoints, each followed by its components, each followed by its adapters.
        alarms: What happens to alarms, one line each.
        others: Changes of all other resources.
        refused: Why a deployment fails at some resources, each with the next step.
        order: In which order foundation and fleet are deployed.
        left: Stacks that stay although they are no longer part of the environment.
        usd_per_hour: Cost at full scale, before and after; None if a price is unknown.
        prices: Price of each instance type of both sides, with its date, one line each.
    """

    title: str
    is_first: bool
    items: tuple[Item, ...]
    alarms: tuple[str, ...]
    others: tuple[Change, ...]
    refused: tuple[str, ...]
    order: Order
    left: tuple[LeftStack, ...]
    usd_per_hour: tuple[float, float] | None
    prices: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether a deployment changes nothing."""
        return not (self.alarms or self.others) and all(
            item.effect in {Effect.UNTOUCHED, Effect.LEFT} for item in self.items
        )

    def obstacles(self) -> list[str]:
        """Return why the deployment must not be started: what AWS refuses, and networks that endpoints cannot leave in time."""
        items = [f"{item.name}: {'; '.join(item.notes)}" for item in self.items if item.effect is Effect.REFUSED]
        return [*items, *self.refused, *self.order.problems]

    def questions(self) -> list[str]:
        """Return what a person should confirm before the deployment: replacements, removals, and costs."""
        if self.is_first:
            return []
        found = [
            f"{item.name}: {item.effect}"
            for item in self.items
            if item.effect in _INTERRUPTS or (item.effect in _COSTS and item.usd != Span(low=0, high=0))
        ]
        found += self._lost_resources()
        if self.usd_per_hour is not None and self.usd_per_hour[1] > self.usd_per_hour[0]:
            before, after = self.usd_per_hour
            found.append(f"at full scale {after:,.2f} instead of {before:,.2f} $/h")
        return found

    def interruptions(self) -> list[str]:
        """Return what stops serving or is lost: parts that are replaced, removed or refused, and resources that are not kept."""
        lost = [f"{item.name}: {item.effect}" for item in self.items if item.effect in _INTERRUPTS]
        return [*lost, *self._lost_resources(), *self.refused]

    def _lost_resources(self) -> list[str]:
        return [
            f"{one.logical_id} ({one.type}) of {one.stack}: {one.action}"
            for one in self.others
            if one.action == "replaced" and not one.kept and not one.type.startswith("Custom::")
        ]

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many other resources there are by action and type."""
        actions: dict[str, Counter[str]] = {}
        for one in self.others:
            actions.setdefault(one.action, Counter())[one.type] += 1
        return actions

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON members, for other programs."""
        return {
            "title": self.title,
            "first_deployment": self.is_first,
            "changes": not self.is_empty,
            "items": [item.as_json() for item in self.items],
            "alarms": list(self.alarms),
            "other_resources": [
                {
                    "stack": one.stack,
                    "logical_id": one.logical_id,
                    "type": one.type,
                    "action": one.action,
                    "certain": one.certain,
                    "kept": one.kept,
                }
                for one in self.others
            ],
            "refused": list(self.refused),
            "order": self.order.as_json(),
            "stacks_left": [{"name": one.name, "command": one.command} for one in self.left],
            "usd_per_hour_at_full_scale": None if self.usd_per_hour is None else list(self.usd_per_hour),
            "prices": list(self.prices),
            "questions": self.questions(),
        }
