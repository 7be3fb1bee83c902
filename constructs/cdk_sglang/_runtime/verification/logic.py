"""Verification of a deployment: one check reads the whole live state, and all conditions must hold in the same check."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from .adapters import adapter_finding
from .findings import Finding, waiting
from .live import component_findings, endpoint_findings, scaling_findings
from .smoke import smoke_finding
from .specification import Component, Specification

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

_AT_ONCE = 16
# CloudFormation accepts a response of at most 4,096 bytes (docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html).
_REASON_CHARACTERS = 2000


class VerificationError(Exception):
    """The live state differs from the specification; the text is the reason that CloudFormation shows."""


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Clients of boto3."""

    sagemaker: SageMakerClient
    scaling: Any
    runtime: Callable[[int], SageMakerRuntimeClient]
    """Returns a client of sagemaker-runtime with this read time-out in seconds."""


def check(
    aws: Clients, specification: Specification, *, start: float, now: float, budget_seconds: float
) -> tuple[bool, list[Finding]]:
    """Return whether all conditions hold, and the findings if they do not yet.

    Args:
        aws: Clients.
        specification: Specification of the endpoint.
        start: Time of the first check, in seconds since the epoch.
        now: Time of this check, in seconds since the epoch.
        budget_seconds: Longest duration of this check.

    Raises:
        VerificationError: A difference cannot change by waiting, or the time is over.
    """
    findings = look(aws, specification, elapsed=now - start, budget_seconds=budget_seconds)
    if not findings:
        return True, []
    mistakes = [finding.text for finding in findings if finding.kind == "wrong"]
    if mistakes:
        raise VerificationError(_reason(mistakes))
    if now - start >= specification.timeout_seconds:
        minutes = specification.timeout_seconds // 60
        raise VerificationError(_reason([f"{finding.text} (still so after {minutes} minutes)" for finding in findings]))
    return False, findings


def look(aws: Clients, specification: Specification, *, elapsed: float, budget_seconds: float) -> list[Finding]:
    """Return all current differences."""
    findings = endpoint_findings(aws.sagemaker, specification)
    if findings:  # its components are changing, or serve the previous version
        return findings
    ends = time.monotonic() + budget_seconds
    with _Pool() as pool:
        results = pool.map(
            specification.components,
            lambda component: component_findings(aws.sagemaker, specification, component),
            ends=ends,
        )
        findings = _late(specification.components, results, "looked at")
        findings += [finding for findings_of_one, _ in results.values() for finding in findings_of_one]
        findings += scaling_findings(
            aws.scaling, specification.components, copies=lambda name: results[name][1] if name in results else 1
        )
        if any(finding.kind == "wrong" for finding in findings):
            return findings
        ready = [
            component
            for component in specification.components
            if component.name in results and not results[component.name][0]
        ]
        answers = pool.map(
            ready,
            lambda component: smoke_finding(
                aws.runtime, specification, component, copies=results[component.name][1], elapsed=elapsed
            ),
            ends=ends,
        )
        answering = [component for component in ready if component.name in answers and answers[component.name] is None]
        owners = {adapter: component for component in answering for adapter in component.adapters}
        adapter_answers = pool.map(
            [replace(component, name=adapter) for adapter, component in owners.items()],
            lambda adapter: adapter_finding(
                aws.sagemaker,
                aws.runtime,
                specification,
                owners[adapter.name],
                adapter.name,
                copies=results[owners[adapter.name].name][1],
                elapsed=elapsed,
            ),
            ends=ends,
        )
    findings += _late(ready, answers, "asked")
    findings += [
        waiting(f"adapter {name}: was not asked in the time one look has")
        for name in owners
        if name not in adapter_answers
    ]
    return findings + [finding for finding in (*answers.values(), *adapter_answers.values()) if finding is not None]


def _late(components: Sequence[Component], done: dict[str, Any], what: str) -> list[Finding]:
    return [
        waiting(f"component {component.name}: was not {what} in the time one look has")
        for component in components
        if component.name not in done
    ]


class _Pool:
    """Threads whose results are dropped when the time is over."""

    def __enter__(self) -> Self:
        self._threads = ThreadPoolExecutor(max_workers=_AT_ONCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def map(self, components: Sequence[Component], work: Callable[[Component], Any], *, ends: float) -> dict[str, Any]:
        """Return the results that were ready in time, by component name; raise unexpected errors."""
        futures: dict[str, Future[Any]] = {
            component.name: self._threads.submit(work, component) for component in components
        }
        wait(futures.values(), timeout=max(0.0, ends - time.monotonic()))
        return {name: future.result() for name, future in futures.items() if future.done()}


def _reason(lines: list[str]) -> str:
    text = "\n".join(dict.fromkeys(lines))
    return text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]}… ({len(lines)} problems in all)"
