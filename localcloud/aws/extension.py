"""Install every extension of moto at once."""

from __future__ import annotations

import os

from localcloud.aws.agents import memory, sessions
from localcloud.aws.clock import clock as process_clock
from localcloud.aws.cloudformation import backend
from localcloud.aws.cloudformation.resources import (
    agents as agent_types,
)
from localcloud.aws.cloudformation.resources import (
    alarms as alarm_types,
)
from localcloud.aws.cloudformation.resources import (
    analytics,
    buckets,
    custom,
    keys,
    logs,
    observability,
    parameters,
    roles,
    sagemaker,
)
from localcloud.aws.cloudformation.resources import (
    builds as build_types,
)
from localcloud.aws.cloudformation.resources import (
    functions as function_types,
)
from localcloud.aws.cloudformation.resources import (
    scaling as scaling_types,
)
from localcloud.aws.cloudformation.resources import (
    schedules as schedule_types,
)
from localcloud.aws.compute import builds, functions, invocations, jobs, queries, quotas, registries, stepfunctions
from localcloud.aws.door import permissions, refusals, simulations
from localcloud.aws.hosting import capture, components, endpoints, fleet, operations, packages, plans
from localcloud.aws.metrics import (
    alarms,
    composite_alarms,
    dashboards,
    data,
    enrichment,
    log_filters,
    promql_alarms,
    publisher,
    scraper,
)
from localcloud.aws.scaling import activities, policies, scheduled_actions
from localcloud.aws.schedules import scheduler

_OPERATIONS = (components, endpoints, jobs, packages, plans)
_RESOURCE_TYPES = (
    agent_types,
    alarm_types,
    analytics,
    buckets,
    build_types,
    custom,
    function_types,
    keys,
    logs,
    observability,
    parameters,
    sagemaker,
    scaling_types,
    schedule_types,
)
"""Importing these modules registers the operations and resource types that they define."""


def install() -> None:
    """Extend moto in this process; a second call changes nothing."""
    # Nothing here starts an instance of EC2, and moto would read 1,300 machine images while every other call waits.
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    operations.install()
    refusals.install()
    permissions.install()
    simulations.install()
    backend.install()
    buckets.install()
    roles.install()
    alarms.install()
    data.install()
    promql_alarms.install()
    composite_alarms.install()
    enrichment.install()
    log_filters.install()
    dashboards.install()
    policies.install()
    activities.install()
    builds.install()
    registries.install()
    functions.install()
    invocations.install()
    scheduled_actions.install()
    scheduler.install()
    stepfunctions.install()
    quotas.install()
    queries.install()
    memory.install()
    for work in (
        fleet.tick,
        jobs.tick,
        capture.tick,
        publisher.tick,
        scraper.tick,
        log_filters.tick,
        scheduled_actions.tick,
        policies.tick,
        scheduler.tick,
        invocations.tick,
        sessions.tick,
    ):
        process_clock().every_tick(work)
