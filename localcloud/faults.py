"""Faults that can be injected by name: what AWS does on a bad day."""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import dataclass

KNOWN = {
    "insufficient-capacity": "no instance is to be had for the endpoint (target: endpoint name)",
    "component-health-check": "copies never become healthy (target: inference component name)",
    "silent-rollback": "UpdateEndpoint ends InService with the old configuration (target: endpoint name)",
    "throttling": "requests are refused as too many (target: operation, as in CreateEndpoint or logs:PutRetentionPolicy)",
    "access-denied": "requests are refused as not permitted (target: operation, as in cloudwatch:DescribeAlarms)",
    "optimization-job-failed": "the job ends FAILED (target: job name)",
    "optimization-job-hangs": "the job stays INPROGRESS (target: job name)",
}


@dataclass(kw_only=True)
class Fault:
    """One injected fault.

    Args:
        name: One of `KNOWN`.
        target: Shell pattern for the name of what it hits.
        times: How often it hits; None: until it is cleared.
    """

    name: str
    target: str = "*"
    times: int | None = None


_active: list[Fault] = []
_lock = threading.Lock()


def inject(name: str, *, target: str = "*", times: int | None = None) -> None:
    """Make a fault happen from now on."""
    if name not in KNOWN:
        raise ValueError(f"unknown fault {name!r}; known: {', '.join(KNOWN)}")
    if times is not None and times < 1:
        raise ValueError(f"times: at least 1, got {times}")
    with _lock:
        _active.append(Fault(name=name, target=target, times=times))


def clear(name: str | None = None) -> None:
    """End one fault, or all."""
    with _lock:
        _active[:] = [fault for fault in _active if name is not None and fault.name != name]


def active() -> list[Fault]:
    """What is injected now."""
    with _lock:
        return list(_active)


def strikes(name: str, target: str) -> bool:
    """Whether the fault hits this target now; counts it."""
    with _lock:
        for fault in _active:
            if fault.name == name and fnmatch.fnmatchcase(target, fault.target):
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        _active.remove(fault)
                return True
    return False
