"""The plan in an assembly's folder (plan.json), as far as two of them are compared: whether components fit, their speed, and the cost."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cdk_sglang.hardware import Price
from cdk_sglang.planning.fleet_plan import Range
from cdk_sglang.planning.predict import Band

NAME = "plan.json"
"""File next to the templates; a plan of another version of this project may contain less."""


@dataclass(frozen=True, kw_only=True)
class PlannedComponent:
    """What a plan says about a component.

    Attributes:
        name: Its name, with its endpoint's.
        members: Its members in the plan.
    """

    name: str
    members: Mapping[str, Any]

    @property
    def model(self) -> str:
        """Its model."""
        return str(self.members.get("model", ""))

    @property
    def requests(self) -> str:
        """How many of the longest requests a copy holds, in words."""
        count, length = self.members.get("requests_at_context"), self.members.get("context_length")
        if count is None or length is None:
            return ""
        return f"{count:,} request{'' if count == 1 else 's'} of {length:,} tokens"

    def band(self, name: str) -> Band | None:
        """Return a prediction; None if there is none.

        Args:
            name: Its name in the plan, such as ttft_ms.
        """
        found = self.members.get(name)
        return None if found is None else Band(value=found["value"], low=found["low"], high=found["high"])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A plan, as JSON holds it.

    Attributes:
        members: Its members; none if nothing is planned.
    """

    members: Mapping[str, Any]

    @classmethod
    def beside(cls, folder: Path) -> Plan | None:
        """Return the plan in an assembly's folder; None if there is none."""
        try:
            members = json.loads((folder / NAME).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return cls(members=members) if isinstance(members, Mapping) else None

    @cached_property
    def components(self) -> Mapping[str, PlannedComponent]:
        """Its components by name, such as chat/llama."""
        return {
            (name := f"{endpoint['name']}/{one['name']}"): PlannedComponent(name=name, members=one)
            for endpoint in self._endpoints
            for one in endpoint.get("components", ())
        }

    @cached_property
    def costs(self) -> Mapping[str, Range | None]:
        """Dollars per hour of its endpoints; None where a price is unknown."""
        return {endpoint["name"]: _range(endpoint.get("usd_per_hour")) for endpoint in self._endpoints}

    @property
    def budget_usd_per_hour(self) -> float | None:
        """Maximum cost of the fleet; None without a budget."""
        found = self.members.get("budget_usd_per_hour")
        return None if found is None else float(found)

    @property
    def problems(self) -> tuple[str, ...]:
        """The problems that prevent its deployment."""
        return tuple(self.members.get("problems", ()))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Its warnings, which do not prevent a deployment."""
        return tuple(self.members.get("warnings", ()))

    @property
    def region(self) -> str:
        """Its Region."""
        return str(self.members.get("region", ""))

    def prices(self) -> Iterator[str]:
        """Yield the price of each instance type, with kind, Region, date and file."""
        for endpoint in self._endpoints:
            for one in endpoint.get("types", ()):
                members = one.get("price")
                price = (
                    None if members is None else Price(**{**members, "date": dt.date.fromisoformat(members["date"])})
                )
                yield f"{one['instance']}: {'no price is known' if price is None else price.words}"

    def instances(self, endpoint: str) -> str:
        """Return how many instances of which types an endpoint takes, in words; nothing if it is not planned.

        Args:
            endpoint: Its name.
        """
        for one in self._endpoints:
            if one["name"] == endpoint:
                counts = one["instances"]
                low, high = f"{counts['low']:g}", f"{counts['high']:g}"
                types = " or ".join(kind["instance"] for kind in one.get("types", ()))
                return f"{low if low == high else f'{low} to {high}'} x {types}"
        return ""

    @property
    def _endpoints(self) -> list[Mapping[str, Any]]:
        return list(self.members.get("endpoints", ()))


def _range(members: Mapping[str, float] | None) -> Range | None:
    return None if members is None else Range(low=members["low"], typical=members["typical"], high=members["high"])
