"""A fleet of one component as CloudWatch sees it: per minute, the samples of its engines and GPUs and the classic metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, TypeAlias

from moto.cloudwatch.models import cloudwatch_backends

from cdk_sglang.metrics.buckets import bucket_bounds
from localcloud.aws.clock import Clock
from localcloud.aws.hosting.store import store
from localcloud.aws.metrics import labels
from localcloud.aws.metrics.samples import samples_of
from localcloud.aws.metrics.utilisation import put

ACCOUNT, REGION = "123456789012", "us-east-1"
ENDPOINT, COMPONENT = "prod-chat", "prod-chat-llama"
TYPE: Final = "ml.g6e.12xlarge"
GPUS: Final = 4
MINUTE: Final = 60
_PER_HOUR: Final = 60
_SPARSE: Final = 4
"""Minutes between two samples of a past: fewer than the five for which a sample counts."""
_COUNTS: Final = "AWS/SageMaker"
_TOKENS: Final = 300
_Counter: TypeAlias = tuple[str, frozenset[tuple[str, str]]]
_ENGINE: Final = {"model_name": "llama", "engine_type": "unified", "tp_rank": "0", "pp_rank": "0", "moe_ep_rank": "0"}
_HTTP: Final = {"model_name": "llama", "is_streaming": "true"}


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A copy during one minute.

    Attributes:
        name: Id of its container, which has an instance of its own.
        requests: Requests that it answers, with a first token and 299 more.
        ttft_s: Time to the first token of each of them.
        tpot_s: Time per further token.
        running: Requests in its batch.
        queued: Requests that wait for it.
        kv: Share of its KV cache in use.
        retracted: Requests that lost their place in the KV cache.
        decoding: Whether it makes tokens of requests that do not end.
        started_in_s: Length of its engine's last start-up.
        accepted: Tokens per step of speculative decoding.
        gpus: Use of each GPU in percent.
        celsius: Temperature of each GPU.
    """

    name: str
    requests: int = 60
    ttft_s: float = 0.4
    tpot_s: float = 0.03
    running: int = 4
    queued: int = 0
    kv: float = 0.5
    retracted: int = 0
    decoding: bool = False
    started_in_s: float = 95.0
    accepted: float = 3.0
    gpus: tuple[float, ...] = (70.0,) * GPUS
    celsius: tuple[float, ...] = (60.0,) * GPUS


@dataclass(frozen=True, kw_only=True)
class Minute:
    """What happens in one minute.

    Attributes:
        copies: Copies whose engines answer the scrape; those of no endpoint at all if it sleeps.
        failed: Requests that ended with an error of the container.
        refused: Requests that found no copy.
        gpu_memory: Use of GPU memory in percent; None if no instance runs.
        refused_launches: Instances that AWS did not have.
        logged: Lines that metric filters counted, by metric.
        deploying: Whether the function that looks for deployments sees one; None without a sign of it.
    """

    copies: Sequence[Copy] = (Copy(name="c1"), Copy(name="c2"))
    failed: int = 0
    refused: int = 0
    gpu_memory: float | None = 92.0
    refused_launches: int = 0
    logged: Mapping[str, int] = field(default_factory=dict)
    deploying: bool | None = None


HEALTHY: Final = Minute()


class Traffic:
    """Publishes minutes, one after the other, on a driven clock.

    Args:
        clock: The clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counters: dict[_Counter, float] = {}
        self._state = store(ACCOUNT, REGION)

    def publish(self, minute: Minute) -> None:
        """Publish a minute, and let it pass."""
        self._sample(minute, self._clock.now(), minutes=1)
        for namespace, dimensions, values in _classic(minute):
            put(self._state, namespace, dimensions, values, "None")
        self._clock.advance(MINUTE, step_s=MINUTE)

    def publish_past(self, minute: Minute, *, hours: int) -> None:
        """Publish a minute for every one of the last hours, sparsely before the last one; no time passes, and no alarm looks."""
        now = self._clock.utc()
        backend = cloudwatch_backends[ACCOUNT][REGION]
        for age in (*range(hours * _PER_HOUR, _PER_HOUR, -_SPARSE), *range(_PER_HOUR, 0, -1)):
            minutes = _SPARSE if age > _PER_HOUR else 1
            stamp = now - timedelta(minutes=age)
            self._sample(minute, stamp.timestamp(), minutes=minutes)
            for namespace, dimensions, values in _classic(minute):
                named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
                times = minutes if namespace == _COUNTS else 1
                data = [
                    {"MetricName": name, "Dimensions": named, "Value": value * times, "Timestamp": stamp}
                    for name, value in values.items()
                ]
                backend.put_metric_data(namespace, data)

    def _sample(self, minute: Minute, at: float, *, minutes: int) -> None:
        samples = samples_of(self._state)
        for name, own, value in self._samples(minute, minutes):
            samples.add({"__name__": name, **own}, at, value)

    def _samples(self, minute: Minute, minutes: int) -> Iterator[tuple[str, dict[str, str], float]]:
        variant = labels.of_variant(self._state, ENDPOINT, "AllTraffic")
        yield from self._events("ice_count", variant, minute.refused_launches)
        for copy in (replace(one, requests=one.requests * minutes) for one in minute.copies):
            host = variant | labels.of_instance(f"i-{copy.name}", TYPE)
            where = host | {labels.COMPONENT: COMPONENT, labels.CONTAINER: copy.name}
            for index, (use, celsius) in enumerate(zip(copy.gpus, copy.celsius, strict=True)):
                yield "DCGM_FI_DEV_GPU_UTIL", host | {labels.GPU: str(index)}, use
                yield "DCGM_FI_DEV_GPU_TEMP", host | {labels.GPU: str(index)}, celsius
            yield from self._of_engine(copy, where | _ENGINE)
            yield from self._of_requests(copy, where | _HTTP)

    def _of_engine(self, copy: Copy, where: dict[str, str]) -> Iterator[tuple[str, dict[str, str], float]]:
        yield "sglang:num_running_reqs", where, copy.running
        yield "sglang:num_queue_reqs", where, copy.queued
        yield "sglang:token_usage", where, copy.kv
        yield "sglang:spec_accept_length", where, copy.accepted
        yield "sglang:startup_time_seconds", where | {"phase": "total"}, copy.started_in_s
        yield from self._events("sglang:num_retracted_requests_total", where, copy.retracted)
        decoded = _TOKENS * (copy.requests + copy.decoding)
        yield self._counted("sglang:realtime_tokens_total", where | {"mode": "decode"}, decoded)

    def _of_requests(self, copy: Copy, where: dict[str, str]) -> Iterator[tuple[str, dict[str, str], float]]:
        yield self._counted("sglang:generation_tokens_total", where, _TOKENS * copy.requests)
        for key, name, value in (
            ("time_to_first_token", "sglang:time_to_first_token_seconds", copy.ttft_s),
            ("time_per_output_token", "sglang:request_time_per_output_token_seconds", copy.tpot_s),
        ):
            yield self._counted(f"{name}_sum", where, copy.requests * value)
            yield self._counted(f"{name}_count", where, copy.requests)
            for bound in (*bucket_bounds()[key], float("inf")):
                le = "+Inf" if bound == float("inf") else str(bound)  # as Python's client writes them
                yield self._counted(f"{name}_bucket", where | {"le": le}, copy.requests if value <= bound else 0)

    def _events(self, name: str, own: dict[str, str], more: float) -> Iterator[tuple[str, dict[str, str], float]]:
        """Yield a counter that is published with its first event, and not before."""
        counter = self._counted(name, own, more)
        if counter[2] > 0:
            yield counter

    def _counted(self, name: str, own: dict[str, str], more: float) -> tuple[str, dict[str, str], float]:
        counter = (name, frozenset(own.items()))
        self._counters[counter] = self._counters.get(counter, 0.0) + more
        return name, own, self._counters[counter]


def _classic(minute: Minute) -> Iterator[tuple[str, dict[str, str], dict[str, float]]]:
    """Yield the classic metrics of a minute, those of a namespace together; an endpoint at zero publishes none but refused requests."""
    component = {"InferenceComponentName": COMPONENT}
    answered = sum(copy.requests for copy in minute.copies)
    if minute.copies:
        yield _COUNTS, component, {"Invocations": answered + minute.failed}
    if minute.copies or minute.failed or minute.refused:
        failed = {"Invocation5XXErrors": minute.failed, "NoCapacityInvocationFailures": minute.refused}
        yield _COUNTS, component, dict(failed)
    if minute.gpu_memory is not None:
        busiest = max((sum(copy.gpus) / GPUS for copy in minute.copies), default=0.0)
        values = {"GPUMemoryUtilizationNormalized": minute.gpu_memory, "GPUUtilizationNormalized": busiest}
        yield "/aws/sagemaker/Endpoints", {"EndpointName": ENDPOINT, "VariantName": "AllTraffic"}, values
    if minute.logged:
        yield f"cdk-sglang/{ENDPOINT}", {}, dict(minute.logged)
    if minute.deploying is not None:
        running = {"DeploymentRunning": float(minute.deploying)}
        yield "cdk-sglang/Deployments", {"EndpointName": ENDPOINT}, running
