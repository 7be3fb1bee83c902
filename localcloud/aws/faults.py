"""Faults that can be injected by name; each is a failure that happens on AWS."""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import dataclass

KNOWN = {
    "insufficient-capacity": "no instance is available for the endpoint (target: endpoint name)",
    "component-health-check": "copies never become healthy (target: inference component name)",
    "component-creating": "a component stays Creating, without copies, until the fault is cleared (target: inference component name)",
    "silent-rollback": "UpdateEndpoint ends InService with the old configuration (target: endpoint name)",
    "throttling": "requests are refused as too many (target: operation, as in CreateEndpoint or logs:PutRetentionPolicy)",
    "access-denied": "requests are refused as not permitted (target: operation, as in cloudwatch:DescribeAlarms)",
    "optimization-job-failed": "the job ends FAILED (target: job name)",
    "optimization-job-hangs": "the job stays INPROGRESS (target: job name)",
    "benchmark-job-failed": "the AI benchmark job ends Failed (target: job name)",
    "benchmark-job-hangs": "the AI benchmark job stays InProgress (target: job name)",
    "endpoint-quota-zero": "the account may run no instance of a type for endpoints (target: instance type)",
    "job-quota-zero": "the account may run no instance of a type for jobs (target: instance type)",
    "agent-quota-zero": "the account may have no agent on AgentCore (target: agents)",
}


@dataclass(kw_only=True)
class Fault:
    """One injected fault.

    Args:
        name: One of `KNOWN`.
        target: Shell pattern of the names that the fault applies to. Default: all.
        times: Number of times the fault strikes. Default: until it is cleared.
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
    """End the faults of this name. Default: all."""
    with _lock:
        _active[:] = [fault for fault in _active if name is not None and fault.name != name]


def active() -> list[Fault]:
    """Faults that are in effect."""
    with _lock:
        return list(_active)


def stands(name: str, target: str) -> bool:
    """Whether a fault would strike this target now; nothing is counted."""
    return any(fault.name == name and fnmatch.fnmatchcase(target, fault.target) for fault in active())


def strikes(name: str, target: str) -> bool:
    """Whether a fault strikes this target now; a strike is counted."""
    with _lock:
        for fault in _active:
            if fault.name == name and fnmatch.fnmatchcase(target, fault.target):
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        _active.remove(fault)
                return True
    return False
