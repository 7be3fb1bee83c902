"""Specification of an endpoint, parsed from the property of the custom resource."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Smoke:
    """A request to a component, and the paths of which its answer must have one."""

    body: str
    timeout_seconds: int
    expect: tuple[str, ...]
    """Paths in the answer, for example choices.0.message.content; one of them is enough."""

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Smoke:
        """Parse the request from its JSON object."""
        return cls(body=json.dumps(data["body"]), timeout_seconds=data["timeout_seconds"], expect=tuple(data["expect"]))


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Model of a component on instance types that split the model differently."""

    model: str
    environment: dict[str, str]
    instance_types: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Component:
    """Specification of a component."""

    name: str
    model: str
    image: str
    environment: dict[str, str]
    instance_types: tuple[str, ...]
    """Instance types with a specification of their own; empty if one specification is for all."""
    fewest: int
    most: int
    scaling: tuple[tuple[int, int], ...]
    """Bounds that the scaling target may have, those of schedules included; empty without a target."""
    startup_seconds: int
    smoke: Smoke
    others: tuple[Variant, ...] = ()
    """Variants for instance types that have another model than `model`."""
    adapters: tuple[str, ...] = ()
    """Names of the adapters that are asked: all of them, or a sample."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """All models, each with its environment and instance types; without types if one model is for all."""
        elsewhere = {name for other in self.others for name in other.instance_types}
        own = tuple(name for name in self.instance_types if name not in elsewhere)
        return (Variant(model=self.model, environment=self.environment, instance_types=own), *self.others)


@dataclass(frozen=True, kw_only=True)
class Specification:
    """Specification of an endpoint, and of some or all of its components."""

    endpoint: str
    config: str
    part: int | str
    timeout_seconds: int
    components: tuple[Component, ...]

    @classmethod
    def parse(cls, text: str) -> Specification:
        """Parse the property. It is one JSON text, since CloudFormation passes numbers as strings."""
        data = json.loads(text)
        common = {"image": data["image"], "smoke": data["smoke"]}
        return cls(
            endpoint=data["endpoint"],
            config=data["config"],
            part=data["part"],
            timeout_seconds=data["timeout_seconds"],
            components=tuple(_component(common | component) for component in data["components"]),
        )

    @property
    def physical_id(self) -> str:
        """Physical id of the resource; the same for every content."""
        return f"{self.endpoint}/truth/{self.part}"


def _component(data: dict[str, Any]) -> Component:
    fewest, most = data["copies"]
    return Component(
        name=data["name"],
        model=data["model"],
        image=data["image"],
        environment=data["environment"],
        instance_types=tuple(data["instance_types"]),
        fewest=fewest,
        most=most,
        scaling=tuple((low, high) for low, high in data["scaling"]),
        startup_seconds=data["startup_seconds"],
        smoke=Smoke.parse(data["smoke"]),
        others=tuple(
            Variant(
                model=other["model"], environment=other["environment"], instance_types=tuple(other["instance_types"])
            )
            for other in data.get("others", ())
        ),
        adapters=tuple(data.get("adapters", ())),
    )
