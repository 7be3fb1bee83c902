"""`fleet_status`: what an environment does now, as `cdk-sglang status`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from cdk_sglang.cli.mcp.tool import Band, Count, Region, Text, Tool, band, bounded
from cdk_sglang.cli.mcp.workspace import Workspace
from cdk_sglang.validation import Spec

if TYPE_CHECKING:
    from cdk_sglang.cli.status.report import ComponentStatus, EndpointReport, FiringAlarm, StatusReport


class LookAtFleet(Spec):
    """An environment."""

    environment: Text
    """Name, such as prod, or path of its file, below the folder that the server was started in."""

    region: Region | None = None
    """Region; the environment's own, else that of the AWS settings, by default."""


class MeasuredFigures(Spec):
    """What was measured within the last minutes; null where nothing was."""

    requests_per_s: float | None
    """Requests per second (CloudWatch)."""

    failed_share: float | None
    """Share of requests that failed on the serving side (CloudWatch)."""

    concurrent_per_copy: float | None
    """Maximum number of requests running or waiting on one copy (CloudWatch)."""

    latency_p99_ms: float | None
    """Time in the container, p99, milliseconds (CloudWatch)."""

    ttft_mean_ms: float | None
    """Mean time to the first token, milliseconds (engine)."""

    ttft_p99_ms: float | None
    """The same, p99 (engine)."""

    tpot_mean_ms: float | None
    """Mean time per further token, milliseconds (engine)."""

    tpot_p99_ms: float | None
    """The same, p99 (engine)."""

    output_tok_s: float | None
    """Output tokens per second of all copies (engine)."""

    kv_share_used: float | None
    """Share of KV tokens in use on the fullest copy (engine)."""

    queue: float | None
    """Requests that wait for the engine (engine)."""


class ComponentNow(Spec):
    """A component."""

    endpoint: str
    """Its endpoint."""

    component: str
    """Its name."""

    state: str
    """What it does, such as in service, asleep or copies missing."""

    reason: str
    """SageMaker's reason of a failure; empty without one."""

    copies_wanted: int
    """Copies that scaling requests now."""

    copies_running: int
    """Copies that run."""

    planned_ttft_ms: Band | None
    """The plan's time to the first token, milliseconds."""

    planned_tpot_ms: Band | None
    """The same of the time per further token."""

    measured: MeasuredFigures
    """What was measured."""

    error_budget_left: float | None
    """Share of the error budget that is left; null without an objective or requests."""


class EndpointNow(Spec):
    """An endpoint."""

    endpoint: str
    """Its name."""

    endpoint_name: str
    """Its name in SageMaker."""

    state: str
    """What it does."""

    reason: str
    """SageMaker's reason of a failure; empty without one."""

    next_step: str
    """What to do about a state that is wrong; empty without one."""

    instances: dict[str, int]
    """Instances that run, by type."""

    usd_per_hour: float | None
    """US dollars per hour of these instances; null if one has no price."""

    gpus_idle: int
    """GPUs that are paid for and reserved by no copy."""

    not_measured: str
    """Why the engine's own metrics are missing; empty if they are there."""


class AlarmNow(Spec):
    """An alarm in ALARM."""

    name: str
    """Its name."""

    since: str | None
    """Time since which it fires, in ISO 8601."""

    next_step: str
    """What to do."""

    is_fault: bool
    """Whether something is wrong; false for the alarm that is on while a deployment runs."""


class Status(Spec):
    """An environment at one moment."""

    environment: str
    """Its name."""

    region: str
    """AWS Region."""

    at: str
    """Moment at which it was read, in ISO 8601."""

    healthy: bool
    """Whether nothing is wrong; an environment that sleeps is healthy, one that is not deployed is not."""

    problems: list[str]
    """Everything that is wrong, one line each."""

    more_problems: Count
    """Problems left out."""

    usd_per_hour: float | None
    """US dollars per hour of everything that runs; null if an instance has no price."""

    endpoints: list[EndpointNow]
    """Endpoints."""

    more_endpoints: Count
    """Endpoints left out."""

    components: list[ComponentNow]
    """Components of all endpoints."""

    more_components: Count
    """Components left out."""

    alarms: list[AlarmNow]
    """Alarms in ALARM."""

    more_alarms: Count
    """Alarms left out."""


def _status(query: LookAtFleet, workspace: Workspace) -> Status:
    from cdk_sglang.cli.status.command import status_reader

    file = workspace.environment(query.environment)
    return status_answer(status_reader(file.name, file.folder, region=query.region).read())


def status_answer(report: StatusReport) -> Status:
    """Return a report as an answer.

    Args:
        report: The report.
    """
    problems, more_problems = bounded(report.problems)
    endpoints, more_endpoints = bounded(report.endpoints)
    components, more_components = bounded(
        (endpoint.name, one) for endpoint in report.endpoints for one in endpoint.components
    )
    alarms, more_alarms = bounded(report.alarms)
    return Status(
        environment=report.environment,
        region=report.region,
        at=report.at.isoformat(),
        healthy=not report.problems,
        problems=problems,
        more_problems=more_problems,
        usd_per_hour=report.usd_per_hour,
        endpoints=[_endpoint(one) for one in endpoints],
        more_endpoints=more_endpoints,
        components=[_component(name, one) for name, one in components],
        more_components=more_components,
        alarms=[_alarm(one) for one in alarms],
        more_alarms=more_alarms,
    )


def _endpoint(endpoint: EndpointReport) -> EndpointNow:
    return EndpointNow(
        endpoint=endpoint.name,
        endpoint_name=endpoint.endpoint_name,
        state=endpoint.state,
        reason=endpoint.reason,
        next_step=endpoint.next_step,
        instances={one.type: one.running for one in endpoint.instances},
        usd_per_hour=endpoint.usd_per_hour,
        gpus_idle=endpoint.gpus_idle,
        not_measured=endpoint.not_measured,
    )


def _component(endpoint: str, component: ComponentStatus) -> ComponentNow:
    planned = component.planned
    return ComponentNow(
        endpoint=endpoint,
        component=component.name,
        state=component.state,
        reason=component.reason,
        copies_wanted=component.copies_wanted,
        copies_running=component.copies_running,
        planned_ttft_ms=None if planned is None else band(planned.ttft_ms),
        planned_tpot_ms=None if planned is None else band(planned.tpot_ms),
        measured=MeasuredFigures(**dataclasses.asdict(component.measured)),
        error_budget_left=component.error_budget_left,
    )


def _alarm(alarm: FiringAlarm) -> AlarmNow:
    return AlarmNow(
        name=alarm.name,
        since=None if alarm.since is None else alarm.since.isoformat(),
        next_step=alarm.next_step,
        is_fault=alarm.is_fault,
    )


FLEET_STATUS: Final = Tool(
    name="fleet_status",
    title="What a deployed fleet does now",
    description=(
        "State of an environment's endpoints and components, copies, plan and measurement side by side, error budgets, alarms, and US dollars per hour "
        "now. It reads AWS and changes nothing. Use it before giving advice on a fleet that is deployed."
    ),
    takes=LookAtFleet,
    gives=Status,
    answer=_status,
    calls_aws=True,
)
