"""A stand-in for SageMaker: models, components, endpoints and benchmark jobs in memory, whose states only a test moves.

Every request is checked against botocore's model first. What it answers is what the functions read, no more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from tests.support.speculation import NOW, client

_KINDS = {
    "model": ("ModelName", "Model"),
    "inference_component": ("InferenceComponentName", "InferenceComponent"),
    "endpoint": ("EndpointName", "Endpoint"),
    "endpoint_config": ("EndpointConfigName", "EndpointConfig"),
    "ai_benchmark_job": ("AIBenchmarkJobName", "AIBenchmarkJob"),
    "ai_workload_config": ("AIWorkloadConfigName", "AIWorkloadConfig"),
}
_JOBS = "ai_benchmark_job"


class SageMakerStandIn:
    """SageMaker in memory.

    Attributes:
        found: Descriptions by kind and name.
        calls: Names of the requests that changed something, in their order.
        errors: Refusals by request, which are given once each in their order.
        places: Benchmark jobs that may run at once.
        clock: Returns the time.
    """

    def __init__(self) -> None:
        self.found: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in _KINDS}
        self.calls: list[str] = []
        self.errors: dict[str, list[tuple[str, str]]] = {}
        self.places = 2
        self.clock: Callable[[], dt.datetime] = lambda: NOW
        self._model = client("sagemaker").meta.service_model
        self._operations = {xform_name(name): name for name in self._model.operation_names}

    def __getattr__(self, request: str) -> Callable[..., dict[str, Any]]:
        if request.startswith("_") or request not in self._operations:
            raise AttributeError(request)

        def call(**parameters: Any) -> dict[str, Any]:
            shape = self._model.operation_model(self._operations[request]).input_shape
            report = ParamValidator().validate(parameters, shape)
            assert not report.has_errors(), report.generate_report()
            if self.errors.get(request):
                raise self._error(*self.errors[request].pop(0), request)
            verb, _, kind = request.partition("_")
            return getattr(self, f"_{verb}")(kind, parameters)

        return call

    def get_paginator(self, request: str) -> Any:
        """Return a paginator of one page."""

        class Pages:
            def paginate(_self, **parameters: Any) -> Iterator[dict[str, Any]]:  # noqa: N805  beside the stand-in's own
                yield getattr(self, request)(**parameters)

        return Pages()

    def put(self, kind: str, name: str, **content: Any) -> None:
        """Put a resource of the environment's own in place."""
        self.found[kind][name] = {_KINDS[kind][0]: name, **content}

    def serve(self) -> None:
        """Let every endpoint and component that is created serve."""
        for kind, key in (("inference_component", "InferenceComponentStatus"), ("endpoint", "EndpointStatus")):
            for one in self.found[kind].values():
                one[key] = "InService" if one[key] == "Creating" else one[key]

    def end_jobs(self, status: str = "Completed", **more: Any) -> list[dict[str, Any]]:
        """End the jobs that run, and return them."""
        ended = [job for job in self.found[_JOBS].values() if job["AIBenchmarkJobStatus"] == "InProgress"]
        for job in ended:
            job |= {"AIBenchmarkJobStatus": status, "EndTime": self.clock(), **more}
        return ended

    def _create(self, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
        key, _ = _KINDS[kind]
        name = parameters[key]
        if name in self.found[kind]:
            code = "ResourceInUse" if kind.startswith("ai_") else "ValidationException"
            raise self._error(code, f"Cannot create already existing {kind} {name}", "create")
        content = {**parameters, "CreationTime": self.clock()}
        if kind == _JOBS:
            running = [job for job in self.found[kind].values() if job["AIBenchmarkJobStatus"] == "InProgress"]
            if len(running) >= self.places:
                raise self._error("ResourceLimitExceeded", "the limit is 2", "create")
            arn = f"arn:aws:sagemaker:us-east-1:123456789012:ai-benchmark-job/{name}"
            content |= {"AIBenchmarkJobStatus": "InProgress", "StartTime": self.clock(), "AIBenchmarkJobArn": arn}
        if kind == "endpoint":
            content["EndpointStatus"] = "Creating"
        if kind == "inference_component":
            content |= {"InferenceComponentStatus": "Creating"}
            content["RuntimeConfig"] = {"DesiredCopyCount": 1, "CurrentCopyCount": 0}
        self.found[kind][name] = content
        self.calls.append(f"create {name}")
        return {}

    def _describe(self, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return dict(self._one(kind, parameters))

    def _delete(self, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
        one = self._one(kind, parameters)
        if kind == "endpoint":
            name = one["EndpointName"]
            if any(part["EndpointName"] == name for part in self.found["inference_component"].values()):
                raise self._error("ValidationException", f"endpoint {name} has inference components", "delete")
        self.calls.append(f"delete {one[_KINDS[kind][0]]}")
        del self.found[kind][one[_KINDS[kind][0]]]
        return {}

    def _stop(self, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
        one = self._one(kind, parameters)
        one["AIBenchmarkJobStatus"] = "Stopped"
        self.calls.append(f"stop {one[_KINDS[kind][0]]}")
        return {}

    def _list(self, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
        singular = kind.removesuffix("s")
        key, noun = _KINDS[singular]
        items = [
            one
            for name, one in sorted(self.found[singular].items())
            if parameters.get("NameContains", "") in name
            and parameters.get("EndpointNameEquals", one.get("EndpointName")) == one.get("EndpointName")
            and parameters.get("StatusEquals", one.get("AIBenchmarkJobStatus")) == one.get("AIBenchmarkJobStatus")
        ]
        return {f"{noun}s": items, "key": key}

    def _one(self, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters[_KINDS[kind][0]]
        if name not in self.found[kind]:
            code = "ResourceNotFound" if kind.startswith("ai_") else "ValidationException"
            raise self._error(code, f"Could not find {kind} {name}", "describe")
        return self.found[kind][name]

    @staticmethod
    def _error(code: str, message: str, request: str) -> ClientError:
        return ClientError({"Error": {"Code": code, "Message": message}}, request)
