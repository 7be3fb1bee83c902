"""How many requests one copy should have in flight before scaling adds another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cdk_sglang.planning.alternatives import question
from cdk_sglang.planning.measured_calibration import fitted_of
from cdk_sglang.planning.memory import memory_of
from cdk_sglang.planning.parallel import Parallelism
from cdk_sglang.planning.predict import MAX_RUNNING, answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cdk_sglang.hardware import GpuInstance
    from cdk_sglang.planning.fleet_request import ComponentRequest
    from cdk_sglang.planning.predict import Answer

CACHE_SHARE = 0.8
"""Share of the cache that the target fills. A new copy takes minutes to start, and requests that arrive meanwhile need room: a
full cache makes SGLang queue prompts and retract answers in progress."""
_GRID = 24


@dataclass(frozen=True, kw_only=True)
class ConcurrencyLimits:
    """Limits on the requests in flight of one copy.

    Args:
        cache: Requests (prompt plus whole answer) that the KV cache and the engine's cap allow; 0 if the model
            does not fit.
        slots: Requests whose recurrent state has slots at the same time; None for models without recurrent state.
        latency: Maximum number of requests at which the upper ends of the predicted bands meet the requested latency; None if
            no latency is requested, 0 if even one request misses it.
        cap: The component's `max_running_requests`; None for the engine's own limit.
    """

    cache: int
    latency: int | None = None
    cap: int | None = None
    slots: int | None = None

    @property
    def target(self) -> float:
        """Requests in flight per copy at which to add a copy; at least 1."""
        bounds = [CACHE_SHARE * self.cache, self.latency, self.cap]
        return round(max(1.0, min(float(bound) for bound in bounds if bound is not None)), 1)

    @property
    def reason(self) -> str:
        """The limit that applies, in words."""
        if self.latency is not None and self.latency < 1:
            return "the latency asked is not certain even for one request in flight; more copies do not help, a faster instance does"
        if self.cap is not None and self.target >= self.cap:
            return f"max_running_requests is {self.cap}"
        if self.latency is not None and self.latency <= CACHE_SHARE * self.cache:
            return f"the latency asked is met at up to {self.latency} requests in flight"
        if self.slots is not None and self.slots <= self.cache:
            return f"there are slots for the recurrent state of {self.slots} requests; {CACHE_SHARE:.0%} of them is the target"
        return f"the cache holds {self.cache} requests; {CACHE_SHARE:.0%} of it is the target"


def concurrency_limits(
    component: ComponentRequest, instance: GpuInstance, *, gpus: int, max_running_requests: int | None = None
) -> ConcurrencyLimits:
    """Return the limits on the requests in flight of one copy on an instance type.

    Args:
        component: The component; its `input_tokens` and `output_tokens` are the expected load, its `slo` the requested latency.
        instance: Instance type that it runs on.
        gpus: GPUs of a copy (`ComponentPlan.gpus`).
        max_running_requests: SGLang's option of that name, if the component sets it.
    """
    split = component.split(gpus)
    memory = memory_of(component, instance.gpu, split)
    held = memory.requests(component.input_tokens + component.output_tokens) * split.groups
    cache = min(held, MAX_RUNNING["sglang"] * split.replicas)
    slo = component.slo
    latency = None
    if slo is not None and (slo.ttft_ms is not None or slo.tpot_ms is not None) and cache >= 1:
        latency = _most_in_time(component, instance, split, cache)
    slots = None if memory.state is None else memory.state.running * split.groups
    return ConcurrencyLimits(cache=cache, latency=latency, cap=max_running_requests, slots=slots)


def target_concurrency(
    component: ComponentRequest,
    instances: Iterable[GpuInstance],
    *,
    gpus: int | Mapping[str, int],
    max_running_requests: int | None = None,
) -> float:
    """Return the requests in flight per copy at which scaling should add a copy.

    This is the smallest value over the instance types of a pool, since a copy may run on any of them and they share one target.

    Args:
        component: The component.
        instances: Instance types that its copies may run on, at least one.
        gpus: GPUs of a copy: one number for every type, or a number by type.
        max_running_requests: SGLang's option of that name, if the component sets it.
    """
    return min(
        concurrency_limits(
            component,
            instance,
            gpus=gpus if isinstance(gpus, int) else gpus[instance.name],
            max_running_requests=max_running_requests,
        ).target
        for instance in instances
    )


def _most_in_time(component: ComponentRequest, instance: GpuInstance, split: Parallelism, most: int) -> int:
    """Return the highest number of requests in flight, from 1 to `most`, up to which every prediction meets the latency; 0 if there is none."""
    using = fitted_of(component.calibration)

    def in_time(candidates: Sequence[int]) -> tuple[int, int | None]:
        questions = [question(component, instance, split, concurrency=float(c)) for c in candidates]
        last = 0
        for count, prediction in zip(candidates, answer(questions, using=using), strict=True):
            if not _meets(component, prediction):
                return last, count
            last = count
        return last, None

    last, first_late = in_time(sorted({round(c) for c in np.geomspace(1, most, _GRID)}))
    if first_late is None or first_late - last <= 1:
        return last
    return max(last, in_time(range(last + 1, first_late))[0])


def _meets(component: ComponentRequest, prediction: Answer) -> bool:
    slo = component.slo
    assert slo is not None
    if prediction.ttft_ms is None or prediction.tpot_ms is None:
        return False
    first = slo.ttft_ms is None or prediction.ttft_ms.high <= slo.ttft_ms
    return first and (slo.tpot_ms is None or prediction.tpot_ms.high <= slo.tpot_ms)
