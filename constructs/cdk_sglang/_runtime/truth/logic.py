"""Whether a deployment holds: everything that is live is looked at in one go, and all of it must be true in the same look."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .asked import Asked, Component
from .findings import Finding, waiting
from .live import component_findings, endpoint_findings, scaling_findings
from .smoke import smoke_finding

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

_AT_ONCE = 16
# CloudFormation takes 4,096 bytes of response in all (docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html).
_REASON_CHARACTERS = 2000


class UntrueError(Exception):
    """The deployment does not hold; the text is the reason CloudFormation shows."""


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Clients of boto3."""

    sagemaker: SageMakerClient
    scaling: Any
    runtime: Callable[[int], SageMakerRuntimeClient]
    """Gives a client of sagemaker-runtime that waits so many seconds for an answer."""


def check(aws: Clients, asked: Asked, *, begun: float, now: float, budget_seconds: float) -> tuple[bool, list[Finding]]:
    """Say whether all of it holds; what is still missing comes along.

    Args:
        aws: Clients.
        asked: What was asked.
        begun: When the first look was, in seconds since the epoch.
        now: The same for this one.
        budget_seconds: How long this look may take.

    Raises:
        UntrueError: Something is wrong that waiting does not mend, or it did not come true in time.
    """
    findings = look(aws, asked, elapsed=now - begun, budget_seconds=budget_seconds)
    if not findings:
        return True, []
    mistakes = [finding.text for finding in findings if finding.kind == "wrong"]
    if mistakes:
        raise UntrueError(_reason(mistakes))
    if now - begun >= asked.timeout_seconds:
        minutes = asked.timeout_seconds // 60
        raise UntrueError(_reason([f"{finding.text} (still so after {minutes} minutes)" for finding in findings]))
    return False, findings


def look(aws: Clients, asked: Asked, *, elapsed: float, budget_seconds: float) -> list[Finding]:
    """Return everything that is not as asked now."""
    findings = endpoint_findings(aws.sagemaker, asked)
    if findings:  # its components are in motion, or serve what was before
        return findings
    ends = time.monotonic() + budget_seconds
    with _Pool() as pool:
        seen = pool.map(
            asked.components, lambda component: component_findings(aws.sagemaker, asked, component), ends=ends
        )
        findings = _late(asked.components, seen, "looked at")
        findings += [finding for found, _ in seen.values() for finding in found]
        findings += scaling_findings(
            aws.scaling, asked.components, copies=lambda name: seen[name][1] if name in seen else 1
        )
        if any(finding.kind == "wrong" for finding in findings):
            return findings
        ready = [component for component in asked.components if component.name in seen and not seen[component.name][0]]
        answers = pool.map(
            ready,
            lambda component: smoke_finding(
                aws.runtime, asked, component, copies=seen[component.name][1], elapsed=elapsed
            ),
            ends=ends,
        )
    findings += _late(ready, answers, "asked")
    return findings + [finding for finding in answers.values() if finding is not None]


def _late(components: Sequence[Component], done: dict[str, Any], what: str) -> list[Finding]:
    return [
        waiting(f"component {component.name}: was not {what} in the time one look has")
        for component in components
        if component.name not in done
    ]


class _Pool:
    """Threads that are not waited for beyond the time there is."""

    def __enter__(self) -> Self:
        self._threads = ThreadPoolExecutor(max_workers=_AT_ONCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def map(self, components: Sequence[Component], work: Callable[[Component], Any], *, ends: float) -> dict[str, Any]:
        """Return what was done in time, by the component's name; an unforeseen error is raised."""
        futures: dict[str, Future[Any]] = {
            component.name: self._threads.submit(work, component) for component in components
        }
        wait(futures.values(), timeout=max(0.0, ends - time.monotonic()))
        return {name: future.result() for name, future in futures.items() if future.done()}


def _reason(lines: list[str]) -> str:
    text = "\n".join(dict.fromkeys(lines))
    return text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]}… ({len(lines)} problems in all)"
