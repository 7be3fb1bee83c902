"""Situations of a fleet of two copies, and the alarms that each of them has to fire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.support.traffic import HEALTHY, Copy, Minute

ONE, TWO = Copy(name="c1"), Copy(name="c2")
At = Callable[[int], Minute]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A situation.

    Attributes:
        minutes: How long it lasts.
        at: What happens in a minute of it, counted from 0.
        alarms: Ids of the alarms that fire, each with the earliest and the latest minute of the situation after which it is on.
        clears_within: Minutes of healthy traffic after which every alarm is off again.
    """

    minutes: int
    at: At
    alarms: Mapping[str, tuple[int, int]]
    clears_within: int = 0


def _always(minute: Minute) -> At:
    return lambda _: minute


def _both(**changes: Any) -> Minute:
    return Minute(copies=(replace(ONE, **changes), replace(TWO, **changes)))


def _second(**changes: Any) -> Minute:
    return Minute(copies=(ONE, replace(TWO, **changes)))


def _killed(number: int) -> Minute:
    """One of two engines is killed; the requests that it had are lost, and the other one takes the next."""
    return Minute(copies=(replace(ONE, requests=116, running=8),), failed=4 if number == 0 else 0)


def _killed_without_instances(number: int) -> Minute:
    return replace(_killed(number), refused_launches=1 if number == 3 else 0)


def _restarted(number: int) -> Minute:
    return _killed(number) if number < 3 else _second(started_in_s=97.5)


def all_killed(number: int) -> Minute:
    return Minute(copies=(), failed=8 if number == 0 else 0, refused=112 if number == 0 else 120)


def _wedged(number: int) -> Minute:
    """One engine hangs with requests that wait: its half of the requests fails, and its watchdog notices after five minutes."""
    hangs = replace(TWO, requests=0, running=8, queued=3, gpus=(100.0,) * 4)
    return Minute(copies=(ONE, hangs), failed=60, logged={"EngineWatchdog": 1} if number == 5 else {})


def _logs(metric: str) -> At:
    return lambda number: replace(HEALTHY, logged={metric: 1} if number == 0 else {})


def _refused_launch(number: int) -> Minute:
    return replace(HEALTHY, refused_launches=1 if number == 0 else 0)


FAULTS: dict[str, Fault] = {
    "an engine is killed and replaced within ten minutes": Fault(minutes=10, at=_killed, alarms={}, clears_within=5),
    "an engine is killed, and AWS has no instance for another": Fault(
        minutes=30,
        at=_killed_without_instances,
        # 15 minutes without a break, after the five in which the last sample of the dead copy counts
        alarms={"copies-missing": (19, 22), "insufficient-capacity": (4, 5)},
        clears_within=7,
    ),
    "an engine is killed and starts anew in its container": Fault(
        minutes=10, at=_restarted, alarms={"engine-restart": (4, 5)}, clears_within=66
    ),
    "every engine is killed": Fault(
        minutes=10, at=all_killed, alarms={"no-capacity": (2, 3), "availability-burn": (1, 2)}, clears_within=31
    ),
    "an engine is wedged": Fault(
        minutes=10,
        at=_wedged,
        alarms={"availability-burn": (2, 3), "queue-stuck": (4, 6), "engine-watchdog": (6, 7)},
        clears_within=31,
    ),
    "a queue is stuck": Fault(
        minutes=8, at=_always(_both(requests=0, queued=3, running=0)), alarms={"queue-stuck": (4, 6)}, clears_within=7
    ),
    "a queue waits for long answers that are being made": Fault(
        minutes=12, at=_always(_both(requests=0, queued=3, decoding=True)), alarms={}, clears_within=5
    ),
    "a queue grows beyond what the copies serve": Fault(
        minutes=15,
        at=_always(_both(queued=10, running=16, ttft_s=3.0)),
        alarms={"queue-growth": (9, 11)},
        clears_within=6,
    ),
    "a queue of a minute": Fault(minutes=1, at=_always(_both(queued=40, ttft_s=2.0)), alarms={}, clears_within=11),
    "the KV cache is full": Fault(
        minutes=25,
        at=_always(_both(kv=0.99, queued=2, retracted=2, running=16)),
        alarms={"kv-pressure": (19, 21), "retractions": (4, 6)},
        clears_within=18,
    ),
    "a fleet is idle": Fault(
        minutes=65,
        at=_always(_both(requests=0, running=0, kv=0.0, gpus=(0.0,) * 4, accepted=0.0)),
        alarms={"idle": (59, 61)},
        clears_within=1,
    ),
    "a model is slower than its plan": Fault(
        minutes=80, at=_always(_both(tpot_s=0.06)), alarms={"plan-band": (60, 70)}, clears_within=20
    ),
    "a model is slower than promised": Fault(
        minutes=10, at=_always(_both(tpot_s=0.2)), alarms={"latency-burn": (8, 10)}, clears_within=11
    ),
    "first tokens are later than promised": Fault(
        minutes=10, at=_always(_both(ttft_s=9.0)), alarms={"latency-burn": (8, 10)}, clears_within=11
    ),
    "one request in ten fails": Fault(
        minutes=15, at=_always(replace(HEALTHY, failed=13)), alarms={"availability-burn": (7, 10)}, clears_within=6
    ),
    "one request fails": Fault(minutes=1, at=_always(replace(HEALTHY, failed=1)), alarms={}, clears_within=5),
    "drafts are refused": Fault(
        minutes=65, at=_always(_both(accepted=1.8)), alarms={"accept-length": (58, 61)}, clears_within=7
    ),
    "a GPU is hot": Fault(
        minutes=15,
        at=_always(_second(celsius=(60, 60, 91, 60))),
        alarms={"gpu-temperature": (9, 11)},
        clears_within=6,
    ),
    "a GPU stays behind its siblings": Fault(
        minutes=20,
        at=_always(_second(gpus=(98, 98, 98, 10))),
        alarms={"gpu-slow-sibling": (7, 15)},
        clears_within=20,
    ),
    "GPU memory is nearly full": Fault(
        minutes=20, at=_always(replace(HEALTHY, gpu_memory=99.5)), alarms={"gpu-memory": (10, 15)}, clears_within=6
    ),
    "AWS has no instance once": Fault(
        minutes=5, at=_refused_launch, alarms={"insufficient-capacity": (1, 2)}, clears_within=20
    ),
    "a third instance runs for long": Fault(
        minutes=40,
        at=_always(Minute(copies=(ONE, TWO, Copy(name="c3")))),
        alarms={"cost-over-budget": (30, 32)},
        clears_within=12,
    ),
    "the driver reports a GPU fault": Fault(minutes=3, at=_logs("GpuXid"), alarms={"gpu-xid": (1, 1)}, clears_within=4),
    "a CUDA call fails": Fault(minutes=3, at=_logs("CudaFailure"), alarms={"cuda-failure": (1, 1)}, clears_within=4),
    "NCCL fails": Fault(minutes=3, at=_logs("EngineNcclFailure"), alarms={"nccl-failure": (1, 1)}, clears_within=4),
    "memory runs out": Fault(
        minutes=3, at=_logs("EngineOutOfMemory"), alarms={"out-of-memory": (1, 1)}, clears_within=4
    ),
}
