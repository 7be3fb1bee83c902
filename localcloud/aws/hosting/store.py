"""State of SageMaker: it belongs to moto's SageMaker backend, so that a reset of moto empties it and stops every process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends

from localcloud.aws.hosting.records import Component, Endpoint, Record

LOCK = threading.RLock()
"""Lock of the state: held while it is read or changed."""


class Store:
    """State of SageMaker in one account and Region, beyond moto's."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.configs: dict[str, Record] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.components: dict[str, Component] = {}
        self.jobs: dict[str, dict[str, Record]] = {}
        self.captured: list[Any] = []  # data capture records that are not yet in S3
        self.last_metrics = 0.0
        self.last_utilisation: dict[str, float] = {}  # by endpoint
        self.last_forgotten = 0.0
        self.last_alarms = 0.0
        self.policy_runs: dict[str, float] = {}
        self.refused: dict[tuple[str, str], float] = {}  # by endpoint and variant: when an instance was last refused

    def arn(self, kind: str, name: str) -> str:
        """ARN of a resource; SageMaker writes names in lower case there."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"

    def models(self) -> dict[str, Any]:
        """Models by name, which moto keeps."""
        models: dict[str, Any] = sagemaker_backends[self.account][self.region]._models
        return models

    def config_of(self, endpoint: Endpoint) -> dict[str, Any]:
        """Endpoint configuration of an endpoint; empty if it was deleted."""
        return self.configs[endpoint.data["EndpointConfigName"]].data if self._has_config(endpoint) else {}

    def variant(self, component: Component) -> dict[str, Any]:
        """Configuration of a component's production variant; empty if the endpoint configuration was deleted."""
        endpoint = self.endpoints[component.data["EndpointName"]]
        variants = self.config_of(endpoint).get("ProductionVariants", [])
        return next((v for v in variants if v["VariantName"] == component.data.get("VariantName")), {})

    def adapters_of(self, base: str) -> list[Component]:
        """Adapter components of a base component."""
        return [component for component in self.components.values() if component.base == base]

    def close(self) -> None:
        """Stop the process of every copy and of every benchmark job."""
        with LOCK:
            jobs = [
                record.data["_process"]
                for kind in self.jobs.values()
                for record in kind.values()
                if "_process" in record.data
            ]
            copies = [copy for component in self.components.values() for copy in component.copies]
            self.components.clear()
        for job in jobs:
            job.end()
        for copy in copies:
            copy.stop(drain=False)
        for copy in copies:
            copy.join()

    def _has_config(self, endpoint: Endpoint) -> bool:
        return endpoint.data["EndpointConfigName"] in self.configs


def store(account: str, region: str) -> Store:
    """State of one account and Region, created on first use."""
    backend = sagemaker_backends[account][region]
    with LOCK:
        if "localcloud" not in backend.__dict__:
            backend.localcloud = Store(account, region)
        state: Store = backend.localcloud
        return state


def stores() -> Iterator[Store]:
    """State of every account and Region in use."""
    for _, _, backend in list(sagemaker_backends.iter_backends()):
        if "localcloud" in backend.__dict__:
            yield backend.localcloud


def _reset(self: SageMakerModelBackend) -> None:
    if "localcloud" in self.__dict__:
        self.localcloud.close()
    _moto_reset(self)


_moto_reset = SageMakerModelBackend.reset
SageMakerModelBackend.reset = _reset
