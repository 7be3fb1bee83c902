"""SageMaker's operations as metrics: how long scaling, downloads and starts took, and what was refused, moved and released.

The emulation measures these. Values of the label `aws.sagemaker.operation.type` are this project's: AWS documents none (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from localcloud.aws.clock import clock
from localcloud.aws.hosting.copies import Copy
from localcloud.aws.hosting.records import Component, Endpoint
from localcloud.aws.hosting.store import Store
from localcloud.aws.metrics import labels
from localcloud.aws.metrics.promql.aggregations import go_float
from localcloud.aws.metrics.promql.values import Key, key

_BOUNDS_S = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, float("inf"))
_REFUSAL_S = 60.0
"""Seconds between two refused launches that count: the emulation asks for capacity at every tick."""


@dataclass(eq=False)
class _Histogram:
    """Counts of observations up to each bound, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_BOUNDS_S))
    total: float = 0.0

    def observe(self, value: float) -> None:
        self.total += value
        for index, bound in enumerate(_BOUNDS_S):
            self.counts[index] += value <= bound


@dataclass(eq=False)
class _Scaling:
    """A change of a component's number of copies that is in progress."""

    target: int
    began: float
    direction: str
    kind: str


class Operations:
    """Operations of one state, derived from its changes between two observations."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, Key], float] = {}
        self._histograms: dict[tuple[str, Key], _Histogram] = {}
        self._targets: dict[str, int] = {}
        self._scalings: dict[str, _Scaling] = {}
        self._started: set[str] = set()
        self._moved: set[str] = set()
        self._instances: dict[tuple[str, str], set[str]] = {}
        self._refused: dict[tuple[str, str], float] = {}

    def observe(self, state: Store) -> None:
        """Observe the state, and record what has happened since the last observation."""
        for endpoint in state.endpoints.values():
            self._instances_of(state, endpoint)
        for component in state.components.values():
            if not component.base:
                self._component(state, component)
        for name in self._targets.keys() - state.components.keys():
            self._targets.pop(name)
            self._scalings.pop(name, None)

    def readings(self, endpoint: str) -> Iterator[tuple[str, dict[str, str], float]]:
        """Every counter and histogram of an endpoint."""
        mark = (labels.ENDPOINT, endpoint)
        for (name, identity), value in list(self._counters.items()):
            if mark in identity:
                yield name, dict(identity), value
        for (name, identity), histogram in list(self._histograms.items()):
            if mark in identity:
                own = dict(identity)
                for bound, count in zip(_BOUNDS_S, histogram.counts, strict=True):
                    yield f"{name}_bucket", own | {"le": go_float(bound)}, float(count)
                yield f"{name}_sum", own, histogram.total
                yield f"{name}_count", own, float(histogram.counts[-1])

    def _count(self, name: str, where: dict[str, str], number: float) -> None:
        identity = (name, key(where))
        self._counters[identity] = self._counters.get(identity, 0.0) + number

    def _time(self, name: str, where: dict[str, str], seconds: float) -> None:
        self._histograms.setdefault((name, key(where)), _Histogram()).observe(seconds)

    def _instances_of(self, state: Store, endpoint: Endpoint) -> None:
        name = endpoint.data["EndpointName"]
        for variant, instances in endpoint.instances.items():
            where = labels.of_variant(state, name, variant)
            present = {instance.id for instance in instances}
            before = self._instances.get((name, variant), set())
            self._count("instances_released", where, len(before - present))
            self._instances[name, variant] = present
            refused = state.refused.get((name, variant), 0.0)
            counts = refused > 0 and refused - self._refused.get((name, variant), 0.0) >= _REFUSAL_S
            self._count("ice_count", where, float(counts))
            if counts:
                self._refused[name, variant] = refused

    def _component(self, state: Store, component: Component) -> None:
        where = labels.of_variant(state, component.data["EndpointName"], component.data.get("VariantName", ""))
        where[labels.COMPONENT] = component.name
        self._scaling(component, where)
        moved = 0
        for copy in component.copies:
            if copy.leaving and copy.id not in self._moved:
                self._moved.add(copy.id)
                moved += 1
            if copy.state == "healthy" and copy.id not in self._started:
                self._started.add(copy.id)
                self._start(copy, where)
        self._count("ic_copy_moved", where, moved)

    def _start(self, copy: Copy, where: dict[str, str]) -> None:
        if copy.download_s is not None:
            self._time("model_download_time", where, copy.download_s)
        if copy.start_s is not None:
            self._time("container_start_time", where, copy.start_s)

    def _scaling(self, component: Component, where: dict[str, str]) -> None:
        before = self._targets.get(component.name)
        running = [copy for copy in component.copies if copy.state != "stopped"]
        if before != component.desired:
            self._targets[component.name] = component.desired
            direction = "ScaleIn" if before is not None and component.desired < before else "ScaleOut"
            self._scalings[component.name] = _Scaling(
                component.desired, clock().now(), direction, "Create" if before is None else "Scale"
            )
        scaling = self._scalings.get(component.name)
        if scaling and len(running) == scaling.target and all(copy.state == "healthy" for copy in running):
            del self._scalings[component.name]
            own = where | {labels.DIRECTION: scaling.direction, labels.OPERATION: scaling.kind}
            self._time("e2e_duration", own, clock().now() - scaling.began)
