"""Everything that extends moto, put in place at once."""

from __future__ import annotations

from localcloud import (
    alarmresources,
    alarms,
    autoscaling,
    basics,
    builds,
    cloudformation,
    companions,
    components,
    custom,
    endpoints,
    fleet,
    invocations,
    jobs,
    lambdas,
    metrics,
    operations,
    refusals,
    scheduledactions,
    scheduler,
    stepfunctions,
)
from localcloud.clock import clock as the_clock

_REGISTERED = (
    alarmresources,
    basics,
    builds,
    components,
    custom,
    endpoints,
    jobs,
)  # importing them registers what they implement


def install() -> None:
    """Extend moto in this process; more than once does no harm."""
    operations.install()
    refusals.install()
    cloudformation.install()
    companions.install()
    alarms.install()
    autoscaling.install()
    builds.install()
    lambdas.install()
    invocations.install()
    scheduledactions.install()
    scheduler.install()
    stepfunctions.install()
    the_clock().every_tick(fleet.tick)
    the_clock().every_tick(metrics.tick)
    the_clock().every_tick(scheduledactions.tick)
    the_clock().every_tick(autoscaling.tick)
    the_clock().every_tick(scheduler.tick)
    the_clock().every_tick(invocations.tick)
