"""Detailed observability: the metrics of engines, GPUs, hosts and operations, published as samples for PromQL.

The interval is that of the endpoint's MetricsConfig, or of the container's ContainerMetricsConfig (CreateEndpointConfig and
InferenceComponentContainerSpecification, read 2026-11). Nothing is published without enrichment, or if the endpoint turned it off.
"""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from localcloud.aws.clock import clock
from localcloud.aws.hosting.copies import Copy
from localcloud.aws.hosting.fleet import container_of
from localcloud.aws.hosting.records import Endpoint
from localcloud.aws.hosting.store import LOCK, Store, stores
from localcloud.aws.metrics import enrichment, exposition, labels
from localcloud.aws.metrics.gpus import gpu_readings, host_readings
from localcloud.aws.metrics.operations import Operations
from localcloud.aws.metrics.samples import add_all

PERIOD_S = 60.0
"""Default of MetricPublishFrequencyInSeconds."""
_TIMEOUT_S, _UNHEALTHY_TIMEOUT_S = 1.0, 0.3
"""An engine that hangs must not delay the clock for long."""
_ROUNDING_S = 0.001
"""A clock that is moved in steps of a second may be a rounding error short of a minute."""
_LARGEST_BYTES = 16 * 1024 * 1024
_pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="localcloud-scrape")


@dataclass(eq=False)
class _Published:
    """What was published when, and the operations of a state."""

    at: dict[str, float] = field(default_factory=dict)
    operations: Operations = field(default_factory=Operations)

    def due(self, what: str, period_s: float) -> bool:
        """Whether something has to be published now; if so, it counts as published."""
        now = clock().now()
        if now - self.at.get(what, 0.0) < period_s - _ROUNDING_S:
            return False
        self.at[what] = now
        return True


@dataclass(frozen=True, kw_only=True)
class _Target:
    """One copy whose metrics are fetched."""

    state: Store
    copy: Copy
    path: str
    labels: dict[str, str]


_published: WeakKeyDictionary[Store, _Published] = WeakKeyDictionary()


def tick() -> None:
    """Publish what is due."""
    targets: list[_Target] = []
    with LOCK:
        for state in stores():
            published = _published.setdefault(state, _Published())
            published.operations.observe(state)
            if enrichment.is_on(state.account, state.region):
                for endpoint in state.endpoints.values():
                    targets += _publish(state, endpoint, published)
    now = clock().now()
    for target, text in zip(targets, _pool.map(_fetched, targets), strict=True):
        with contextlib.suppress(exposition.ExpositionError):  # as in Prometheus, one bad line fails the scrape
            add_all(target.state, now, list(exposition.parse(text)), target.labels)


def is_detailed(config: dict[str, Any]) -> bool:
    """Whether an endpoint configuration has detailed observability, which is the default."""
    return bool(config.get("MetricsConfig", {}).get("EnableDetailedObservability", True))


def _publish(state: Store, endpoint: Endpoint, published: _Published) -> Iterator[_Target]:
    """Publish what the embedded AWS knows about an endpoint, and yield the copies that have to be scraped."""
    config, name = state.config_of(endpoint), endpoint.data["EndpointName"]
    if not is_detailed(config):
        return
    period = float(config.get("MetricsConfig", {}).get("MetricPublishFrequencyInSeconds", PERIOD_S))
    components = [c for c in state.components.values() if c.data["EndpointName"] == name and not c.base]
    general = published.due(name, period)
    if general:
        add_all(state, clock().now(), published.operations.readings(name), {})
    for variant, instances in endpoint.instances.items():
        common = labels.of_variant(state, name, variant)
        ready = {instance.id: instance for instance in instances if instance.ready_at <= clock().now()}
        if general:
            for instance in ready.values():
                where = common | labels.of_instance(instance.id, instance.type)
                add_all(state, clock().now(), gpu_readings(instance, components), where)
                add_all(state, clock().now(), host_readings(), where)
        for component in components:
            if component.data.get("VariantName") == variant:
                for copy in component.copies:
                    home = ready.get(copy.instance_id)
                    if home is None or copy.state not in ("healthy", "unhealthy") or not copy.port:
                        continue
                    path, own_period = _metrics_of(state, copy, period)
                    if published.due(copy.id, own_period):
                        where = {labels.COMPONENT: component.name, labels.CONTAINER: copy.id}
                        where |= common | labels.of_instance(home.id, home.type)
                        yield _Target(state=state, copy=copy, path=path, labels=where)


def _metrics_of(state: Store, copy: Copy, period_s: float) -> tuple[str, float]:
    """Path of a copy's metrics, and the seconds between two scrapes: its container's, or the endpoint's."""
    config = container_of(state, copy.spec).get("ContainerMetricsConfig", {})
    own = (config.get("MetricsEndpoints") or [{}])[0]
    return str(own.get("MetricsEndpointPath", "/metrics")), float(own.get("MetricPublishFrequencyInSeconds", period_s))


def _fetched(target: _Target) -> str:
    """Text of a copy's metrics; empty if the copy has none or does not answer."""
    timeout_s = _TIMEOUT_S if target.copy.state == "healthy" else _UNHEALTHY_TIMEOUT_S
    connection = http.client.HTTPConnection("127.0.0.1", target.copy.port, timeout=timeout_s)
    try:
        connection.request("GET", target.path, headers={"Accept": "text/plain;version=0.0.4"})
        response = connection.getresponse()
        body = response.read(_LARGEST_BYTES)
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    return body.decode(errors="replace") if response.status == http.client.OK else ""
